/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages of a guest for low latency, of which nobody said what they are to be. */
#ifndef TOOLS_VM_PAGES_H
#define TOOLS_VM_PAGES_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem.h"

/*
 * Make the nodes in `mask` hugetlb-1G if their sizes are whole GiB and the host nodes they are on have
 * as many of these pages free; else hugetlb-2M, which is warned of where it is for want of pages; else
 * -ENOMEM with err naming what is missing and the commands that reserve it, and the nodes as they
 * were. mask 0: nothing. After vm_nodes_place().
 */
int vm_pages_choose(int root, struct mem_node *nodes, unsigned count, uint32_t mask, struct err *err);

#endif
