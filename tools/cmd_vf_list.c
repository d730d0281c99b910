// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/lease.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/vf_show.h"

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	unsigned reaped;
	struct opts o;
	struct pf pf;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 0, 1, "a PF", err);
	if (r < 0)
		return r;
	/* Leases that are over are cleared away in passing, unless that takes another one's time. */
	(void)lease_reap(ctx->root, 0, &reaped, NULL);
	if (optind == argc)
		return vf_show(ctx, NULL, err);
	r = pf_find(ctx->root, argv[optind], &pf, err);
	return r < 0 ? r : vf_show(ctx, &pf, err);
}

const struct command cmd_vf_list = {
	.name = "vf list",
	.synopsis = "[PF]",
	.summary = "PFs, their VFs and the attributes of these",
	.help = "Lists the physical functions of this host, or PF alone, each with its VFs. An\n"
		"attribute that the PF's driver does not have is unsupported (null in JSON),\n"
		"never 0. Of the state and rates the kernel does not say whether the driver has\n"
		"them. Queues and interrupts of NVMe VFs need root.",
	.takes = TAKES_JSON,
	.run = run,
};
