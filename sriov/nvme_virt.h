/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queues and interrupts of the VFs of an NVMe physical function: how they are
 * shared out, and the journal row "nvme": dev is the PF, key is "vf2", the
 * value "online queues 2 interrupts 1" (queues count the admin queue).
 */
#ifndef SRIOV_NVME_VIRT_H
#define SRIOV_NVME_VIRT_H

#include "base/err.h"
#include "base/journal.h"
#include "sriov/nvme.h"
#include "sriov/pf.h"

extern const struct step_ops nvme_step_ops;

/* NVMe 8.2.6 "Virtualization Enhancements": without an I/O queue a controller is no use. */
#define NVME_MIN_QUEUES 2

/*
 * What each of n VFs gets of a pool: `asked`, or with 0 an equal share. taken is
 * what VFs other than those n hold. 0 or -ENOSPC with err set.
 */
int nvme_share(const struct nvme_pool *pool, enum nvme_resource what, unsigned taken, unsigned n,
	       unsigned asked, unsigned *ret, struct err *err);

/*
 * Add one step for each of the first n VFs that brings it online with `queues`
 * and `interrupts` (0: an equal share). Adds nothing when the controller has no
 * Virtualization Management. 0 or -errno with err set.
 */
int nvme_plan_online(int root, const struct pf *pf, unsigned n, unsigned queues,
		     unsigned interrupts, struct plan *plan, struct err *err);

/* Add the steps that take what the VFs have and bring them offline. */
int nvme_plan_offline(int root, const struct pf *pf, struct plan *plan, struct err *err);

/*
 * The secondary controllers of pf's first n VFs, by number of the VF; an entry
 * without cntlid is none. 0, -EOPNOTSUPP or another -errno.
 */
int nvme_vfs_read(int root, const struct pf *pf, struct nvme_secondary *ret, unsigned n);

#endif
