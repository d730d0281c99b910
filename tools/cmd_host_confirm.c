// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "host/confirm.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 0, 0, "", err);
	if (r == 0)
		r = confirm_now(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0 && !ctx->quiet)
		fprintf(ctx->out, "the changes stay\n");
	return r;
}

const struct command cmd_host_confirm = {
	.name = "host confirm",
	.synopsis = "",
	.summary = "keep what host apply --confirm changed",
	.help = "Lets the changes of thruway host apply --confirm stay, which would be undone otherwise.",
	.takes = TAKES_LOCK,
	.run = run,
};
