/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it takes to make VFs and to change them, as journal steps. Nothing is
 * written here.
 *
 * The order of a creation: the PF's link up if asked for; autoprobe off, so that
 * no host driver is probed just to be unbound; the number; what each VF has (NVMe
 * queues and interrupts, or attributes through the PF); their binding; and
 * autoprobe back, which the journal does at the end.
 */
#ifndef SRIOV_VF_PLAN_H
#define SRIOV_VF_PLAN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/journal.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"

struct vf_create {
	const struct pf *pf;
	unsigned count;
	struct vf_attrs all;	     /* of every VF; its mac is vf0's and counts up */
	const struct vf_attrs *each; /* count of them, going before `all`; NULL: none */
	bool up;		     /* bring the PF's interface up */
	const char *driver;	     /* bind the VFs to it; NULL: leave them unbound */
	unsigned queues, interrupts; /* of each NVMe VF; 0: an equal share */
};

/* 0, or -errno with err set: what cannot work is said before anything is touched. */
int vf_plan_create(int root, const struct vf_create *req, struct plan *plan, struct err *err);

/*
 * Whether a PF with this driver may have VFs made: not with "", nor with one of VFIO, but for
 * vfio-pci with enable_sriov=1.
 */
bool vf_plan_driver_makes_vfs(int root, const char *driver);

/* Whether count VFs can have these side by side, whatever their driver. 0 or -EINVAL. */
int vf_plan_check(const struct vf_attrs *attrs, unsigned count, struct err *err);

/*
 * -EINVAL with err set: another VF of the PF, as far as the kernel lists them, or the PF itself has the MAC that is
 * asked for; else 0.
 */
int vf_plan_refuse_mac(int root, const struct pf *pf, unsigned vf, const struct vf_attrs *asked,
		       struct err *err);

/*
 * Change attributes of a VF that has `now`; what asked leaves out of a group stays, and
 * groups that are so already are left out. Reads nothing. -EOPNOTSUPP, err set: `now`
 * lacks one of them.
 */
int vf_plan_attrs(const struct pf *pf, unsigned vf, const struct vf_attrs *asked,
		  const struct vf_attrs *now, struct plan *plan, struct err *err);

/* Remember what a VF has, so that undoing the end of all VFs brings that back. 0 or -ENOMEM. */
int vf_plan_remember(const struct pf *pf, unsigned vf, const struct vf_attrs *now,
		     struct plan *plan);

/* Change attributes of one existing VF; what attrs leaves out of a group stays. */
int vf_plan_set(int root, const struct pf *pf, unsigned vf, const struct vf_attrs *attrs,
		struct plan *plan, struct err *err);

#endif
