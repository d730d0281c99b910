// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_devices.h"

#include "base/fd.h"
#include "base/log.h"
#include "host/change.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/vm_opts.h"

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

/* Reading every function of the host costs a start 60 system calls for each of them. */
static bool all_by_address(int root, const struct vm_opts *opts, struct vm_devices *ret)
{
	for (unsigned i = 0; i < opts->device_count; i++)
		if (!device_by_address(root, opts->devices[i].name, &ret->bdf[i]))
			return false;
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

int vm_devices_take(struct ctx *ctx, const struct vm_opts *opts, struct vm_devices *ret,
		    struct err *err)
{
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	struct vm_devices devices = VM_DEVICES_INIT;
	int r = 0;

	if (opts->device_count == 0) {
		*ret = devices;
		return 0;
	}
	if (!all_by_address(ctx->root, opts, &devices)) {
		r = topo_scan(ctx->root, &topo, err);
		if (r == 0)
			r = resolve(ctx->root, &topo, opts, &devices, err);
	}
	if (r == 0 && opts->bind) {
		r = bind_all(ctx, &devices, err);
		devices.bound = r == 0;
	}
	if (r < 0)
		return r;
	*ret = devices;
	return 0;
}

int vm_devices_give_back(int root, struct vm_devices *devices, struct err *err)
{
	unsigned undone;
	int r;

	if (!devices->bound)
		return 0;
	r = journal_restore_own(root, change_ops, &undone, err);
	if (r < 0)
		return err_hint(err, "thruway restore --all tries again");
	log_note("%u changes to the host were undone", undone);
	devices->bound = false;
	return 0;
}
