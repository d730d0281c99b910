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
#include "vfio/lease.h"
#include "vfio/pci_function.h"

/* A network driver of the host reads the VF's MAC when it binds, and not again. */
static void warn_bound(struct ctx *ctx, const struct pf *pf, unsigned vf)
{
	struct pci_function dev;
	struct bdf bdf;

	if (pf_vf_bdf(ctx->root, pf->bdf, vf, &bdf) == 0 &&
	    pci_function_read(ctx->root, bdf, &dev) == 0 &&
	    dev.driver[0] && !pci_function_driver_is_vfio(dev.driver))
		log_warn("%s: %s takes the new MAC only when it is bound again", BDF_STR(bdf),
			 dev.driver);
}

/* Its MAC is what the guest and the network know it by. */
static int refuse_running(struct ctx *ctx, const struct pf *pf, unsigned vf, struct err *err)
{
	struct in_use_host *host;
	struct pci_function dev;
	struct in_use used;
	struct bdf bdf;
	int r;

	if (pf_vf_bdf(ctx->root, pf->bdf, vf, &bdf) < 0 ||
	    pci_function_read_unlocked(ctx->root, bdf, &dev) < 0)
		return 0;
	r = in_use_open(ctx->root, &host, err);
	if (r < 0)
		return r;
	in_use_find(host, &dev, &used);
	r = in_use_refuse(&used, "change the MAC of", bdf, ctx->force | ~(1u << IN_USE_VM), err);
	in_use_close(host);
	if (r == 0 && !(ctx->force & 1u << IN_USE_VF_IN_USE))
		r = lease_refuse(ctx->root, bdf, "change the MAC of", err);
	return r;
}

static int change(struct ctx *ctx, const struct pf *pf, unsigned vf, struct plan *plan,
		  struct err *err)
{
	struct preview preview = PREVIEW_INIT(ctx);
	struct journal_owner owner = { 0 };
	int r;

	snprintf(owner.command, sizeof(owner.command), "vf set %s/vf%u", BDF_STR(pf->bdf), vf);
	if (!ctx->dry_run)
		return change_apply(ctx->root, plan, &owner, ctx->lock_timeout_s, err);
	r = change_preview(ctx->root, plan, err);
	return r < 0 ? r : preview_print(&preview, plan);
}

static int set(struct ctx *ctx, const struct opts *o, struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	_cleanup_(vf_words_fini) struct vf_words words = { 0 };
	struct pf pf;
	unsigned vf;
	int r = ctx->dry_run ? 0 : change_recover(ctx->root, ctx->lock_timeout_s, err);

	if (r == 0)
		r = vf_words_target(ctx->root, o->argv[optind], &pf, &vf, err);
	if (r == 0)
		r = vf_words_parse(o->argv + optind + 1, (unsigned)(o->argc - optind - 1), &words,
				   err);
	if (r == 0 && (words.queues || words.interrupts))
		r = err_usage(err, "queues and interrupts are given by vf create");
	if (r == 0)
		r = vf_plan_set(ctx->root, &pf, vf, &words.all, &plan, err);
	if (r == 0 && VF_HAS(&words.all, VF_MAC) && plan.count)
		r = refuse_running(ctx, &pf, vf, err);
	if (r == 0)
		r = change(ctx, &pf, vf, &plan, err);
	if (r == 0 && VF_HAS(&words.all, VF_MAC) && !ctx->dry_run)
		warn_bound(ctx, &pf, vf);
	return r == 0 && ctx->json && !ctx->dry_run && !ctx->quiet ? vf_show(ctx, &pf, err) : r;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 3, 1 + 2 * VF_ATTR_COUNT, "PF/vfN, an attribute or its value",
				  err);
	return r < 0 ? r : set(ctx, &o, err);
}

const struct command cmd_vf_set = {
	.name = "vf set",
	.synopsis = "PF/vfN ATTR VALUE…",
	.summary = "change attributes of a VF",
	.help = "Sets attributes of one virtual function through its PF, reads them back, and\n"
		"remembers what they were: thruway restore PF puts them back. ATTR and VALUE are\n"
		"those of thruway vf create. A vlan without qos and proto is qos 0 and 802.1Q.\n"
		"The MAC of a VF that a VM has stays, unless --force=vm says otherwise; that of one\n"
		"that is leased to somebody else, unless --force=vf-in-use.\n"
		"\n"
		"  thruway vf set eth0/vf3 mac 02:00:00:00:00:13 vlan 100 qos 3 spoofchk on",
	.takes = TAKES_JSON | TAKES_DRY_RUN | TAKES_LOCK | TAKES_FORCE | REPORTS_CHANGES,
	.reasons = 1u << IN_USE_VM | 1u << IN_USE_VF_IN_USE,
	.run = run,
};
