// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/size.h"
#include "host/device.h"
#include "host/lease.h"
#include "host/lease_keeper.h"
#include "sriov/pf.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "vfio/pci_function.h"

#define NODE_MAX 4095
#define TTL_MAX	 (365u * 86400)

struct asked {
	const char *pf, *pool, *near;
	char what[64];
	struct lease_request req;
	struct bdf *among; /* malloced */
	char **command;	   /* NULL: none */
};

static void asked_fini(struct asked *a)
{
	free(a->among);
}

/* --- the command line ------------------------------------------------------------------------- */

enum { OPT_PF = 256, OPT_POOL, OPT_NEAR, OPT_NEAR_NODE, OPT_PID, OPT_TTL, OPT_USER };

static const struct option own[] = {
	{ "pf", required_argument, NULL, OPT_PF },
	{ "pool", required_argument, NULL, OPT_POOL },
	{ "near", required_argument, NULL, OPT_NEAR },
	{ "near-node", required_argument, NULL, OPT_NEAR_NODE },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "ttl", required_argument, NULL, OPT_TTL },
	{ "user", required_argument, NULL, OPT_USER },
	{ 0 },
};

/* "30s", "5m", "2h", "90" */
static int take_ttl(const char *s, struct lease_request *req, struct err *err)
{
	static const char units[] = "smhd";
	static const unsigned seconds[] = { 1, 60, 3600, 86400 };
	size_t len = strlen(s);
	const char *unit = len ? strchr(units, s[len - 1]) : NULL;
	unsigned factor = unit ? seconds[unit - units] : 1;
	char digits[16];
	uint64_t v;

	snprintf(digits, sizeof(digits), "%.*s", (int)(len - (unit != NULL)), s);
	if (len >= sizeof(digits) || uint_parse(digits, TTL_MAX / factor, &v) < 0 || !v)
		return err_usage(err, "--ttl takes a time such as 30s, 5m or 2h, not '%s'", s);
	req->ttl_s = (unsigned)v * factor;
	return 0;
}

static int take_number(const char *name, const char *s, uint64_t min, uint64_t max, int *ret,
		       struct err *err)
{
	uint64_t v;

	if (uint_parse(s, max, &v) < 0 || v < min)
		return err_usage(err, "%s: '%s' is no such number", name, s);
	*ret = (int)v;
	return 0;
}

static int take(const struct opts *o, struct asked *a, int c, struct err *err)
{
	switch (c) {
	case OPT_PF: a->pf = optarg; return 0;
	case OPT_POOL: a->pool = optarg; return 0;
	case OPT_NEAR: a->near = optarg; return 0;
	case OPT_NEAR_NODE:
		return take_number("--near-node", optarg, 0, NODE_MAX, &a->req.near_node, err);
	case OPT_PID: return take_number("--pid", optarg, 1, INT32_MAX, &a->req.holder, err);
	case OPT_TTL: return take_ttl(optarg, &a->req, err);
	default:
		a->req.give = true;
		return opts_user(o, optarg, &a->req.uid, &a->req.gid, NULL, err);
	}
}

static int check(const struct ctx *ctx, struct asked *a, struct err *err)
{
	if (!a->pf == !a->pool)
		err_usage(err, "vf lease: say one of --pf and --pool");
	else if (a->near && a->req.near_node >= 0)
		err_usage(err, "vf lease: say one of --near and --near-node");
	else if (a->command && ctx->json)
		err_usage(err, "vf lease: a command gets the address as THRUWAY_DEVICE, not as JSON");
	else if (a->command && a->req.holder)
		err_usage(err, "vf lease: a command is the holder, so --pid is another one");
	else if (!a->command && !a->req.holder && !a->req.ttl_s)
		err_usage(err, "vf lease: for how long? say --pid, --ttl or a command");
	else
		return 0;
	return err_hint(err, "thruway vf lease --help");
}

static int parse(struct ctx *ctx, int argc, char **argv, struct asked *a, struct err *err)
{
	struct opts o;
	int c, r = 0;

	opts_init(&o, ctx, argc, argv, own);
	while (r == 0 && (c = opts_next(&o, err)) != 0)
		r = c < 0 ? c : take(&o, a, c, err);
	if (r == 0 && optind < argc)
		a->command = argv + optind;
	return r < 0 ? r : check(ctx, a, err);
}

/* --- whom among ------------------------------------------------------------------------------- */

static int vfs_of(struct ctx *ctx, struct asked *a, struct err *err)
{
	struct pf pf;
	int r = pf_find(ctx->root, a->pf, &pf, err);

	if (r == 0) /* its VFs may be on their way out */
		r = pf_refuse_busy(ctx->root, &pf, "lease a VF of", err);
	if (r < 0)
		return r;
	if (!pf.numvfs) {
		err_plain(err, -ENODEV, "%s has no VFs to lease", a->pf);
		return err_hint(err, "create them: thruway vf create %s N", a->pf);
	}
	a->among = calloc(pf.numvfs + 1, sizeof(*a->among));
	if (!a->among)
		return err_set(err, -ENOMEM, "cannot lease a VF");
	for (unsigned i = 0; i < pf.numvfs; i++) {
		if (pf_vf_here(ctx->root, &pf, i, &a->among[a->req.count]) == 0)
			a->req.count++;
	}
	snprintf(a->what, sizeof(a->what), "%u VFs of %s", pf.numvfs,
		 pf.netdev[0] ? pf.netdev : BDF_STR(pf.bdf));
	return 0;
}

static int members_of(struct ctx *ctx, struct asked *a, struct err *err)
{
	int r = lease_pool(ctx->root, a->pool, &a->among, &a->req.count, err);

	snprintf(a->what, sizeof(a->what), "%zu devices in the pool '%.24s'", a->req.count,
		 a->pool);
	return r;
}

static int near_device(struct ctx *ctx, struct asked *a, struct err *err)
{
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	struct bdf bdf;
	int r = topo_scan(ctx->root, &topo, err);

	if (r == 0)
		r = device_resolve_one(ctx->root, &topo, a->near, "look near", &bdf, err);
	if (r == 0)
		a->req.near_node = pci_function_numa_node(ctx->root, bdf);
	return r;
}

/* --- the answer ------------------------------------------------------------------------------- */

static int print(struct ctx *ctx, const struct lease *l, struct err *err)
{
	struct pci_function dev = { .bdf = l->bdf, .group = -1, .numa_node = -1 };
	json_t *o;

	if (!ctx->json) {
		fprintf(ctx->out, "%s\n", BDF_STR(l->bdf));
		return 0;
	}
	(void)pci_function_read_unlocked(ctx->root, l->bdf, &dev);
	o = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "device", BDF_STR(l->bdf), "driver",
		      out_json_text(dev.driver), "group",
		      dev.group >= 0 ? json_integer(dev.group) : json_null(), "numa_node",
		      dev.numa_node >= 0 ? json_integer(dev.numa_node) : json_null(), "pid",
		      l->holder.pid ? json_integer(l->holder.pid) : json_null(), "expires_in",
		      l->expires ? json_integer((json_int_t)(l->expires - lease_now())) : json_null());
	if (out_json(ctx->out, "thruway.lease/1", "lease", o) < 0)
		return err_set(err, -ENOMEM, "cannot show the lease");
	return 0;
}

/*
 * The command becomes this process, which holds the lease: pid and start time stay, and
 * nobody has to stay behind to end it.
 */
static int become(struct ctx *ctx, const struct asked *a, const struct lease *l)
{
	int r;

	if (setenv("THRUWAY_DEVICE", BDF_STR(l->bdf), 1) == 0) {
		fflush(ctx->out);
		execvp(a->command[0], a->command);
	}
	r = -errno;
	(void)lease_release(ctx->root, l->bdf, true, ctx->lock_timeout_s, NULL);
	/* As env(1) and shells do: a command's own 1 is something else. */
	log_warn("cannot run '%s': %s", a->command[0], strerror(-r));
	return r == -ENOENT ? 127 : 126;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(asked_fini) struct asked a = { .req = { .near_node = -1 } };
	struct lease lease;
	int r = parse(ctx, argc, argv, &a, err);

	if (r == 0)
		r = a.pf ? vfs_of(ctx, &a, err) : members_of(ctx, &a, err);
	if (r == 0 && a.near)
		r = near_device(ctx, &a, err);
	if (r < 0)
		return r;
	a.req.among = a.among;
	a.req.what = a.what;
	a.req.lock_timeout_s = ctx->lock_timeout_s;
	if (a.command)
		a.req.holder = getpid();
	r = lease_take(ctx->root, &a.req, &lease, err);
	if (r == 0 && lease.node[0])
		r = lease_keep(ctx->root, &lease, err);
	if (r < 0)
		return r;
	return a.command ? become(ctx, &a, &lease) : print(ctx, &lease, err);
}

const struct command cmd_vf_lease = {
	.name = "vf lease",
	.synopsis = "--pf PF | --pool P [--near DEV | --near-node N] [--user USER]\n"
		    "                        --pid PID | --ttl TIME | [--] COMMAND…",
	.summary = "promise a free VF to one process",
	.help = "Picks a VF that is neither leased nor in use, and prints its address. Until the\n"
		"lease is over nobody else gets it, and bind, restore, vf destroy and vm run\n"
		"refuse it to others than the holder and what the holder started.\n"
		"\n"
		"      --pf PF          a VF of this PF\n"
		"      --pool P         a device of this pool of /etc/thruway/host.yaml\n"
		"      --near DEV       the nearest to the NUMA node of this device\n"
		"      --near-node N    the nearest to this NUMA node\n"
		"      --user USER      this user may open its VFIO node as long; only VFs that are\n"
		"                       bound to a VFIO driver\n"
		"      --pid PID        until this process ends\n"
		"      --ttl TIME       for 30s, 5m, 2h or 1d\n"
		"      COMMAND          run it and lease until it ends; the address is in its\n"
		"                       environment, as THRUWAY_DEVICE; exits as it does, 127 when\n"
		"                       there is no such command, 126 when it cannot be run",
	.takes = TAKES_JSON | TAKES_LOCK | TAKES_COMMAND,
	.run = run,
};
