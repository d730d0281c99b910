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
 * huge ones more than are free; on the node that policy=strict names, more than that
 * one has. And -EOPNOTSUPP: huge pages that this host's settings make small ones of.
 * What proc or sys does not tell is not refused. An answer for this moment: what others
 * take meanwhile is not reserved against. nodes: what vm_nodes_place() made of them.
 */
int vm_memory_check(int root, const struct mem_node *nodes, unsigned count, bool pinned,
		    struct err *err);

/* Whether the kernel has pages of this size to reserve. */
bool vm_memory_has_pool(int root, uint64_t page);

/*
 * Whether so many pages of one size are free as these nodes take of it, on the host nodes that each is to
 * be on, also where it would get others. -ENOMEM: err's text says how many are missing where, its hint
 * is the command that reserves them.
 */
int vm_memory_check_pool(int root, const struct mem_node *nodes, unsigned count, uint64_t page,
			 struct err *err);

/* Refuse (-EOPNOTSUPP) thp=on for private memory where the host's setting is `never`. */
int vm_memory_check_thp(int root, struct err *err);

/* Bytes that RLIMIT_MEMLOCK has to allow: what devices pin and mlock() counts, each by itself. */
uint64_t vm_memory_locked(const struct mem_node *nodes, unsigned count, bool pinned);

#endif
