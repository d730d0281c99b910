// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
#include "tools/vm_client.h"
#include "vmm/handover.h"

static const char *word(const json_t *disk, const char *key)
{
	const char *text = json_string_value(json_object_get(disk, key));

	return text && *text ? text : "-";
}

static void print(struct ctx *ctx, const json_t *report)
{
	const json_t *disks = json_object_get(report, "disks"), *disk;
	size_t i;

	fprintf(ctx->out, "%-5s %-10s %-4s %-6s %-9s %s\n", "DISK", "SIZE", "MODE", "QUEUES", "IO",
		"SERIAL");
	json_array_foreach(disks, i, disk)
		fprintf(ctx->out, "%-5zu %-10s %-4s %-6lld %-9s %s\n", i,
			SIZE_STR((uint64_t)json_integer_value(json_object_get(disk, "bytes"))),
			json_is_true(json_object_get(disk, "readonly")) ? "ro" : "rw",
			(long long)json_integer_value(json_object_get(disk, "queues")), word(disk, "io"),
			word(disk, "serial"));
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	json_t *params = NULL, *report = NULL;
	uint64_t n = 0;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, 2, "VM [DISK]", err);
	if (r < 0)
		return r;
	if (argc - optind == 2) {
		if (uint_parse(argv[optind + 1], HANDOVER_MAX_DISKS - 1, &n) < 0)
			return err_usage(err, "vm disk: '%s' is no number of a disk", argv[optind + 1]);
		params = json_pack("{s:I}", "resized", (json_int_t)n);
	}
	r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0)
		r = vm_client_call_with(&c, "disk", params, NULL, 0, &report, err);
	else
		json_decref(params);
	if (r == 0 && ctx->json)
		r = vm_asked_json(ctx, &(struct vm_asked){ argv[optind], c.supervisor, report },
				  "thruway.vm-disk/1", "disk", err);
	else if (r == 0)
		print(ctx, report);
	json_decref(report);
	vm_client_close(&c);
	return r;
}

const struct command cmd_vm_disk = {
	.name = "vm disk",
	.synopsis = "VM [DISK]",
	.summary = "a guest's virtio disks, and that one has another size now",
	.help = "Shows the disks that a guest was started with (--disk). With the number of one the guest\n"
		"is first told how large its file or block device is now:\n"
		"\n"
		"  truncate -s 20G disk.raw && thruway vm disk VM 0",
	.takes = TAKES_JSON,
	.run = run,
};
