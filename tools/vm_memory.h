/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the host has the RAM that a guest is to get, asked before anything is changed. */
#ifndef TOOLS_VM_MEMORY_H
#define TOOLS_VM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/mem.h"

/*
 * Refuse (-ENOMEM) RAM that cannot be populated now: with small pages more than
 * MemAvailable less a margin, and swap unless it will be pinned (for devices); with
 * huge ones more than are free. What proc or sys does not tell is not refused. An
 * answer for this moment: what others take meanwhile is not reserved against.
 */
int vm_memory_check(int root, uint64_t bytes, enum mem_kind kind, bool pinned, struct err *err);

#endif
