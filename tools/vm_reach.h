/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's RAM, and what the IOMMUs of its devices map of it. */
#ifndef TOOLS_VM_REACH_H
#define TOOLS_VM_REACH_H

#include "base/bdf.h"
#include "base/err.h"
#include "vmm/mem.h"

/*
 * The host does not have the RAM, as `no` says. Where a device's IOMMU would not map it either, that is said
 * with it: who makes room on the host would be refused by the VMM after that. The VMM knows exactly
 * what is mapped; this goes by the address bits alone. Returns no's code with err set.
 */
int vm_reach_refuse(int root, const struct mem_node *nodes, unsigned count, const struct bdf *devices,
		    unsigned ndevices, const struct err *no, struct err *err);

#endif
