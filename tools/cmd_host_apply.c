// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/fd.h"
#include "host/change.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/host_show.h"
#include "tools/opts.h"

static const struct option own[] = { { "file", required_argument, NULL, 'f' }, { 0 } };

static int carry_out(struct ctx *ctx, const struct host_spec *hs, struct err *err)
{
	struct journal_owner owner = { .command = "host apply" };
	size_t n = hs->plan.plan.count;
	int r = host_spec_apply(ctx->root, hs, &owner, ctx->lock_timeout_s, err);

	if (r < 0)
		return r;
	host_show_remarks(hs);
	if (!ctx->quiet && n)
		fprintf(ctx->out, "%zu change%s made\n", n, n == 1 ? "" : "s");
	else if (!ctx->quiet)
		fprintf(ctx->out, "nothing to do\n");
	return 0;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	const char *file = NULL;
	struct opts o;
	int c, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((c = opts_next(&o, err)) > 0)
		file = optarg;
	r = c < 0 ? c : opts_operands(&o, 0, 0, "", err);
	if (r == 0 && !ctx->dry_run)
		r = change_recover(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0)
		r = host_spec_read(ctx->root, file, ctx->force, &hs, err);
	if (r == 0)
		r = ctx->dry_run ? host_show_diff(ctx, &hs, err) : carry_out(ctx, &hs, err);
	return r < 0 ? r : hs.plan.left ? 3 : 0;
}

const struct command cmd_host_apply = {
	.name = "host apply",
	.synopsis = "[-f FILE]",
	.summary = "make this host what /etc/thruway/host.yaml says",
	.help = "Binds devices, makes VFs and sets their attributes as the files say, as one change:\n"
		"if a step fails, those before it are undone. What is so already is left alone.\n"
		"VFs that are in use are never destroyed; that and what else cannot be done is said,\n"
		"and the exit status is then 3.\n"
		"\n"
		"  -f, --file FILE     this file, instead of /etc/thruway/host.yaml and host.d/*.yaml",
	.takes = TAKES_DRY_RUN | TAKES_JSON | TAKES_LOCK | TAKES_FORCE,
	.run = run,
};
