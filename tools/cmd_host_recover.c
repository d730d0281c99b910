// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "host/change.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	unsigned undone = 0;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 0, 0, "", err);
	if (r == 0)
		r = journal_recover(ctx->root, change_ops, ctx->lock_timeout_s, &undone, err);
	if (r < 0 || ctx->quiet)
		return r;
	if (undone || ctx->json)
		return out_undone(ctx->out, ctx->json, "thruway.recover/1", undone);
	fprintf(ctx->out, "nothing was left half done\n");
	return 0;
}

const struct command cmd_host_recover = {
	.name = "host recover",
	.synopsis = "",
	.summary = "undo what an interrupted thruway left half done",
	.help = "Puts back what a thruway that was killed had changed when it had not come to the end\n"
		"of its work, and says whose work that was. Every command that changes something does\n"
		"so first; this is for the boot, and for those who do not want to change anything.",
	.takes = TAKES_JSON | TAKES_LOCK,
	.run = run,
};
