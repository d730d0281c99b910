// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem_bind.h"

#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>

#include <linux/mempolicy.h>

/* Linux 5.15. */
#define PREFERRED_MANY 5

_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "a nodemask is an array of these");

int mem_bind_mode(enum mem_policy policy, unsigned nodes)
{
	/* Numbers stay what they are when somebody changes the cpuset we are in. */
	switch (policy) {
	case MEM_STRICT: return MPOL_BIND | MPOL_F_STATIC_NODES;
	case MEM_INTERLEAVE: return MPOL_INTERLEAVE | MPOL_F_STATIC_NODES;
	case MEM_PREFERRED:
		return (nodes > 1 ? PREFERRED_MANY : MPOL_PREFERRED) | MPOL_F_STATIC_NODES;
	case MEM_UNBOUND: break;
	}
	return MPOL_DEFAULT;
}

int mem_bind(const struct mem_node *node, uint8_t *hva, uint64_t size)
{
	unsigned nodes = 0;

	if (node->policy == MEM_UNBOUND)
		return 0;
	for (unsigned i = 0; i < MEM_NODE_WORDS; i++)
		nodes += (unsigned)__builtin_popcountll(node->host_nodes[i]);
	/* maxnode counts one more than there are bits. */
	if (syscall(SYS_mbind, hva, size, mem_bind_mode((enum mem_policy)node->policy, nodes),
		    node->host_nodes, MEM_NODE_WORDS * 64 + 1, 0) < 0)
		return -errno;
	return 0;
}
