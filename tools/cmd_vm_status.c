// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
#include "tools/vm_report.h"

/* "paused, the guest panicked" */
static const char *state(const json_t *vm, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", vm_report_text(vm, "state"),
		 json_is_true(json_object_get(vm, "panicked")) ? ", the guest panicked" : "");
	return buf;
}

/* What it does, and whether the guest feeds it. */
static const char *watchdog(const json_t *vm, char *buf, size_t size)
{
	const json_t *w = json_object_get(vm, "watchdog");

	buf[0] = '\0';
	if (json_is_object(w))
		snprintf(buf, size, "%s (%s)", vm_report_text(w, "action"),
			 json_is_true(json_object_get(w, "running")) ? "running" : "not running");
	return buf;
}

static void print(struct ctx *ctx, const char *name, pid_t supervisor, const json_t *vm)
{
	char text[1024], number[16];

	fprintf(ctx->out, "%s\n", name);
	out_fact(ctx->out, "state", state(vm, text, sizeof(text)));
	out_fact(ctx->out, "uptime", vm_report_uptime(vm, text, sizeof(text)));
	snprintf(text, sizeof(text), "%s (its supervisor: %d)",
		 vm_report_number(vm, "pid", number, sizeof(number)), (int)supervisor);
	out_fact(ctx->out, "VMM's pid", text);
	out_fact(ctx->out, "CPUs", vm_report_number(vm, "cpus", text, sizeof(text)));
	out_fact(ctx->out, "RAM",
		 SIZE_STR((uint64_t)json_integer_value(json_object_get(vm, "memory_bytes"))));
	out_fact(ctx->out, "nodes", vm_report_number(vm, "nodes", text, sizeof(text)));
	out_fact(ctx->out, "reboots", vm_report_number(vm, "reboots", text, sizeof(text)));
	out_fact(ctx->out, "devices", vm_report_devices(vm, text, sizeof(text)));
	out_fact(ctx->out, "watchdog", watchdog(vm, text, sizeof(text)));
	out_fact(ctx->out, "console", vm_report_text(vm, "console"));
	out_fact(ctx->out, "ports", vm_report_ports(vm, text, sizeof(text)));
	out_fact(ctx->out, "fs", vm_report_fs(vm, text, sizeof(text)));
	out_fact(ctx->out, "scsi", vm_report_scsi(vm, text, sizeof(text)));
	out_fact(ctx->out, "vsock", vm_report_number(vm, "vsock_cid", text, sizeof(text)));
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_asked asked;
	int r = vm_ask(ctx, argc, argv, "status", &asked, err);

	if (r < 0)
		return r;
	if (ctx->json)
		r = vm_asked_json(ctx, &asked, "thruway.vm-status/1", "vm", err);
	else
		print(ctx, asked.name, asked.supervisor, asked.result);
	vm_asked_fini(&asked);
	return r;
}

const struct command cmd_vm_status = {
	.name = "vm status",
	.synopsis = "VM",
	.summary = "how a virtual machine is",
	.help = "Shows whether a virtual machine runs or is paused, since when, and what it has.",
	.takes = TAKES_JSON,
	.run = run,
};
