// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/spec_save.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"

enum { OPT_FROM = 300 };

static const struct option own[] = { { "from", required_argument, NULL, OPT_FROM }, { 0 } };

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(spec_facts_fini) struct spec_facts facts = SPEC_FACTS_INIT;
	const char *from = NULL;
	struct opts o;
	int c, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((c = opts_next(&o, err)) > 0)
		from = optarg;
	r = c < 0 ? c : opts_operands(&o, 0, 0, "", err);
	if (r == 0 && from && strcmp(from, "driverctl") != 0)
		r = err_usage(err, "--from takes driverctl, not '%s'", from);
	if (r == 0 && geteuid() != 0) {
		err_plain(err, -EPERM, "serial numbers, by which devices are known, are root's to read");
		r = err_hint(err, "run it as root");
	}
	if (r == 0)
		r = spec_facts_read(ctx->root, &facts, err);
	if (r < 0)
		return r;
	return from ? spec_save_driverctl(&facts, ctx->out, err) : spec_save(&facts, ctx->out, err);
}

const struct command cmd_host_save = {
	.name = "host save",
	.synopsis = "[--from driverctl]",
	.summary = "print this host as a file for /etc/thruway",
	.help = "Prints what is bound for guests, the PFs with VFs and what these have, and the\n"
		"hugepages, as a host.yaml that makes it so again. Applied at once it changes nothing.\n"
		"\n"
		"      --from driverctl  instead the devices in /etc/driverctl.d, for who moves to thruway\n"
		"\n"
		"  thruway host save >/etc/thruway/host.yaml",
	.run = run,
};
