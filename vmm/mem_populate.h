/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Having every page of guest RAM before the guest starts, by several threads at once.
 *
 * What takes the time is zeroing, which one CPU does at some GB/s; threads on the CPUs
 * of the node that the pages are on do it at that node's full speed.
 */
#ifndef VMM_MEM_POPULATE_H
#define VMM_MEM_POPULATE_H

#include <stdint.h>

#include "vmm/mem.h"

#define MEM_MAX_THREADS 64 /* of one guest node */

/* A piece of RAM, and whose. */
struct mem_area {
	const struct mem_node *node;
	uint8_t *hva;
	uint64_t size;
	int fill_error; /* the result: 0 or -errno */
};

/* Part of an area, as it is given to a thread: what of it is to be done. 0 or -errno. */
typedef int (*mem_fill)(const struct mem_node *node, uint8_t *hva, uint64_t size);

/*
 * Call fill for all parts of all areas. Each node's are shared by as many threads as
 * it says, which run where it says; all nodes at the same time. The caller does it where
 * there is one node, which names neither threads nor CPUs, and where a thread cannot be
 * made. The first area's result that failed, or 0.
 */
int mem_populate(struct mem_area *areas, unsigned count, mem_fill fill);

#endif
