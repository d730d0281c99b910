/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How RAM is cut, apart from having it; for vmm/mem.c and its tests. */
#ifndef VMM_MEM_INTERNAL_H
#define VMM_MEM_INTERNAL_H

#include "vmm/layout.h"
#include "vmm/mem.h"

/* One per node, and one more for the node that straddles the hole below 4 GiB. */
#define MEM_MAX_BANKS (VMM_MAX_NODES + 1)

/* Fills gpa, size, node and fd_offset of each bank; returns how many. */
unsigned mem_plan_banks(uint64_t size, uint64_t page, unsigned nodes, struct mem_bank *banks);

#endif
