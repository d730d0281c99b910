/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Telling irqbalance which interrupts it is to leave alone, by the socket its own user interface
 * uses (/run/irqbalance/irqbalance<pid>.sock; irqbalance 1.2 and later). It has one list, which is
 * replaced as a whole: what is on it already, by its options or an operator, stays.
 */
#ifndef TOOLS_IRQBALANCE_H
#define TOOLS_IRQBALANCE_H

#include <stdbool.h>

/* As many as its request of 500 bytes may name. */
#define IRQ_LIST_MAX 128

struct irq_list {
	unsigned irqs[IRQ_LIST_MAX];
	unsigned count;
};

/* False when it is full. What is there already is not added again. */
bool irq_list_add(struct irq_list *list, unsigned irq);

bool irq_list_equal(const struct irq_list *a, const struct irq_list *b);

/*
 * Put `now` on its list in place of `was`, what we put there before. 0; -ENOENT: none runs;
 * -E2BIG: more than it takes; -EPROTO: it answers what is no answer; -EACCES, -ETIMEDOUT or
 * another -errno. Takes 2 s at most.
 */
int irqbalance_leave(int root, const struct irq_list *was, const struct irq_list *now);

#endif
