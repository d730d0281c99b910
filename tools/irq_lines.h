/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt lines (INTx) that were moved, and where they were. A vector of MSI or MSI-X is VFIO's own
 * and goes with it; a line is the host's, keeps its affinity, and takes along whoever shares it.
 */
#ifndef TOOLS_IRQ_LINES_H
#define TOOLS_IRQ_LINES_H

#include <stdbool.h>

#define IRQ_LINES_MAX 64 /* IO-APIC pins: more lines than guests have */

struct irq_line {
	unsigned irq;
	bool used;     /* by the guest, since unused ones were put back last */
	char was[256]; /* smp_affinity_list, before the first time */
	char ours[64]; /* what was written last */
};

struct irq_lines {
	unsigned count;
	struct irq_line lines[IRQ_LINES_MAX];
};

/* The guest uses it: it is not put back by the next irq_lines_put_back_unused(). */
void irq_lines_used(struct irq_lines *l, unsigned irq);

/*
 * It is about to be moved from `now` to `want`. False: where it was could not be remembered, it must
 * stay.
 */
bool irq_lines_moving(struct irq_lines *l, unsigned irq, const char *now, const char *want);

/*
 * Put back those that were not used since this was called last. A line that is not where we put it
 * is another's by now, and left alone.
 */
void irq_lines_put_back_unused(int root, struct irq_lines *l);

/* And at the end all of them. */
void irq_lines_put_back(int root, struct irq_lines *l);

#endif
