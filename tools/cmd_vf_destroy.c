// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/fd.h"
#include "host/change.h"
#include "host/evict.h"
#include "sriov/nvme_virt.h"
#include "sriov/vf_destroy.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/preview.h"
#include "tools/vf_show.h"
#include "vfio/in_use.h"

static int carry_out(struct ctx *ctx, const struct vf_destroy *req, struct err *err)
{
	/* The kernel would wait for them, with the PF's lock. */
	int r = req->force ? evict_vf_holders(ctx->root, req->pf->bdf, EVICT_ANY, err) : 0;
	struct pf now;

	if (r == 0)
		r = vf_destroy(ctx->root, change_ops, req, err);
	if (r < 0 || !ctx->json || ctx->quiet)
		return r;
	r = pf_read(ctx->root, req->pf->bdf, &now, err);
	return r < 0 ? r : vf_show(ctx, &now, err);
}

static int preview(struct ctx *ctx, const struct vf_destroy *req, struct err *err)
{
	_cleanup_(preview_fini) struct preview p = PREVIEW_INIT(ctx);
	_cleanup_(plan_fini) struct plan offline = PLAN_INIT;
	const struct plan none = PLAN_INIT;
	const struct pf *pf = req->pf;
	char what[64];
	int r = 0;

	if (!pf->numvfs)
		return preview_print(&p, &none);
	if (pf->nvme[0]) /* only whether that can be: destroying them is what it is for */
		r = nvme_plan_offline(ctx->root, pf, &offline, err);
	if (r == 0 && req->force)
		r = evict_vf_preview(ctx->root, pf->bdf, EVICT_ANY, preview_line, &p, err);
	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "destroy its %u VF%s", pf->numvfs, pf->numvfs == 1 ? "" : "s");
	preview_after(&p, pf->bdf, what);
	return preview_print(&p, &none);
}

static int destroy(struct ctx *ctx, const struct pf *pf, struct err *err)
{
	char command[128];
	struct vf_destroy req = {
		.pf = pf,
		.force = ctx->force & 1u << IN_USE_VF_IN_USE,
		.command = command,
		.lock_timeout_s = ctx->lock_timeout_s,
	};
	int r;

	snprintf(command, sizeof(command), "vf destroy %s", BDF_STR(pf->bdf));
	r = vf_destroy_check(ctx->root, &req, err);
	return r < 0 ? r : (ctx->dry_run ? preview : carry_out)(ctx, &req, err);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct opts o;
	struct pf pf = { 0 };
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r < 0)
		return r;
	r = opts_operands(&o, 1, 1, "the PF", err);
	if (r < 0)
		return r;
	/* First, because a killed command's write may still have the PF's lock. */
	if (!ctx->dry_run)
		r = change_recover(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0)
		r = pf_find(ctx->root, argv[optind], &pf, err);
	return r < 0 ? r : destroy(ctx, &pf, err);
}

const struct command cmd_vf_destroy = {
	.name = "vf destroy",
	.synopsis = "PF",
	.summary = "take a PF's VFs away",
	.help = "Takes all virtual functions of PF away and forgets everything about them: there\n"
		"is nothing to restore afterwards. Refused while a VF is in use, that is, held\n"
		"open by a VM or with an interface that is up; --force=vf-in-use does it all the\n"
		"same, and ends such a VM first: SIGTERM, and after 30 s SIGKILL.",
	.takes = TAKES_JSON | TAKES_DRY_RUN | TAKES_LOCK | TAKES_FORCE | REPORTS_CHANGES,
	.reasons = 1u << IN_USE_VF_IN_USE,
	.run = run,
};
