/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's NUMA nodes: which CPUs each has, and how far one is from another. */
#ifndef VMM_NUMA_H
#define VMM_NUMA_H

#include <stdint.h>

#include "vmm/layout.h"

/* ACPI 6.4, 5.2.17: a node to itself, and what Linux assumes of any other. */
#define NUMA_NEAR 10
#define NUMA_FAR  20

struct numa {
	uint32_t nodes; /* 1..VMM_MAX_NODES */
	uint8_t cpu_node[VMM_MAX_CPUS];
	uint8_t distance[VMM_MAX_NODES][VMM_MAX_NODES];
};

/* CPUs split evenly among the nodes, in order, and every node as far from every other. */
static inline void numa_even(struct numa *numa, unsigned ncpus, unsigned nodes)
{
	numa->nodes = nodes;
	for (unsigned i = 0; i < VMM_MAX_CPUS; i++)
		numa->cpu_node[i] = (uint8_t)(i < ncpus ? i * nodes / ncpus : 0);
	for (unsigned i = 0; i < VMM_MAX_NODES; i++)
		for (unsigned k = 0; k < VMM_MAX_NODES; k++)
			numa->distance[i][k] = i == k ? NUMA_NEAR : NUMA_FAR;
}

#endif
