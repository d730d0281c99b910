// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/fd.h"
#include "host/device.h"
#include "host/lease.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "vfio/in_use.h"

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	unsigned reaped;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, argc, "DEV", err);
	if (r == 0)
		r = topo_scan(ctx->root, &topo, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = device_resolve(ctx->root, &topo, argv[i], false, "release", &list, err);
	for (size_t i = 0; r == 0 && i < list.count; i++)
		r = lease_release(ctx->root, list.bdfs[i], ctx->force & 1u << IN_USE_VF_IN_USE,
				  ctx->lock_timeout_s, err);
	return r < 0 ? r : lease_reap(ctx->root, ctx->lock_timeout_s, &reaped, err);
}

const struct command cmd_vf_release = {
	.name = "vf release",
	.synopsis = "[--force=vf-in-use] DEV…",
	.summary = "end a lease before its time",
	.help = "Ends the lease of these devices and takes the VFIO node back from the user it was\n"
		"given to. Refused while a process has the device open, or while the holder lives\n"
		"and has not started this command; --force=vf-in-use ends it all the same. The\n"
		"device stays as it is.",
	.takes = TAKES_LOCK | TAKES_FORCE,
	.reasons = 1u << IN_USE_VF_IN_USE,
	.run = run,
};
