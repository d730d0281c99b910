// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/host_show.h"
#include "tools/opts.h"

static const struct option own[] = { { "file", required_argument, NULL, 'f' }, { 0 } };

static void say_nothing(const char *line, void *opaque)
{
	/* Whom apply would end is told by its dry run. */
}

/* The difference is what was asked for; that it cannot be made up is worth a word. */
static void warn_refused(struct ctx *ctx, struct host_spec *hs)
{
	struct err why = ERR_INIT;

	if (host_spec_preview(ctx->root, hs, say_nothing, NULL, &why) < 0)
		log_warn("thruway host apply would be refused: %s", why.text);
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
	if (r == 0 && geteuid() != 0)
		log_warn("serial numbers and the users of devices are root's to read: it may be wrong");
	if (r == 0)
		r = host_spec_read(ctx->root, file, ctx->force, &hs, err);
	if (r == 0)
		r = host_show_diff(ctx, &hs, err);
	if (r < 0)
		return r;
	warn_refused(ctx, &hs);
	if (!ctx->json && !ctx->quiet && !hs.plan.plan.count && !hs.plan.left)
		fprintf(ctx->out, hs.spec.file_count ? "this host is as its files say\n" :
			"no file in /etc/thruway says what this host should be\n");
	return hs.plan.plan.count || hs.plan.left ? 3 : 0;
}

const struct command cmd_host_diff = {
	.name = "host diff",
	.synopsis = "[-f FILE]",
	.summary = "compare this host with /etc/thruway/host.yaml",
	.help = "Prints what thruway host apply would do, and what it would leave undone and why.\n"
		"The exit status is 0 when the host is as its files say, 3 when it differs.\n"
		"\n"
		"  -f, --file FILE     this file, instead of /etc/thruway/host.yaml and host.d/*.yaml",
	.takes = TAKES_JSON | TAKES_FORCE,
	.run = run,
};
