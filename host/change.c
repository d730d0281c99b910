// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/evict.h"
#include "host/hugepages.h"
#include "host/udev_rules.h"
#include "sriov/address.h"
#include "sriov/devlink.h"
#include "sriov/numvfs.h"
#include "sriov/nvme_virt.h"
#include "sriov/vf_destroy.h"
#include "sriov/vf_set.h"
#include "vfio/bind_step.h"
#include "vfio/lease.h"
#include "vfio/modules.h"
#include "vfio/rebar.h"

const struct step_ops *const change_ops[] = {
	/* one function: its driver */
	&override_step_ops,
	&driver_step_ops,
	&owner_step_ops,
	&address_step_ops,
	&rebar_step_ops,
	/* a PF: its VFs */
	&autoprobe_step_ops,
	&numvfs_step_ops,
	&link_step_ops,
	&eswitch_step_ops,
	&nvme_step_ops,
	&vfattr_step_ops,
	/* the host's memory */
	&hugepages_step_ops,
	/* what udev is told */
	&udev_rules_step_ops,
	NULL
};

int change_apply(int root, const struct plan *plan, const struct journal_owner *owner,
		 unsigned lock_timeout_s, struct err *err)
{
	struct txn *txn;
	int r;

	if (!plan->count)
		return 0;
	r = txn_begin(root, change_ops, plan, owner, lock_timeout_s, &txn, err);
	return r < 0 ? r : txn_apply(txn, err);
}

static void in_use_closep(struct in_use_host **host)
{
	in_use_close(*host);
}

int change_load_drivers(int root, const struct plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		if (strcmp(s->op, driver_step_ops.op) == 0 && s->after[0])
			r = modules_load_driver(root, s->after, err);
	}
	return r;
}

static int check_drivers(int root, const struct plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		if (strcmp(s->op, driver_step_ops.op) == 0 && s->after[0])
			r = modules_check_driver(root, s->after, err);
	}
	return r;
}

int change_preview(int root, struct plan *plan, struct err *err)
{
	int r = check_drivers(root, plan, err);

	if (r == 0 && plan->count)
		r = journal_check(root, err);
	return r < 0 ? r : plan_prune(root, change_ops, plan, err);
}

static int check_nodes(int root, const struct bind_request *req, struct err *err)
{
	struct pci_function dev;
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->count; i++) {
		r = pci_function_read(root, req->devs[i], &dev);
		if (r == 0 && pci_function_driver_is_vfio(dev.driver))
			r = bind_check_node(root, &dev, err);
	}
	return r < 0 ? err_set(err, r, "the device is gone") : 0;
}

/* The function that a step takes from its driver. */
static bool loses_driver(int root, const struct step *s, struct pci_function *ret)
{
	struct bdf bdf;

	return strcmp(s->op, driver_step_ops.op) == 0 && !s->after[0] &&
	       bdf_parse(s->dev, &bdf) == 0 && pci_function_read_unlocked(root, bdf, ret) == 0;
}

int change_evict(int root, const struct plan *plan, unsigned force, struct err *err)
{
	struct pci_function dev;
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		if (!loses_driver(root, &plan->steps[i], &dev))
			continue;
		r = evict_holders(root, &dev, force, err);
		if (r == 0 && force & 1u << IN_USE_VF_IN_USE && dev.total_vfs)
			r = evict_vf_holders(root, dev.bdf, err);
	}
	return r;
}

int change_preview_evict(int root, const struct plan *plan, unsigned force,
			 void (*say)(const char *line, void *opaque), void *opaque, struct err *err)
{
	struct pci_function dev;
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		if (!loses_driver(root, &plan->steps[i], &dev))
			continue;
		r = evict_preview(root, &dev, force, say, opaque, err);
		if (r == 0 && force & 1u << IN_USE_VF_IN_USE && dev.total_vfs)
			r = evict_vf_preview(root, dev.bdf, say, opaque, err);
	}
	return r;
}

/* What cannot be undone is txn_begin()'s to judge: it may have nothing to do with us. */
int change_recover(int root, unsigned lock_timeout_s, struct err *err)
{
	struct err own = ERR_INIT;
	unsigned undone;
	int r;

	if (!hostfs_exists(root, "run/thruway/journal"))
		return 0;
	r = journal_recover(root, change_ops, lock_timeout_s, &undone, &own);
	if (r != -ETIMEDOUT && r != -EACCES && r != -EPERM)
		return 0;
	if (err && !err->code)
		*err = own;
	return r;
}

int change_bind(int root, const struct bind_request *req, const struct journal_owner *owner,
		unsigned lock_timeout_s, struct err *err)
{
	_cleanup_(in_use_closep) struct in_use_host *host = NULL;
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	int r = change_recover(root, lock_timeout_s, err);

	if (r < 0)
		return r;
	r = in_use_open(root, &host, err);
	if (r < 0)
		return r;
	r = topo_scan(root, &topo, err);
	if (r == 0)
		r = bind_plan(root, &topo, host, req, &plan, err);
	if (r == 0)
		r = change_load_drivers(root, &plan, err);
	if (r == 0)
		r = change_evict(root, &plan, req->force, err);
	if (r == 0)
		r = change_apply(root, &plan, owner, lock_timeout_s, err);
	return r < 0 ? r : check_nodes(root, req, err);
}

/* --- restore ---------------------------------------------------------------------------------- */

/* Taking a device from a VFIO driver waits until its user lets go: for ever, if it does not. */
static int refuse_held(int root, const struct pci_function *dev, unsigned force, struct err *err)
{
	const unsigned held = 1u << IN_USE_VM | 1u << IN_USE_PROCESS;
	struct in_use_host *host;
	struct in_use used;
	int r;

	if (!(force & 1u << IN_USE_VF_IN_USE)) {
		r = lease_refuse(root, dev->bdf, "restore", err);
		if (r < 0)
			return r;
	}
	/* While a driver's remove() waits for the user the device has none already. */
	if (dev->driver[0] && !pci_function_driver_is_vfio(dev->driver))
		return 0;
	r = in_use_open(root, &host, err);
	if (r < 0)
		return r;
	in_use_find(host, dev, &used);
	r = in_use_refuse(&used, "restore", dev->bdf, force | ~held, err);
	in_use_close(host);
	return r;
}

struct held_check {
	int root;
	const char *dev; /* NULL: any */
	unsigned force;
	struct err *err;
};

/*
 * Before the first step is undone: a PF's VFs go last, and a guest must not find its
 * MAC and VLAN gone when they cannot.
 */
static int check_held(const struct step *step, void *opaque)
{
	struct held_check *c = opaque;
	struct pci_function dev;
	struct bdf bdf;

	if ((c->dev && strcmp(step->dev, c->dev) != 0) || bdf_parse(step->dev, &bdf) < 0 ||
	    pci_function_read_unlocked(c->root, bdf, &dev) < 0)
		return 0;
	if (strcmp(step->op, numvfs_step_ops.op) == 0)
		return numvfs_check_unused(c->root, bdf, "restore it", c->err);
	if (strcmp(step->op, driver_step_ops.op) == 0)
		return refuse_held(c->root, &dev, c->force, c->err);
	return 0;
}

/* What the journal would undo of dev, NULL: at all, is free to be. */
static int check_all_held(int root, const char *dev, unsigned force, struct err *err)
{
	struct held_check check = { root, dev, force, err };
	int r = journal_each(root, check_held, &check);

	if (r < 0)
		err_set(err, r, "cannot read the journal");
	return r == -EACCES || r == -EPERM ? err_hint(err, "run it as root") : r;
}

int change_expire_own(int root, unsigned *ret_undone, struct err *err)
{
	struct held_check check = { root, NULL, 0, err };
	int r = journal_each_unconfirmed(root, check_held, &check);

	return r < 0 ? r : journal_expire_own(root, change_ops, ret_undone, err);
}

struct keep {
	int root;
	const struct in_use_host *host;
	char warned[STEP_DEV_MAX];
};

static bool held_by_another(const struct step *step, void *opaque)
{
	struct keep *k = opaque;
	struct pci_function dev;
	struct in_use used;
	struct bdf bdf;

	if (bdf_parse(step->dev, &bdf) < 0 ||
	    pci_function_read_unlocked(k->root, bdf, &dev) < 0 ||
	    !pci_function_driver_is_vfio(dev.driver))
		return false;
	in_use_find(k->host, &dev, &used);
	for (unsigned i = 0; i < used.count; i++) {
		if (used.items[i].reason != IN_USE_VM && used.items[i].reason != IN_USE_PROCESS)
			continue;
		if (strcmp(k->warned, step->dev) != 0)
			log_warn("%s stays bound to %s: %s; thruway restore %s gives it back later",
				 step->dev, dev.driver, used.items[i].what, step->dev);
		strcpy(k->warned, step->dev);
		return true;
	}
	return false;
}

int change_restore_own(int root, unsigned *ret_undone, struct err *err)
{
	_cleanup_(in_use_closep) struct in_use_host *host = NULL;
	struct keep keep = { .root = root };
	int r = in_use_open(root, &host, err);

	keep.host = host;
	return r < 0 ? r : journal_restore_own(root, change_ops, held_by_another, &keep, ret_undone,
					       err);
}

/* With refuse_held() passed: whoever holds it is to be ended. */
static int evict_step(const struct step *step, void *opaque)
{
	struct held_check *c = opaque;
	struct pci_function dev;
	struct bdf bdf;

	if (strcmp(step->op, driver_step_ops.op) != 0 || bdf_parse(step->dev, &bdf) < 0 ||
	    pci_function_read_unlocked(c->root, bdf, &dev) < 0)
		return 0;
	return evict_holders(c->root, &dev, c->force, c->err);
}

static int release(int root, const struct pci_function *dev, unsigned lock_timeout_s,
		   enum change_restored *ret, struct err *err)
{
	struct journal_owner owner = { .forget = true };
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct pci_function now;
	int r = bind_plan_release(dev, &plan);

	if (r == -EALREADY) {
		*ret = CHANGE_NOTHING;
		return 0;
	}
	snprintf(owner.command, sizeof(owner.command), "restore %s", BDF_STR(dev->bdf));
	if (r == 0)
		r = change_apply(root, &plan, &owner, lock_timeout_s, err);
	if (r < 0)
		return err_set(err, r, "cannot restore %s", BDF_STR(dev->bdf));
	r = pci_function_read(root, dev->bdf, &now);
	if (r == 0 && !now.driver[0])
		r = bind_reprobe(root, dev->bdf, err);
	if (r == 0)
		*ret = CHANGE_RELEASED;
	return r;
}

/* With a PF's VFs went what the journal knew about them: new ones at their addresses are others. */
static int forget_vfs(int root, struct bdf bdf, unsigned lock_timeout_s, struct err *err)
{
	struct pf pf;

	if (pf_read(root, bdf, &pf, NULL) < 0 || pf.busy || pf.numvfs)
		return 0;
	return vf_destroy_forget(root, &pf, lock_timeout_s, err);
}

static int no_such_device(struct bdf bdf, struct err *err)
{
	err_plain(err, -ENODEV, "cannot restore %s: no such PCI device", BDF_STR(bdf));
	return err_hint(err, "thruway list shows the devices of this host");
}

int change_restore(int root, struct bdf bdf, unsigned force, unsigned lock_timeout_s,
		   enum change_restored *ret, struct err *err)
{
	struct pci_function dev;
	unsigned undone = 0;
	int here = pci_function_read_unlocked(root, bdf, &dev), r;

	r = here == 0 ? refuse_held(root, &dev, force, err) : 0;
	if (r == 0)
		r = check_all_held(root, BDF_STR(bdf), force, err);
	if (r == 0 && here == 0)
		r = evict_holders(root, &dev, force, err);
	if (r == 0)
		r = journal_restore(root, change_ops, BDF_STR(bdf), lock_timeout_s, &undone, err);
	if (r < 0)
		return r;
	if (undone) {
		*ret = here == 0 ? CHANGE_UNDONE : CHANGE_GONE;
		return here == 0 ? forget_vfs(root, bdf, lock_timeout_s, err) : 0;
	}
	if (here < 0)
		return no_such_device(bdf, err);
	/* The journal's recovery may have changed it: look again. */
	r = pci_function_read(root, bdf, &dev);
	if (r < 0)
		return err_set(err, r, "cannot restore %s", BDF_STR(bdf));
	return release(root, &dev, lock_timeout_s, ret, err);
}

int change_restore_all(int root, unsigned force, unsigned lock_timeout_s, unsigned *ret_undone,
		       struct err *err)
{
	struct held_check evict = { root, NULL, force, err };
	int r = check_all_held(root, NULL, force, err);

	if (r == -EBUSY && err && !err->hint[0])
		return err_hint(err, "nothing was undone; restore the other devices by name");
	if (r == 0)
		r = journal_each(root, evict_step, &evict);
	if (r == 0)
		r = journal_restore(root, change_ops, NULL, lock_timeout_s, ret_undone, err);
	return r;
}

int change_plan_restore(int root, struct bdf bdf, unsigned force, struct plan *plan,
			enum change_restored *ret, struct err *err)
{
	_cleanup_(plan_fini) struct plan rest = PLAN_INIT;
	size_t known = plan->count;
	struct pci_function dev;
	char was[PCI_IDENTITY_MAX];
	int here = pci_function_read_unlocked(root, bdf, &dev);
	int r = here == 0 ? refuse_held(root, &dev, force, err) : 0;

	if (r == 0)
		r = check_all_held(root, BDF_STR(bdf), force, err);
	if (r == 0)
		r = journal_plan_restore(root, change_ops, BDF_STR(bdf), plan, err);
	if (r < 0)
		return r;
	*ret = here == 0 ? CHANGE_UNDONE : CHANGE_GONE;
	for (size_t i = known; i < plan->count; i++) {
		if (strcmp(plan->steps[i].dev, BDF_STR(bdf)) == 0)
			return 0;
	}
	if (here < 0)
		return journal_identity(root, BDF_STR(bdf), was, sizeof(was)) == 0 ?
			       0 : no_such_device(bdf, err);
	r = pci_function_read(root, bdf, &dev);
	if (r == 0)
		r = bind_plan_release(&dev, &rest);
	*ret = r == -EALREADY ? CHANGE_NOTHING : CHANGE_RELEASED;
	if (r == 0)
		r = plan_prune(root, change_ops, &rest, err);
	for (size_t i = 0; r == 0 && i < rest.count; i++)
		r = plan_add(plan, &rest.steps[i]);
	return r < 0 && r != -EALREADY ? err_set(err, r, "cannot restore %s", BDF_STR(bdf)) : 0;
}

int change_plan_restore_all(int root, unsigned force, struct plan *plan, struct err *err)
{
	int r = check_all_held(root, NULL, force, err);

	return r < 0 ? r : journal_plan_restore(root, change_ops, NULL, plan, err);
}
