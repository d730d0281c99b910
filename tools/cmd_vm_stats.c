// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
#include "tools/vm_report.h"

static long long number(const json_t *of, const char *key)
{
	return (long long)json_integer_value(json_object_get(of, key));
}

static int add_cpu(struct table *t, const json_t *cpu)
{
	const json_t *kvm = json_object_get(cpu, "kvm"), *exits = json_object_get(cpu, "exits");
	char cell[9][32];
	const char *cells[9];

	vm_report_number(cpu, "cpu", cell[0], sizeof(cell[0]));
	vm_report_number(cpu, "thread", cell[1], sizeof(cell[1]));
	vm_report_number(kvm, "exits", cell[2], sizeof(cell[2]));
	vm_report_number(kvm, "halt_exits", cell[3], sizeof(cell[3]));
	vm_report_number(kvm, "irq_injections", cell[4], sizeof(cell[4]));
	cell[5][0] = '\0';
	if (json_object_get(kvm, "halt_attempted_poll"))
		snprintf(cell[5], sizeof(cell[5]), "%lld/%lld", number(kvm, "halt_successful_poll"),
			 number(kvm, "halt_attempted_poll"));
	vm_report_number(exits, "pio", cell[6], sizeof(cell[6]));
	vm_report_number(exits, "mmio", cell[7], sizeof(cell[7]));
	snprintf(cell[8], sizeof(cell[8]), "%lld", number(exits, "interrupted") + number(exits, "other"));
	for (unsigned i = 0; i < 9; i++)
		cells[i] = cell[i];
	return table_row(t, cells);
}

static int print_cpus(struct ctx *ctx, const json_t *cpus)
{
	static const char *const titles[] = { "CPU",	   "THREAD",   "EXITS",	   "HALTS",
					      "INJECTED", "HALT-POLL", "VMM:PIO", "VMM:MMIO",
					      "VMM:OTHER", NULL };
	struct table *t = table_new(titles);
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < json_array_size(cpus); i++)
		r = add_cpu(t, json_array_get(cpus, i));
	if (r == 0)
		table_print(t, ctx->out);
	table_free(t);
	return r;
}

/* What backs the guest's pages in KVM's tables: only those that it touched. */
static void print_pages(struct ctx *ctx, const json_t *kvm)
{
	static const struct {
		const char *key, *word;
		uint64_t size;
	} pages[] = { { "pages_1g", "1G", GiB }, { "pages_2m", "2M", 2 * MiB }, { "pages_4k", "4K", 4 * KiB } };
	char text[160] = "";
	size_t n = 0;

	for (unsigned i = 0; i < 3; i++) {
		long long count = number(kvm, pages[i].key);

		if (json_object_get(kvm, pages[i].key) && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s in %lld of %s",
					      n ? ", " : "", SIZE_STR((uint64_t)count * pages[i].size),
					      count, pages[i].word);
	}
	out_fact(ctx->out, "pages", text);
}

static void print_interrupts(struct ctx *ctx, const json_t *in)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "%lld vectors, %lld by irqfd, %lld by userspace, %lld GSIs; %lld delivered by userspace; "
		 "%lld routing commits, %lld failures",
		 number(in, "vectors"), number(in, "by_irqfd"), number(in, "by_userspace"),
		 number(in, "gsis"),
		 number(in, "relayed"), number(in, "routing_commits"), number(in, "failures"));
	out_fact(ctx->out, "interrupts", text);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_asked asked;
	int r = vm_ask(ctx, argc, argv, "stats", &asked, err);

	if (r < 0)
		return r;
	if (ctx->json) {
		r = vm_asked_json(ctx, &asked, "thruway.vm-stats/2", "stats", err);
	} else {
		r = print_cpus(ctx, json_object_get(asked.result, "cpus"));
		print_interrupts(ctx, json_object_get(asked.result, "interrupts"));
		print_pages(ctx, json_object_get(asked.result, "kvm"));
	}
	vm_asked_fini(&asked);
	return r < 0 ? err_set(err, r, "cannot show the counts") : 0;
}

const struct command cmd_vm_stats = {
	.name = "vm stats",
	.synopsis = "VM",
	.summary = "exits, interrupts and pages of a virtual machine",
	.help = "For each virtual CPU: all exits as KVM counts them, halts, interrupts injected,\n"
		"how many polls at a halt were worth it, and the exits that reached the VMM, by\n"
		"kind. Then how its devices' interrupts travel, and the sizes of the pages that\n"
		"back what the guest touched. -j has every number that KVM keeps, by its name.",
	.takes = TAKES_JSON,
	.run = run,
};
