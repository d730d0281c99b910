// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
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

static const char *word(const json_t *of, const char *key)
{
	const char *text = vm_report_text(of, key);

	return *text ? text : "-";
}

/* Of those that have it, in a table of its own. */
static void print_failover(struct ctx *ctx, const json_t *nics)
{
	static const char row[] = "%-4s %-8s %-8s %-13s %-20s %s\n";
	bool begun = false;
	const json_t *nic;
	char number[24];
	size_t i;

	json_array_foreach(nics, i, nic) {
		const json_t *f = json_object_get(nic, "failover");

		if (!json_is_object(f))
			continue;
		if (!begun)
			fprintf(ctx->out, row, "NIC", "ACTIVE", "WANTED", "VF", "CAUSE", "WAITS FOR");
		begun = true;
		snprintf(number, sizeof(number), "%zu", i);
		fprintf(ctx->out, row, number, word(f, "active"), word(f, "wanted"), word(f, "device"),
			word(f, "cause"), word(f, "waits_for"));
	}
}

static void print(struct ctx *ctx, const json_t *report)
{
	const json_t *nics = json_object_get(report, "nics"), *nic;
	size_t i;

	fprintf(ctx->out, "%-4s %-18s %-16s %-5s %-6s %-10s %-6s %s\n", "NIC", "MAC", "HOST", "LINK", "QUEUES",
		"BACKEND", "MTU", "RECEIVES");
	json_array_foreach(nics, i, nic)
		print_one(ctx, i, nic);
	print_failover(ctx, nics);
}

/* What a word says of a network device: the parameter that it is the value of. */
static const char *key_of(const char *word)
{
	static const struct {
		const char *word, *key;
	} rows[] = {
		{ "up", "link" }, { "down", "link" }, { "standby", "use" }, { "primary", "use" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].key;
	return NULL;
}

/* VM, VM NIC WORD, or VM WORD of the only one with failover. NULL: nothing but the report is asked for. */
static int parse(int argc, char **argv, json_t **ret, struct err *err)
{
	int n = argc - optind;
	const char *word = argv[argc - 1], *key;
	uint64_t nic = 0;

	if (n == 1)
		return 0;
	key = key_of(word);
	if (n == 3 && uint_parse(argv[optind + 1], HANDOVER_MAX_NICS - 1, &nic) < 0)
		return err_usage(err, "vm nic: '%s' is no number of a network device", argv[optind + 1]);
	if (!key)
		return err_usage(err, "vm nic: '%s' is neither up nor down, standby nor primary", word);
	if (n == 2 && strcmp(key, "link") == 0)
		return err_usage(err, "vm nic: %s, and which network device? (vm nic VM NIC %s)", word, word);
	*ret = json_pack("{s:s}", key, word);
	if (n == 3)
		json_object_set_new(*ret, "nic", json_integer((json_int_t)nic));
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
		r = opts_operands(&o, 1, 3, "VM [[NIC] WORD]", err);
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
	.synopsis = "VM [[NIC] up|down|standby|primary]",
	.summary = "a guest's virtio network devices, their cables and their VFs",
	.help = "Shows the network devices that a guest was started with (--nic): its MACs, the interface\n"
		"of this host, the pairs of queues that it uses, who moves the packets, and whether it has\n"
		"packets filtered. With the number of one and a word, the cable is pulled out first, or put\n"
		"in, which the guest sees:\n"
		"\n"
		"  thruway vm nic VM 0 down\n"
		"\n"
		"Of those with failover (vf=...,standby=...) it shows which of the two the guest goes by,\n"
		"and why. With standby the VF is taken out of the guest, which has five seconds to let go\n"
		"of it, and stays out until primary is said; vm events tells when that has happened. The\n"
		"number may be left out where one has failover:\n"
		"\n"
		"  thruway vm nic VM standby",
	.takes = TAKES_JSON,
	.run = run,
};
