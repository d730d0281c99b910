/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM tells of posted interrupts: the trace event kvm_pi_irte_update, in an instance of
 * tracefs of our own that is there for as long as we look.
 */
#ifndef TOOLS_IRQ_TRACE_H
#define TOOLS_IRQ_TRACE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct irq_trace {
	int root;
	char instance[64]; /* below the root; "": none */
};

#define IRQ_TRACE_INIT { .root = -1, .instance = "" }

/*
 * -ENOENT: this kernel has no such event, or tracefs is not mounted; -EACCES: not root. Left
 * behind by one of us that was killed, an instance of the same name is taken over.
 */
int irq_trace_begin(int root, struct irq_trace *ret, struct err *err);
void irq_trace_end(struct irq_trace *t); /* for _cleanup_, too */

enum irq_told { IRQ_TOLD_NOTHING, IRQ_TOLD_POSTED, IRQ_TOLD_NOT_POSTED };

/* The last that was told since the beginning, by a thread of this process, of each GSI below n. */
int irq_trace_read(const struct irq_trace *t, pid_t pid, enum irq_told *ret, unsigned n,
		   struct err *err);

#endif
