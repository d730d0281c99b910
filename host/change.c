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
#include "sriov/interface.h"
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
	&ifname_step_ops,
	&address_step_ops,
	&mtu_step_ops,
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
			r = evict_vf_holders(root, dev.bdf, EVICT_ANY, err);
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
			r = evict_vf_preview(root, dev.bdf, EVICT_ANY, say, opaque, err);
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
