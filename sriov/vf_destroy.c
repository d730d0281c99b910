// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_destroy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/audit.h"
#include "base/fd.h"
#include "base/log.h"
#include "sriov/numvfs.h"
#include "sriov/nvme_virt.h"

/*
 * The number itself is no journal step: 0 VFs cannot be turned back into the VFs
 * there were, and recover must not make new ones in their place. Killed at any
 * moment this leaves all VFs or none, and can be repeated.
 */

static unsigned routing_id(struct bdf bdf)
{
	return (unsigned)bdf.bus << 8 | (unsigned)bdf.dev << 3 | bdf.fn;
}

static bool is_vf_address(const struct pf *pf, struct bdf bdf)
{
	unsigned first = routing_id(pf->bdf) + pf->offset, rid = routing_id(bdf);

	if (bdf.domain != pf->bdf.domain || rid < first || !pf->offset)
		return false;
	if (rid == first)
		return pf->totalvfs > 0;
	return pf->stride && (rid - first) % pf->stride == 0 &&
	       (rid - first) / pf->stride < pf->totalvfs;
}

bool vf_destroy_forgets(const struct pf *pf, const struct step *step)
{
	static const char *const ours[] = { "autoprobe", "numvfs", "nvme", "vfattr" };
	struct bdf dev;

	if (bdf_parse(step->dev, &dev) < 0)
		return false;
	for (unsigned i = 0; bdf_eq(dev, pf->bdf) && i < ARRAY_SIZE(ours); i++) {
		if (strcmp(step->op, ours[i]) == 0)
			return true;
	}
	return is_vf_address(pf, dev);
}

static bool forgets(const struct step *step, void *opaque)
{
	return vf_destroy_forgets(opaque, step);
}

int vf_destroy_forget(int root, const struct pf *pf, unsigned lock_timeout_s, struct err *err)
{
	return journal_forget(root, forgets, (void *)pf, lock_timeout_s, err);
}

/* The VFs of an NVMe PF give back what they hold: a change of its own, undone by the caller. */
static int bring_offline(int root, const struct step_ops *const *ops, const struct vf_destroy *req,
			 struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct journal_owner owner = { .until_exit = true };
	struct txn *txn;
	int r = nvme_plan_offline(root, req->pf, &plan, err);

	if (r < 0 || !plan.count)
		return r;
	snprintf(owner.command, sizeof(owner.command), "%s", req->command);
	r = txn_begin(root, ops, &plan, &owner, req->lock_timeout_s, &txn, err);
	return r < 0 ? r : txn_apply(txn, err);
}

static int set_zero(int root, const struct vf_destroy *req, struct err *err)
{
	_cleanup_close_ int lock = -1;
	int r = journal_lock(root, req->command, req->lock_timeout_s, &lock, err);

	if (r < 0)
		return r;
	r = numvfs_set(root, req->pf->bdf, 0, req->force, err);
	if (r == 0 && req->pf->numvfs)
		audit_change(root, req->command, "%u VFs taken away", req->pf->numvfs);
	return r;
}

int vf_destroy_check(int root, const struct vf_destroy *req, struct err *err)
{
	int r = pf_refuse_busy(root, req->pf, "destroy the VFs of", err);

	if (r == 0) /* before they are gone, rather than when they are to be forgotten */
		r = journal_check(root, err);
	if (r == 0)
		r = journal_refuse_unconfirmed(root, BDF_STR(req->pf->bdf), err);
	if (r < 0 || !req->pf->numvfs || req->force)
		return r;
	r = numvfs_check_unused(root, req->pf->bdf, 0, "destroy its VFs", err);
	if (r < 0)
		err_hint(err, "stop what uses them, or accept its loss with --force=vf-in-use");
	return r;
}

int vf_destroy(int root, const struct step_ops *const *ops, const struct vf_destroy *req,
	       struct err *err)
{
	const struct pf *pf = req->pf;
	unsigned undone;
	int r = vf_destroy_check(root, req, err);

	if (r < 0)
		return r;
	if (r == 0 && pf->numvfs && pf->nvme[0])
		r = bring_offline(root, ops, req, err);
	if (r == 0)
		r = set_zero(root, req, err);
	if (r < 0 && r != -ETIMEDOUT && pf->nvme[0]) {
		struct err own = ERR_INIT;

		if (journal_restore_own(root, ops, NULL, NULL, &undone, &own) < 0)
			log_warn("%s", own.text);
	}
	return r < 0 ? r : vf_destroy_forget(root, pf, req->lock_timeout_s, err);
}
