// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/vm_client.h"
#include "tools/vm_irq.h"
#include "tools/vm_report.h"

static int add_row(struct table *t, const json_t *row)
{
	char vector[16], irq[16], count[24], guest[16], cpu[16], on[16], path[160], mode[32];
	const char *why = vm_report_text(row, "why");

	snprintf(mode, sizeof(mode), "%s %s", vm_report_text(row, "mode"),
		 vm_report_number(row, "vector", vector, sizeof(vector)));
	snprintf(path, sizeof(path), "%s%s%s%s", vm_report_text(row, "path"), *why ? " (" : "", why,
		 *why ? ")" : "");
	return table_row(t, (const char *[]){
				    vm_report_text(row, "device"), mode,
				    vm_report_number(row, "host_irq", irq, sizeof(irq)),
				    vm_report_text(row, "host_irq_cpus"),
				    vm_report_number(row, "host_irq_count", count, sizeof(count)),
				    vm_report_number(row, "guest_vector", guest, sizeof(guest)),
				    vm_report_number(row, "guest_cpu", cpu, sizeof(cpu)),
				    vm_report_number(row, "guest_cpu_on", on, sizeof(on)), path });
}

static int print(struct ctx *ctx, const json_t *rows)
{
	static const char *const titles[] = { "DEVICE", "VECTOR", "HOST-IRQ", "ON-CPU", "COUNT",
					      "GUEST-VECTOR", "VCPU", "VCPU-ON", "PATH", NULL };
	struct table *t = table_new(titles);
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < json_array_size(rows); i++)
		r = add_row(t, json_array_get(rows, i));
	if (r == 0)
		table_print(t, ctx->out);
	table_free(t);
	return r;
}

enum { OPT_OBSERVE = 256 };

static const struct option own[] = {
	{ "observe", no_argument, NULL, OPT_OBSERVE },
	{ 0 },
};

/* The VMM ties its irqfds anew while KVM's tracer listens. */
static int observe(int root, struct vm_client *vm, json_t **ret, enum irq_told *told, struct err *err)
{
	_cleanup_(irq_trace_end) struct irq_trace trace = IRQ_TRACE_INIT;
	int r = irq_trace_begin(root, &trace, err);

	if (r == 0)
		r = vm_client_call_with(vm, "interrupts", json_pack("{s:b}", "reattach", 1), NULL, 0,
					ret, err);
	if (r == 0)
		r = irq_trace_read(&trace, (pid_t)json_integer_value(json_object_get(*ret, "pid")),
				   told, VM_IRQ_GSIS, err);
	return r;
}

static int ask(struct ctx *ctx, const char *name, bool traced, json_t **ret, struct err *err)
{
	_cleanup_free_ enum irq_told *told = calloc(VM_IRQ_GSIS, sizeof(*told));
	struct vm_client vm = VM_CLIENT_INIT;
	json_t *report = NULL;
	int r = told ? vm_client_open(ctx->root, name, &vm, err) : err_set(err, -ENOMEM, "cannot look");

	if (r == 0 && traced)
		r = observe(ctx->root, &vm, &report, told, err);
	else if (r == 0)
		r = vm_client_call(&vm, "interrupts", &report, err);
	if (r == 0) {
		*ret = vm_irq_rows(ctx->root, report, traced ? told : NULL, err);
		r = *ret ? 0 : err->code;
	}
	json_decref(report);
	vm_client_close(&vm);
	return r;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	bool traced = false;
	json_t *rows = NULL;
	struct opts o;
	int opt, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((opt = opts_next(&o, err)) > 0)
		traced = true;
	r = opt < 0 ? opt : opts_operands(&o, 1, 1, "VM", err);
	if (r == 0)
		r = ask(ctx, argv[optind], traced, &rows, err);
	if (r < 0)
		return r;
	if (ctx->json)
		return out_json(ctx->out, "thruway.vm-irq/1", "vectors", rows) < 0 ? -ENOMEM : 0;
	r = print(ctx, rows);
	json_decref(rows);
	return r < 0 ? err_set(err, r, "cannot show the interrupts") : 0;
}

const struct command cmd_vm_irq = {
	.name = "vm irq",
	.synopsis = "[--observe] VM",
	.summary = "the way each of its interrupts takes",
	.help = "For each interrupt vector of the devices that a VM has: the host's interrupt, the\n"
		"CPU that takes it and how often, the guest's vector and virtual CPU, the CPU of\n"
		"the host which that one last ran on, and the path:\n"
		"\n"
		"  posted             the IOMMU puts it into the running virtual CPU\n"
		"  remapped+injected  the host takes it and KVM passes it on, without a stop in the VMM\n"
		"  userspace          the VMM passes it on\n"
		"  none               the guest masks it, or has it off\n"
		"\n"
		"Why an interrupt is not posted stands behind it. Posted is a prediction, from what\n"
		"processor, IOMMU and message allow. What was posted is not in the host's count.\n"
		"\n"
		"      --observe      have the VMM tie its interrupts anew and listen to what KVM's tracer\n"
		"                     tells of it; JSON's known_by says which was observed,\n"
		"                     which predicted, and which the VMM itself knows",
	.takes = TAKES_JSON,
	.run = run,
};
