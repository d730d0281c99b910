// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_devices.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/process.h"
#include "host/change.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/vm_opts.h"
#include "vfio/in_use.h"
#include "vfio/lease.h"

static int resolve(int root, const struct topo *topo, const struct vm_opts *opts,
		   struct vm_devices *devices, struct err *err)
{
	for (unsigned i = 0; i < opts->device_count; i++) {
		int r = device_resolve_one(root, topo, opts->devices[i].name, "attach",
					   &devices->bdf[devices->count], err);

		if (r < 0)
			return r;
		devices->count++;
	}
	return 0;
}

/*
 * Reading every function of the host costs a start 60 system calls for each of them. One that is
 * not there is found out when it is opened; but what is to be bound is looked at first.
 */
static bool all_by_address(int root, const struct vm_opts *opts, struct vm_devices *ret)
{
	for (unsigned i = 0; i < opts->device_count; i++) {
		const char *name = opts->devices[i].name;

		if (opts->bind ? !device_by_address(root, name, &ret->bdf[i]) :
				 bdf_parse(name, &ret->bdf[i]) < 0)
			return false;
	}
	ret->count = opts->device_count;
	return true;
}

static int bind_all(struct ctx *ctx, const struct vm_devices *devices, struct err *err)
{
	struct bind_request req = { .devs = devices->bdf, .count = devices->count,
				    .force = ctx->force };
	struct journal_owner owner = { .command = "vm run --bind", .until_exit = true };

	return change_bind(ctx->root, &req, &owner, ctx->lock_timeout_s, err);
}

/* 1: the binding of any of them is this process's; 0; -EBUSY: another VM's, err set. */
static int look_who_has(int root, const struct vm_devices *devices, struct err *err)
{
	struct process_id who;
	int ours = 0;

	for (unsigned i = 0; i < devices->count; i++) {
		if (journal_holder(root, BDF_STR(devices->bdf[i]), &who) < 0)
			continue;
		if (process_is_self(root, &who)) {
			ours = 1;
			continue;
		}
		err_plain(err, -EBUSY, "cannot attach %s: the VM of pid %d has it",
			  BDF_STR(devices->bdf[i]), (int)who.pid);
		err_hint(err, "one VM at a time may have it: stop that one first, or give this VM "
			      "another VF");
		return -EBUSY;
	}
	return ours;
}

struct leased_group {
	int root;
	struct bdf bdf; /* the device whose group it is */
	int result;
	struct err *err;
};

static int refuse_leased_member(const char *name, void *opaque)
{
	struct leased_group *group = opaque;
	char verb[64];
	struct bdf bdf;

	if (bdf_parse(name, &bdf) < 0 || bdf_eq(bdf, group->bdf))
		return 0;
	snprintf(verb, sizeof(verb), "attach %s, with which goes", BDF_STR(group->bdf));
	group->result = lease_refuse(group->root, bdf, verb, group->err);
	return group->result;
}

static int refuse_leased_group(struct leased_group *group, struct err *err)
{
	int r = lease_refuse(group->root, group->bdf, "attach", err);

	if (r < 0)
		return r;
	/* Without a group it is refused where that is to be opened. */
	(void)hostfs_list(group->root, refuse_leased_member, group,
			  "sys/bus/pci/devices/%s/iommu_group/devices", BDF_STR(group->bdf));
	return group->result;
}

/* Where no lease was ever given, the look for them is the only system call. */
int vm_devices_refuse_leased(const struct ctx *ctx, const struct bdf *devices, unsigned count,
			     struct err *err)
{
	struct leased_group group = { .root = ctx->root, .err = err };
	int r = 0;

	if (ctx->force & 1u << IN_USE_VF_IN_USE || !hostfs_exists(ctx->root, LEASE_DIR))
		return 0;
	for (unsigned i = 0; r == 0 && i < count; i++) {
		group.bdf = devices[i];
		r = refuse_leased_group(&group, err);
	}
	return r;
}

static int refuse_twice(const struct vm_devices *devices, struct err *err)
{
	for (unsigned i = 0; i < devices->count; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (bdf_eq(devices->bdf[i], devices->bdf[k]))
				return err_usage(err, "--device: %s is given twice",
						 BDF_STR(devices->bdf[i]));
		}
	}
	return 0;
}

/*
 * Another VM may bind a device after we looked and before we have the journal's lock:
 * then our change leaves that device out, and only afterwards it shows whose it is.
 */
static int bind_and_look(struct ctx *ctx, struct vm_devices *devices, struct err *err)
{
	struct err own = ERR_INIT, why = ERR_INIT;
	int r = bind_all(ctx, devices, &why);

	/* Whose it is says more than what was refused because of that. */
	if (r == 0 || r == -EBUSY) {
		int who = look_who_has(ctx->root, devices, err);

		r = who < 0 ? who : r;
	}
	if (err && !err->code)
		*err = why;
	devices->bound = true;
	if (r >= 0)
		return 0;
	/* Behind a write that hangs in the kernel the journal's lock is not to be had. */
	if (r != -ETIMEDOUT && look_who_has(ctx->root, devices, NULL) != 0 &&
	    vm_devices_give_back(ctx->root, devices, &own) < 0)
		log_warn("%s", own.text);
	/* What could be given back was; that it cannot be is not to be said twice. */
	devices->bound = false;
	return r;
}

int vm_devices_find(struct ctx *ctx, const struct vm_opts *opts, struct vm_devices *ret,
		    struct err *err)
{
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	struct vm_devices devices = VM_DEVICES_INIT;
	int r = 0;

	if (opts->device_count && !all_by_address(ctx->root, opts, &devices)) {
		r = topo_scan(ctx->root, &topo, err);
		if (r == 0)
			r = resolve(ctx->root, &topo, opts, &devices, err);
	}
	if (r == 0)
		r = refuse_twice(&devices, err);
	if (r == 0)
		*ret = devices;
	return r;
}

int vm_devices_take(struct ctx *ctx, const struct vm_opts *opts, struct vm_devices *devices,
		    struct err *err)
{
	int r = devices->count ?
			vm_devices_refuse_leased(ctx, devices->bdf, devices->count, err) : 0;

	if (r < 0 || !devices->count || !opts->bind)
		return r;
	/* What is bound already is told apart by its group, which one process at a time can open. */
	r = look_who_has(ctx->root, devices, err);
	return r < 0 ? r : bind_and_look(ctx, devices, err);
}

int vm_devices_give_back(int root, struct vm_devices *devices, struct err *err)
{
	unsigned undone;
	int r;

	if (!devices->bound)
		return 0;
	r = change_restore_own(root, &undone, err);
	if (r < 0)
		return err_hint(err, "thruway restore --all tries again");
	log_note("%u changes to the host were undone", undone);
	devices->bound = false;
	return 0;
}
