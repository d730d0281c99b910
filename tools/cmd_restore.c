// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "host/change.h"
#include "host/device.h"
#include "host/evict.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "vfio/busy.h"
#include "vfio/in_use.h"

enum { OPT_GROUP = 256, OPT_ALL };

static const struct option own[] = {
	{ "group", no_argument, NULL, OPT_GROUP },
	{ "all", no_argument, NULL, OPT_ALL },
	{ 0 },
};

static void say(struct ctx *ctx, struct bdf bdf, enum change_restored what)
{
	struct pci_function now = { .bdf = bdf };

	if (ctx->quiet)
		return;
	(void)pci_function_read(ctx->root, bdf, &now);
	fprintf(ctx->out, "%s: ", BDF_STR(bdf));
	switch (what) {
	case CHANGE_NOTHING: fprintf(ctx->out, "nothing to restore"); break;
	case CHANGE_UNDONE: fprintf(ctx->out, "restored"); break;
	case CHANGE_RELEASED: fprintf(ctx->out, "given to the host's drivers"); break;
	case CHANGE_GONE: fprintf(ctx->out, "is gone; what was changed is forgotten\n"); return;
	}
	fprintf(ctx->out, ", driver: %s\n", now.driver[0] ? now.driver : "none");
}

/* Addresses need not exist any more: the journal may still know them. */
static int find(struct ctx *ctx, const struct topo *topo, const char *name, bool many,
		struct device_list *list, struct err *err)
{
	struct bdf bdf;

	if (bdf_parse(name, &bdf) == 0 && !topo_find(topo, bdf))
		return device_list_add(list, bdf) < 0 ?
			       err_set(err, -ENOMEM, "cannot restore %s", name) : 0;
	return device_resolve(ctx->root, topo, name, many, "restore", list, err);
}

/* The other endpoints of the groups of those in the list. */
static int add_groups(struct ctx *ctx, const struct topo *topo, struct device_list *list,
		      struct err *err)
{
	size_t named = list->count;
	int r = 0;

	for (size_t i = 0; i < named; i++) {
		const struct pci_function *dev = topo_find(topo, list->bdfs[i]), *other = NULL;

		while (r == 0 && dev && dev->group >= 0 &&
		       (other = topo_group_next(topo, dev->group, other))) {
			if (pci_function_is_assignable(other))
				r = device_resolve(ctx->root, topo, BDF_STR(other->bdf), false,
						   "restore", list, err);
		}
	}
	return r;
}

static void print_line(const char *line, void *opaque)
{
	fprintf(opaque, "%s\n", line);
}

/* Who would be ended: each device that loses its driver may be held. */
static int preview_evictions(struct ctx *ctx, const struct plan *plan, struct err *err)
{
	return change_preview_restore_evict(ctx->root, plan, ctx->force, print_line, ctx->out, err);
}

static int preview_one(struct ctx *ctx, const struct pci_function *dev, struct bdf bdf,
		       struct plan *plan, struct device_list *offers, struct device_list *gone,
		       struct err *err)
{
	enum change_restored what = CHANGE_UNDONE;
	int r = dev && dev->busy ? busy_refuse(ctx->root, bdf, "restore", err) :
		change_plan_restore(ctx->root, bdf, ctx->force, plan, &what, err);

	if (r == 0 && ((what == CHANGE_RELEASED && device_list_add(offers, bdf) < 0) ||
		       (what == CHANGE_GONE && device_list_add(gone, bdf) < 0)))
		r = err_set(err, -ENOMEM, "cannot restore %s", BDF_STR(bdf));
	return r;
}

static int preview(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
		   struct err *err)
{
	_cleanup_(device_list_fini) struct device_list offers = DEVICE_LIST_INIT;
	_cleanup_(device_list_fini) struct device_list gone = DEVICE_LIST_INIT;
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++)
		r = preview_one(ctx, topo_find(topo, list->bdfs[i]), list->bdfs[i], &plan, &offers,
				&gone, err);
	if (r == 0)
		r = preview_evictions(ctx, &plan, err);
	if (r < 0)
		return r;
	if (plan.count || (!offers.count && !gone.count))
		out_plan(ctx->out, change_ops, &plan);
	for (size_t i = 0; i < gone.count; i++)
		fprintf(ctx->out, "%s: is gone; forget what was changed\n", BDF_STR(gone.bdfs[i]));
	for (size_t i = 0; i < offers.count; i++)
		fprintf(ctx->out, "%s: offer it to the host's drivers\n", BDF_STR(offers.bdfs[i]));
	return 0;
}

static int restore_all(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
		       struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct pci_function *dev = topo_find(topo, list->bdfs[i]);
		enum change_restored what;
		int r;

		if (dev && dev->busy)
			return busy_refuse(ctx->root, dev->bdf, "restore", err);
		r = change_restore(ctx->root, list->bdfs[i], ctx->force, ctx->lock_timeout_s,
				   &what, err);

		if (r < 0)
			return r;
		say(ctx, list->bdfs[i], what);
	}
	return 0;
}

/* --all without a device: everything the journal has. */
static int restore_everything(struct ctx *ctx, struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	unsigned undone = 0;
	int r;

	if (ctx->dry_run) {
		r = change_plan_restore_all(ctx->root, ctx->force, &plan, err);
		if (r < 0 && r != -EBUSY)
			return r;
		preview_evictions(ctx, &plan, err);
		out_plan(ctx->out, change_ops, &plan);
		return r;
	}
	r = change_restore_all(ctx->root, ctx->force, ctx->lock_timeout_s, &undone, err);

	if ((r == 0 || undone) && !ctx->quiet)
		fprintf(ctx->out, "%u change%s undone\n", undone, undone == 1 ? "" : "s");
	return r;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	bool group = false, many = false;
	struct opts o;
	int c, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((c = opts_next(&o, err)) > 0)
		*(c == OPT_GROUP ? &group : &many) = true;
	if (c == 0 && many && optind == argc)
		return group ? err_usage(err, "restore: --group is for a DEV") :
			       restore_everything(ctx, err);
	r = c < 0 ? c : opts_operands(&o, 1, argc, "DEV", err);
	if (r == 0)
		r = topo_scan(ctx->root, &topo, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = find(ctx, &topo, argv[i], many, &list, err);
	if (r == 0 && group)
		r = add_groups(ctx, &topo, &list, err);
	return r < 0 ? r : (ctx->dry_run ? preview : restore_all)(ctx, &topo, &list, err);
}

const struct command cmd_restore = {
	.name = "restore",
	.synopsis = "[--group] [-n] [--force=A,B] DEV… | --all",
	.summary = "give devices back to the host as they were",
	.help = "Undoes what thruway changed about a device: driver, override, and for a PF its VFs\n"
		"and their attributes. A device that thruway did not change is taken from its VFIO\n"
		"driver and offered to the drivers of the host. Refused while a VM has it, or one of the\n"
		"VFs that go with it; --force=vm ends that VM first: SIGTERM, and after 30 s SIGKILL.\n"
		"\n"
		"      --group         the other endpoints of its IOMMU group too\n"
		"      --all           DEV may mean several devices; without DEV: undo everything\n"
		"                      that thruway changed on this host, but for what is in use",
	.takes = TAKES_DRY_RUN | TAKES_LOCK | TAKES_FORCE | REPORTS_CHANGES,
	.reasons = 1u << IN_USE_VM | 1u << IN_USE_PROCESS | 1u << IN_USE_VF_IN_USE,
	.run = run,
};
