/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How RAM is cut, apart from having it; for vmm/mem.c and its tests. */
#ifndef VMM_MEM_INTERNAL_H
#define VMM_MEM_INTERNAL_H

#include "vmm/layout.h"
#include "vmm/mem.h"

/* -EINVAL with err set for sizes, kinds and numbers of nodes that cannot be. */
int mem_check(const struct mem_config *config, struct err *err);

/*
 * Fills gpa, size, node and fd_offset of each bank, in order of address; there is room for
 * MEM_MAX_BANKS. Returns how many; -ERANGE (too little that is usable, or none where a
 * kernel needs it) or -E2BIG (more pieces than can be), with err set.
 */
int mem_plan_banks(const struct mem_config *config, struct mem_bank *banks, struct err *err);

#endif
