// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
#include "tools/vm_client.h"
#include "tools/vm_report.h"
#include "vmm/handover.h"

static void print_one(struct ctx *ctx, size_t i, const json_t *nic)
{
	bool driven = json_is_true(json_object_get(nic, "driven"));
	char all[16], used[16], queues[40], mtu[16];

	snprintf(queues, sizeof(queues), "%s/%s", vm_report_number(nic, "queues_used", used, sizeof(used)),
		 vm_report_number(nic, "queues", all, sizeof(all)));
	fprintf(ctx->out, "%-4zu %-18s %-16s %-5s %-6s %-10s %-6s %s\n", i, vm_report_text(nic, "mac"),
		vm_report_text(nic, "host"), vm_report_text(nic, "link"), queues,
		vm_report_text(nic, "backend"), vm_report_number(nic, "mtu", mtu, sizeof(mtu)),
		driven ? vm_report_text(nic, "receives") : "no driver");
}

static void print(struct ctx *ctx, const json_t *report)
{
	const json_t *nics = json_object_get(report, "nics"), *nic;
	size_t i;

	fprintf(ctx->out, "%-4s %-18s %-16s %-5s %-6s %-10s %-6s %s\n", "NIC", "MAC", "HOST", "LINK", "QUEUES",
		"BACKEND", "MTU", "RECEIVES");
	json_array_foreach(nics, i, nic)
		print_one(ctx, i, nic);
}

/* VM, or VM NIC up|down. NULL: nothing but the report is asked for. */
static int parse(int argc, char **argv, json_t **ret, struct err *err)
{
	const char *word = argv[optind + 2];
	uint64_t n = 0;

	if (argc - optind == 1)
		return 0;
	if (argc - optind == 2)
		return err_usage(err, "vm nic: up or down, of network device %s?", argv[optind + 1]);
	if (uint_parse(argv[optind + 1], HANDOVER_MAX_NICS - 1, &n) < 0)
		return err_usage(err, "vm nic: '%s' is no number of a network device", argv[optind + 1]);
	if (strcmp(word, "up") != 0 && strcmp(word, "down") != 0)
		return err_usage(err, "vm nic: '%s' is neither up nor down", word);
	*ret = json_pack("{s:I, s:s}", "nic", (json_int_t)n, "link", word);
	return 0;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	json_t *params = NULL, *report = NULL;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, 3, "VM [NIC up|down]", err);
	if (r == 0)
		r = parse(argc, argv, &params, err);
	if (r < 0)
		return r;
	r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0)
		r = vm_client_call_with(&c, "nic", params, NULL, 0, &report, err);
	else
		json_decref(params);
	if (r == 0 && ctx->json)
		r = vm_asked_json(ctx, &(struct vm_asked){ argv[optind], c.supervisor, report },
				  "thruway.vm-nic/1", "nic", err);
	else if (r == 0)
		print(ctx, report);
	json_decref(report);
	vm_client_close(&c);
	return r;
}

const struct command cmd_vm_nic = {
	.name = "vm nic",
	.synopsis = "VM [NIC up|down]",
	.summary = "a guest's virtio network devices, and their cables",
	.help = "Shows the network devices that a guest was started with (--nic): its MACs, the interface\n"
		"of this host, the pairs of queues that it uses, who moves the packets, and whether it has\n"
		"packets filtered. With the number of one and a word, the cable is pulled out first, or put\n"
		"in, which the guest sees:\n"
		"\n"
		"  thruway vm nic VM 0 down",
	.takes = TAKES_JSON,
	.run = run,
};
