/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IOMMU groups that a VMM has open, as the host's kernel tells. The VMM runs what a guest may have taken
 * over, and we may what it may not: what it names is its own when somebody gave it that, which shows here.
 */
#ifndef TOOLS_VMM_GROUPS_H
#define TOOLS_VMM_GROUPS_H

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/handover.h"

struct vmm_groups {
	unsigned count;
	unsigned list[2 * HANDOVER_MAX_DEVICES];
};

/* None where the process or what it has open cannot be seen. */
void vmm_groups_read(int root, pid_t vmm, struct vmm_groups *ret);

/* Whether the device called so is in one of them; a name may be anything. */
bool vmm_groups_have(int root, const struct vmm_groups *groups, const char *name);

#endif
