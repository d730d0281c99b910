// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/vm_client.h"
#include "tools/vm_report.h"

struct listing {
	struct ctx *ctx;
	json_t *vms;
};

/* One that is dead is none; one that does not answer is one that an operator must know of. */
static int add(const char *name, void *opaque)
{
	struct listing *l = opaque;
	struct vm_client c = VM_CLIENT_INIT;
	struct err err = ERR_INIT;
	json_t *vm = NULL;

	if (vm_client_open(l->ctx->root, name, &c, &err) < 0) {
		if (err.code == -ESRCH)
			return 0;
	} else {
		(void)vm_client_call(&c, "status", &vm, &err);
	}
	if (!vm)
		vm = json_pack("{s:s, s:s}", "state", err.code == -EACCES ? "another user's" :
									   "does not answer",
			       "error", err.text);
	if (vm) {
		json_object_set_new(vm, "name", json_string(name));
		if (c.supervisor)
			json_object_set_new(vm, "supervisor", json_integer(c.supervisor));
		json_array_append_new(l->vms, vm);
	}
	vm_client_close(&c);
	return vm ? 0 : -ENOMEM;
}

static int print(struct ctx *ctx, const json_t *vms)
{
	static const char *const titles[] = { "NAME", "STATE",	 "PID",	    "CPUS",
					      "RAM",  "UPTIME", "DEVICES", NULL };
	struct table *t = table_new(titles);
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);
		char pid[16], cpus[16], uptime[32], devices[256];
		const char *cells[] = { vm_report_text(vm, "name"),
					vm_report_text(vm, "state"),
					vm_report_number(vm, "supervisor", pid, sizeof(pid)),
					vm_report_number(vm, "cpus", cpus, sizeof(cpus)),
					json_object_get(vm, "memory_bytes") ?
						SIZE_STR((uint64_t)json_integer_value(
							json_object_get(vm, "memory_bytes"))) :
						"",
					vm_report_uptime(vm, uptime, sizeof(uptime)),
					vm_report_devices(vm, devices, sizeof(devices)) };

		r = table_row(t, cells);
	}
	if (r == 0)
		table_print(t, ctx->out);
	table_free(t);
	return r;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct listing l = { .ctx = ctx };
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 0, 0, "nothing", err);
	if (r < 0)
		return r;
	l.vms = json_array();
	r = l.vms ? vm_each(ctx->root, add, &l) : -ENOMEM;
	if (r == 0 && !ctx->json) {
		r = print(ctx, l.vms);
		json_decref(l.vms);
	} else if (r == 0) {
		r = out_json(ctx->out, "thruway.vm-ps/1", "vms", l.vms);
	}
	return r < 0 ? err_set(err, r, "cannot list the VMs") : 0;
}

const struct command cmd_vm_ps = {
	.name = "vm ps",
	.synopsis = "",
	.summary = "virtual machines that run",
	.help = "Lists the virtual machines that thruway runs on this host: the name that other\n"
		"commands know them by, the pid of the `thruway vm run` that has them, and their\n"
		"devices. What belongs to other users is named, and no more.",
	.takes = TAKES_JSON,
	.run = run,
};
