// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/size.h"
#include "host/change.h"
#include "host/confirm.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/host_show.h"
#include "tools/opts.h"

enum { OPT_CONFIRM = 300 };

#define CONFIRM_MAX_S 86400

static const struct option own[] = { { "file", required_argument, NULL, 'f' },
				     { "confirm", required_argument, NULL, OPT_CONFIRM },
				     { 0 } };

static int make_changes(struct ctx *ctx, const struct host_spec *hs, unsigned confirm_s,
			struct err *err)
{
	struct journal_owner owner = { .command = "host apply" };

	if (!confirm_s)
		return host_spec_apply(ctx->root, hs, &owner, ctx->lock_timeout_s, err);
	snprintf(owner.command, sizeof(owner.command), "host apply --confirm %u", confirm_s);
	return confirm_apply(ctx->root, hs, owner.command, confirm_s, ctx->lock_timeout_s, err);
}

static int carry_out(struct ctx *ctx, const struct host_spec *hs, unsigned confirm_s,
		     struct err *err)
{
	size_t n = hs->plan.plan.count;
	int r = n ? make_changes(ctx, hs, confirm_s, err) : 0;

	if (r < 0)
		return r;
	host_show_remarks(hs);
	if (ctx->quiet)
		return 0;
	if (!n)
		fprintf(ctx->out, "nothing to do\n");
	else
		fprintf(ctx->out, "%zu change%s made\n", n, n == 1 ? "" : "s");
	if (n && confirm_s)
		fprintf(ctx->out, "they are undone in %u s unless you say: thruway host confirm\n",
			confirm_s);
	return 0;
}

/* Lines of text would not be JSON. */
static void print_line(const char *line, void *opaque)
{
	const struct ctx *ctx = opaque;

	if (ctx->json)
		log_warn("%s", line);
	else
		fprintf(ctx->out, "%s\n", line);
}

static int preview(struct ctx *ctx, struct host_spec *hs, struct err *err)
{
	int r = host_spec_preview(ctx->root, hs, print_line, ctx, err);

	return r < 0 ? r : host_show_diff(ctx, hs, err);
}

static int read_confirm(const char *text, unsigned *ret, struct err *err)
{
	uint64_t v;

	if (uint_parse(text, CONFIRM_MAX_S, &v) < 0 || !v)
		return err_usage(err, "--confirm takes seconds from 1 to %u, not '%s'", CONFIRM_MAX_S,
				 text);
	*ret = (unsigned)v;
	return 0;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	unsigned confirm_s = 0;
	const char *file = NULL;
	struct opts o;
	int c, r = 0;

	opts_init(&o, ctx, argc, argv, own);
	while (r == 0 && (c = opts_next(&o, err)) != 0) {
		if (c == OPT_CONFIRM)
			r = read_confirm(optarg, &confirm_s, err);
		else if (c > 0)
			file = optarg;
		else
			r = c;
	}
	if (r == 0)
		r = opts_operands(&o, 0, 0, "", err);
	if (r == 0 && !ctx->dry_run)
		r = change_recover(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0)
		r = confirm_check_none(ctx->root, err);
	if (r == 0)
		r = host_spec_read(ctx->root, file, ctx->force, &hs, err);
	if (r == 0)
		r = ctx->dry_run ? preview(ctx, &hs, err) : carry_out(ctx, &hs, confirm_s, err);
	return r < 0 ? r : hs.plan.left ? 3 : 0;
}

const struct command cmd_host_apply = {
	.name = "host apply",
	.synopsis = "[-f FILE] [--confirm SECONDS]",
	.summary = "make this host what /etc/thruway/host.yaml says",
	.help = "Binds devices, makes VFs and sets their attributes as the files say, as one change:\n"
		"if a step fails, those before it are undone. What is so already is left alone.\n"
		"VFs that are in use are never destroyed; that and what else cannot be done is said,\n"
		"and the exit status is then 3.\n"
		"\n"
		"  -f, --file FILE     this file, instead of /etc/thruway/host.yaml and host.d/*.yaml\n"
		"      --confirm SECONDS  undo it all after this time, unless thruway host confirm comes:\n"
		"                      for a change that may cut the line you are connected by",
	.takes = TAKES_DRY_RUN | TAKES_JSON | TAKES_LOCK | TAKES_FORCE,
	.run = run,
};
