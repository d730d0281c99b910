// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>

#include "tools/command.h"
#include "tools/commands.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
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

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_asked asked;
	json_t *rows;
	int r = vm_ask(ctx, argc, argv, "interrupts", &asked, err);

	if (r < 0)
		return r;
	rows = vm_irq_rows(ctx->root, asked.result, err);
	vm_asked_fini(&asked);
	if (!rows)
		return err->code;
	if (ctx->json)
		return out_json(ctx->out, "thruway.vm-irq/1", "vectors", rows) < 0 ? -ENOMEM : 0;
	r = print(ctx, rows);
	json_decref(rows);
	return r < 0 ? err_set(err, r, "cannot show the interrupts") : 0;
}

const struct command cmd_vm_irq = {
	.name = "vm irq",
	.synopsis = "VM",
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
		"processor, IOMMU and message allow: the kernel does not say what it does. What was\n"
		"posted is not in the host's count.",
	.takes = TAKES_JSON,
	.run = run,
};
