/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the host's NUMA nodes pages come from: mbind(2), without libnuma. */
#ifndef VMM_MEM_BIND_H
#define VMM_MEM_BIND_H

#include <stdint.h>

#include "vmm/mem.h"

/*
 * Pages of [hva, hva+size) that are not there yet come from the node's host nodes. 0;
 * -EINVAL: none of them has memory that this process may use (cpuset); -errno.
 */
int mem_bind(const struct mem_node *node, uint8_t *hva, uint64_t size);

/* mbind's mode for a policy and so many nodes; for its test. */
int mem_bind_mode(enum mem_policy policy, unsigned nodes);

#endif
