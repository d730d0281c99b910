/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM tells of posted interrupts: the trace event kvm_pi_irte_update, in an instance of
 * tracefs of our own that is there for as long as we look. Its name says whose it is, so that
 * several may look at once, and what one leaves that is killed the next removes.
 */
#ifndef TOOLS_IRQ_TRACE_H
#define TOOLS_IRQ_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct process_id;

struct irq_trace {
	int root;
	char instance[128]; /* below the root; "": none */
};

#define IRQ_TRACE_INIT { .root = -1, .instance = "" }

/* -ENOENT: this kernel has no such event, or tracefs is not mounted; -EACCES: not root. */
int irq_trace_begin(int root, struct irq_trace *ret, struct err *err);
void irq_trace_end(struct irq_trace *t); /* for _cleanup_, too */

/* What the instance of a process is called; for tests. */
void irq_trace_name(const struct process_id *id, char *buf, size_t size);

enum irq_told { IRQ_TOLD_NOTHING, IRQ_TOLD_POSTED, IRQ_TOLD_NOT_POSTED };

/* The last that was told since the beginning, by a thread of this process, of each GSI below n. */
int irq_trace_read(const struct irq_trace *t, pid_t pid, enum irq_told *ret, unsigned n,
		   struct err *err);

#endif
