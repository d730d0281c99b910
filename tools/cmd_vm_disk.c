// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
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

	fprintf(ctx->out, "%-5s %-10s %-4s %-6s %-10s %-7s %s\n", "DISK", "SIZE", "MODE", "QUEUES", "IO",
		"THREAD", "SERIAL");
	json_array_foreach(disks, i, disk)
		fprintf(ctx->out, "%-5zu %-10s %-4s %-6lld %-10s %-7s %s\n", i,
			SIZE_STR((uint64_t)json_integer_value(json_object_get(disk, "bytes"))),
			json_is_true(json_object_get(disk, "readonly")) ? "ro" : "rw",
			(long long)json_integer_value(json_object_get(disk, "queues")), word(disk, "io"),
			json_is_true(json_object_get(disk, "iothread")) ? "own" : "shared",
			json_is_false(json_object_get(disk, "backend")) ? "(nobody serves it)" :
									  word(disk, "serial"));
}

static int parse_disk(const char *text, json_t **ret, struct err *err)
{
	uint64_t n;

	if (uint_parse(text, HANDOVER_MAX_DISKS - 1, &n) < 0)
		return err_usage(err, "vm disk: '%s' is no number of a disk", text);
	*ret = json_pack("{s:I}", "resized", (json_int_t)n);
	return 0;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	static const struct vm_ask_operand operand = { "VM [DISK]", parse_disk };
	struct vm_asked asked;
	int r = vm_ask_with(ctx, argc, argv, "disk", &operand, &asked, err);

	if (r < 0)
		return r;
	if (ctx->json)
		r = vm_asked_json(ctx, &asked, "thruway.vm-disk/1", "disk", err);
	else
		print(ctx, asked.result);
	vm_asked_fini(&asked);
	return r;
}

const struct command cmd_vm_disk = {
	.name = "vm disk",
	.synopsis = "VM [DISK]",
	.summary = "a guest's virtio disks, and that one has another size now",
	.help = "Shows the disks that a guest was started with (--disk). With the number of one the guest\n"
		"is first told how large its file or block device is now (a backend is asked):\n"
		"\n"
		"  truncate -s 20G disk.raw && thruway vm disk VM 0",
	.takes = TAKES_JSON,
	.run = run,
};
