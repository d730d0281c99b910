// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/change.h"
#include "sriov/vf_plan.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/preview.h"
#include "tools/vf_show.h"
#include "tools/vf_words.h"
#include "vfio/in_use.h"

enum { OPT_UP = 300, OPT_BIND, OPT_DRIVER };

struct request {
	struct pf pf;
	struct vf_words words;
	struct vf_create create;
};

static int read_operands(struct ctx *ctx, struct opts *o, struct request *req, struct err *err)
{
	int r = opts_operands(o, 2, 2 + 4096, "the PF or the number of VFs", err);

	/* What is wrong whatever the host is like goes before what the host has to say. */
	if (r == 0)
		r = vf_words_count(o->argv[optind + 1], &req->create.count, err);
	req->words.count = req->create.count;
	if (r == 0)
		r = vf_words_parse(o->argv + optind + 2, (unsigned)(o->argc - optind - 2),
				   &req->words, err);
	if (r == 0 && !ctx->dry_run)
		r = change_recover(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0)
		r = pf_find(ctx->root, o->argv[optind], &req->pf, err);
	req->create.pf = &req->pf;
	req->create.all = req->words.all;
	req->create.each = req->words.each;
	req->create.queues = req->words.queues;
	req->create.interrupts = req->words.interrupts;
	return r;
}

static int read_options(struct ctx *ctx, struct opts *o, int argc, char **argv,
			struct request *req, struct err *err)
{
	static const struct option own[] = { { "up", no_argument, NULL, OPT_UP },
					     { "bind", no_argument, NULL, OPT_BIND },
					     { "driver", required_argument, NULL, OPT_DRIVER },
					     { 0 } };
	bool bind = false;
	int c, r = 0;

	opts_init(o, ctx, argc, argv, own);
	while ((c = opts_next(o, err)) > 0) {
		switch (c) {
		case OPT_UP: req->create.up = true; break;
		case OPT_BIND: bind = true; break;
		case OPT_DRIVER: r = opts_driver(o, optarg, &req->create.driver, err); break;
		}
		if (r < 0)
			return r;
	}
	if (c < 0)
		return c;
	if (req->create.driver && !bind)
		return err_usage(err, "vf create: --driver is for --bind");
	if (req->create.driver && strcmp(req->create.driver, "none") == 0) {
		err_usage(err, "vf create: 'none' is no driver to bind VFs to");
		return err_hint(err, "without --bind they stay without one");
	}
	if (bind && !req->create.driver)
		req->create.driver = "vfio-pci";
	return read_operands(ctx, o, req, err);
}

/* What a user would otherwise find out in the guest. */
static void warn_down(const struct pf *pf)
{
	if (pf->netdevs == 1 && !pf->up)
		log_warn("%s: %s is down, so its VFs have no carrier: ip link set %s up, or --up",
			 BDF_STR(pf->bdf), pf->netdev, pf->netdev);
}

/* What others would find out: some drivers reset the PF to make room for VFs. */
static void warn_blip(struct ctx *ctx, const struct pf *pf)
{
	const unsigned felt = 1u << IN_USE_ROUTE | 1u << IN_USE_BRIDGE | 1u << IN_USE_BOND;
	_cleanup_(in_use_closep) struct in_use_host *host = NULL;
	char who[3 * IN_USE_TEXT_MAX] = "";
	struct in_use used;
	struct pci_function dev;
	size_t len = 0;

	if (pci_function_read(ctx->root, pf->bdf, &dev) < 0 ||
	    in_use_open(ctx->root, &host, NULL) < 0)
		return;
	in_use_find(host, &dev, &used);
	for (unsigned i = 0; i < used.count && len < sizeof(who); i++) {
		if (felt & 1u << used.items[i].reason)
			len += (size_t)snprintf(who + len, sizeof(who) - len, ", and %s",
						used.items[i].what);
	}
	if (*who)
		log_warn("%s: the link may blip%s", BDF_STR(pf->bdf), who);
}

static int print_plan(struct ctx *ctx, struct plan *plan, struct err *err)
{
	struct preview preview = PREVIEW_INIT(ctx);
	int r = change_preview(ctx->root, plan, err);

	return r < 0 ? r : preview_print(&preview, plan);
}

static int carry_out(struct ctx *ctx, struct request *req, const struct plan *plan,
		     struct err *err)
{
	struct journal_owner owner = { 0 };
	int r;

	snprintf(owner.command, sizeof(owner.command), "vf create %s %u", BDF_STR(req->pf.bdf),
		 req->create.count);
	r = change_load_drivers(ctx->root, plan, err);
	if (r == 0)
		r = change_apply(ctx->root, plan, &owner, ctx->lock_timeout_s, err);
	if (r == 0)
		r = pf_read(ctx->root, req->pf.bdf, &req->pf, err);
	if (r < 0)
		return r;
	warn_down(&req->pf);
	return ctx->quiet ? 0 : vf_show(ctx, &req->pf, err);
}

static int run_request(struct ctx *ctx, struct request *req, struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	int r = vf_plan_create(ctx->root, &req->create, &plan, err);

	if (r < 0)
		return r;
	warn_blip(ctx, &req->pf);
	return ctx->dry_run ? print_plan(ctx, &plan, err) : carry_out(ctx, req, &plan, err);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct request req = { 0 };
	struct opts o;
	int r = read_options(ctx, &o, argc, argv, &req, err);

	if (r == 0)
		r = run_request(ctx, &req, err);
	vf_words_fini(&req.words);
	return r;
}

const struct command cmd_vf_create = {
	.name = "vf create",
	.synopsis = "[--up] [--bind [--driver D]] PF N [ATTR VALUE]… [vfK ATTR VALUE…]…",
	.summary = "make VFs",
	.help =
		"Makes N virtual functions of the physical function PF (a PCI address, a network\n"
		"interface or an NVMe controller) without any host driver being tried on them,\n"
		"and gives them their attributes. If a step fails, those before it are undone.\n"
		"\n"
		"ATTR and VALUE, in the words of ip-link(8), for all VFs or, after vfK, for that:\n"
		"  mac ADDRESS          vf0's; each further VF gets the next one. none: reset\n"
		"  vlan 0-4094 [qos 0-7] [proto 802.1Q|802.1ad]\n"
		"  spoofchk on|off      drop frames that are not from the VF's MAC\n"
		"  trust on|off         the guest may set its MAC and promiscuous mode\n"
		"  state auto|enable|disable\n"
		"  min_tx_rate MBIT  max_tx_rate MBIT\n"
		"  query_rss on|off\n"
		"  node_guid GUID  port_guid GUID   InfiniBand; counted up as the MAC is\n"
		"  queues N  interrupts N   of each NVMe VF; without them an equal share\n"
		"\n"
		"      --up             bring the PF's interface up\n"
		"      --bind           bind the VFs, to vfio-pci\n"
		"      --driver D       or to this driver",
	.takes = TAKES_JSON | TAKES_DRY_RUN | TAKES_LOCK | REPORTS_CHANGES,
	.run = run,
};
