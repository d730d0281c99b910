/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's NUMA nodes on those of the host: whose memory each has, and what is near to what. */
#ifndef TOOLS_VM_NODES_H
#define TOOLS_VM_NODES_H

#include "base/bdf.h"
#include "base/err.h"
#include "tools/vm_mem_opts.h"
#include "vmm/handover.h"

/*
 * With config->mem and ->numa as vm_mem_opts_resolve() left them: choose and check the host
 * nodes of each guest node, the CPUs that populate it and how many threads of them, and say how
 * far the guest's nodes are apart. One guest node without --host-node is near its devices if
 * they are all on one node; several are a host node each, in order. Reads only. -ENODEV: no such
 * host node; -EINVAL (usage): more guest nodes than that, or policy= without a node.
 */
int vm_nodes_place(int root, const struct vm_mem_request *q, const struct bdf *devices,
		   struct vmm_config *config, struct err *err);

/* The lowest of the host nodes whose memory this is to be; -1: any's. */
int vm_nodes_first_host(const struct mem_node *mem);

/*
 * Of a guest's nodes with this memory, that for a device of this host node (-1: unknown): the one whose is there,
 * else the nearest; without any binding host node K's is K modulo the guest's nodes.
 */
unsigned vm_nodes_for_device(int root, const struct mem_node *mem, unsigned nodes, int host_node);

#endif
