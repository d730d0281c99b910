// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/size.h"
#include "host/node_owner.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct node_owner owner;
	uint64_t group = 0;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, 1, "GROUP", err);
	if (r == 0 && uint_parse(argv[optind], INT32_MAX, &group) < 0)
		r = err_usage(err, "host owner: '%s' is no IOMMU group's number", argv[optind]);
	if (r == 0)
		r = node_owner(ctx->root, (unsigned)group, &owner, err);
	if (r == 0)
		fprintf(ctx->out, "%u %u %04o\n", owner.uid, owner.gid, owner.mode);
	return r;
}

const struct command cmd_host_owner = {
	.name = "host owner",
	.synopsis = "GROUP",
	.summary = "to whom /dev/vfio/GROUP was given",
	.help = "Prints uid, gid and mode of the node of this IOMMU group, as bind --owner or vf lease\n"
		"--user gave it away: for udev, which makes the node anew when the device is bound\n"
		"again. Fails when it was given to nobody.",
	.run = run,
};
