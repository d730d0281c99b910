// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>

#include "base/fd.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/topo.h"

enum form { FORM_TEXT, FORM_DOT = 256, FORM_SVG, FORM_HTML };

static int print(struct ctx *ctx, const struct topo_view *v, enum form form)
{
	if (ctx->json)
		return out_json(ctx->out, "thruway.topo/1", "nodes", topo_json(v));
	switch (form) {
	case FORM_SVG: return topo_svg(ctx->out, v);
	case FORM_HTML: return topo_html(ctx->out, v);
	case FORM_DOT: topo_dot(ctx->out, v); return 0;
	default: topo_text(ctx->out, v); return 0;
	}
}

static int draw(struct ctx *ctx, bool all, enum form form, struct err *err)
{
	_cleanup_(describer_fini) struct describer d = { 0 };
	_cleanup_(topo_view_fini) struct topo_view v = { .acs = ACS_INIT };
	int r = describer_init(&d, ctx->root, err);

	if (r < 0)
		return r;
	r = topo_view_init(&v, &d, all);
	if (r == 0)
		r = print(ctx, &v, form);
	return r < 0 ? err_set(err, r, "cannot draw the devices") : 0;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	static const struct option own[] = { { "all", no_argument, NULL, 'a' },
					     { "dot", no_argument, NULL, FORM_DOT },
					     { "svg", no_argument, NULL, FORM_SVG },
					     { "html", no_argument, NULL, FORM_HTML },
					     { 0 } };
	enum form form = FORM_TEXT;
	bool all = false;
	struct opts o;
	int c, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((c = opts_next(&o, err)) > 0) {
		if (c == 'a') {
			all = true;
			continue;
		}
		if (form != FORM_TEXT && form != (enum form)c)
			return err_usage(err, "topo: --dot, --svg and --html exclude each other");
		form = (enum form)c;
	}
	if (c < 0)
		return c;
	r = opts_operands(&o, 0, 0, "", err);
	if (r < 0)
		return r;
	if (ctx->json && form != FORM_TEXT)
		return err_usage(err, "topo: --json is a form of its own");
	return draw(ctx, all, form, err);
}

const struct command cmd_topo = {
	.name = "topo",
	.synopsis = "[-a] [--dot | --svg | --html]",
	.summary = "how the devices hang together",
	.help = "Draws the tree NUMA node, host bridge, ports and bridges, PFs, VFs: as text, with\n"
		"colours on a terminal (green: a VFIO driver's; groups in colour are shared).\n"
		"\n"
		"  -a, --all           the chipset's own functions and unused ports too\n"
		"      --dot           for graphviz\n"
		"      --svg           a picture\n"
		"      --html          the same in a page that tells more of what the mouse is on",
	.takes = TAKES_JSON,
	.run = run,
};
