/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vm irq` shows of a vector: the VMM's side of it and the host's, put together. */
#ifndef TOOLS_VM_IRQ_H
#define TOOLS_VM_IRQ_H

#include <jansson.h>

#include "base/err.h"
#include "tools/irq_trace.h"

/* As many routes as KVM has. */
#define VM_IRQ_GSIS 4096u

/*
 * report: the answer to "interrupts"; told: what KVM told of each GSI (VM_IRQ_GSIS of them), NULL:
 * nobody listened. An array with an object for each vector, the caller's; NULL with err set
 * when memory ran out or the report is none.
 */
json_t *vm_irq_rows(int root, const json_t *report, const enum irq_told *told, struct err *err);

#endif
