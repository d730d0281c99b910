// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "host/change.h"
#include "host/device.h"
#include "host/evict.h"
#include "host/vf_journal.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/preview.h"
#include "vfio/busy.h"
#include "vfio/in_use.h"

enum { OPT_GROUP = 256, OPT_ALL };

static const struct option own[] = {
	{ "group", no_argument, NULL, OPT_GROUP },
	{ "all", no_argument, NULL, OPT_ALL },
	{ 0 },
};

/* For people, and for programs. */
static const struct {
	const char *text, *word;
} outcomes[] = {
	[CHANGE_NOTHING] = { "nothing to restore", "nothing" },
	[CHANGE_UNPROBED] = { "nothing to restore: thruway made this VF, for no driver of the host",
			      "nothing" },
	[CHANGE_UNDONE] = { "restored", "restored" },
	[CHANGE_RELEASED] = { "given to the host's drivers", "released" },
	[CHANGE_GONE] = { "is gone; what was changed is forgotten", "gone" },
};

/* The attributes of a VF are another device's, and so is their undoing. */
static void say_attrs(struct ctx *ctx, const struct pci_function *dev)
{
	char attrs[160];

	if (vf_journal_attrs(ctx->root, dev, attrs, sizeof(attrs)))
		fprintf(ctx->out, "%s: its PF keeps the %s that it was given; thruway restore %s undoes "
				  "what was changed of the PF\n", BDF_STR(dev->bdf), attrs,
			BDF_STR(dev->pf));
}

/* Into the list, if there is one. */
static void say(struct ctx *ctx, struct bdf bdf, enum change_restored what, json_t *list)
{
	struct pci_function now = { .bdf = bdf };

	if (ctx->quiet)
		return;
	(void)pci_function_read(ctx->root, bdf, &now);
	if (list) {
		json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "device", BDF_STR(bdf),
						      "outcome", outcomes[what].word, "driver",
						      out_json_text(now.driver)));
		return;
	}
	fprintf(ctx->out, "%s: %s", BDF_STR(bdf), outcomes[what].text);
	if (what != CHANGE_GONE)
		fprintf(ctx->out, ", driver: %s", now.driver[0] ? now.driver : "none");
	fputc('\n', ctx->out);
	if (what != CHANGE_GONE)
		say_attrs(ctx, &now);
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

/* Who would be ended: each device that loses its driver may be held. */
static int preview_evictions(struct preview *p, const struct plan *plan, struct err *err)
{
	return change_preview_restore_evict(p->ctx->root, plan, p->ctx->force, preview_line, p, err);
}

static int preview_one(struct preview *p, const struct pci_function *dev, struct bdf bdf,
		       struct plan *plan, struct err *err)
{
	int root = p->ctx->root;
	enum change_restored what = CHANGE_UNDONE;
	int r = dev && dev->busy ? busy_refuse(root, bdf, "restore", err) :
		change_plan_restore(root, bdf, p->ctx->force, plan, &what, err);

	if (r == 0 && what == CHANGE_GONE)
		preview_after(p, bdf, "is gone; forget what was changed");
	if (r == 0 && what == CHANGE_UNPROBED)
		preview_after(p, bdf, outcomes[what].text);
	if (r == 0 && what == CHANGE_RELEASED)
		preview_after(p, bdf, "offer it to the host's drivers");
	return r;
}

static int preview(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
		   struct err *err)
{
	_cleanup_(preview_fini) struct preview p = PREVIEW_INIT(ctx);
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++)
		r = preview_one(&p, topo_find(topo, list->bdfs[i]), list->bdfs[i], &plan, err);
	if (r == 0)
		r = preview_evictions(&p, &plan, err);
	return r < 0 ? r : preview_print(&p, &plan);
}

static int restore_each(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
			json_t *said, struct err *err)
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
		say(ctx, list->bdfs[i], what, said);
	}
	return 0;
}

/* Also after an error the document tells what was restored before it. */
static int restore_listed(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
			  struct err *err)
{
	json_t *said = ctx->json ? json_array() : NULL;
	int r = restore_each(ctx, topo, list, said, err);

	if (said && !ctx->quiet && (r == 0 || json_array_size(said)))
		return out_json(ctx->out, "thruway.restore/1", "devices", said) < 0 ? -ENOMEM : r;
	json_decref(said);
	return r;
}

/* --all without a device: everything the journal has. */
static int restore_everything(struct ctx *ctx, struct err *err)
{
	unsigned undone = 0;
	int r = change_restore_all(ctx->root, ctx->force, ctx->lock_timeout_s, &undone, err);

	if (ctx->quiet || (r < 0 && !undone))
		return r;
	return out_undone(ctx->out, ctx->json, "thruway.restore-all/1", undone) < 0 ? -ENOMEM : r;
}

/* Those that are busy are an error, after what can be undone. */
static int preview_everything(struct ctx *ctx, struct err *err)
{
	_cleanup_(preview_fini) struct preview p = PREVIEW_INIT(ctx);
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	int r = change_plan_restore_all(ctx->root, ctx->force, &plan, err);

	if (r < 0 && r != -EBUSY)
		return r;
	preview_evictions(&p, &plan, err);
	return preview_print(&p, &plan) < 0 ? -ENOMEM : r;
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
			       (ctx->dry_run ? preview_everything : restore_everything)(ctx, err);
	r = c < 0 ? c : opts_operands(&o, 1, argc, "DEV", err);
	if (r == 0)
		r = topo_scan(ctx->root, &topo, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = find(ctx, &topo, argv[i], many, &list, err);
	if (r == 0 && group)
		r = add_groups(ctx, &topo, &list, err);
	return r < 0 ? r : (ctx->dry_run ? preview : restore_listed)(ctx, &topo, &list, err);
}

const struct command cmd_restore = {
	.name = "restore",
	.synopsis = "[--group] [-n] [--force=A,B] DEV… | --all",
	.summary = "give devices back to the host as they were",
	.help = "Undoes what thruway changed about a device: driver, override, and for a PF its VFs\n"
		"and their attributes. A device that thruway did not change is taken from its VFIO\n"
		"driver and offered to the drivers of the host, but for a VF that thruway made. A VF's\n"
		"attributes are undone with its PF. Refused while a VM has it, or one of the\n"
		"VFs that go with it; --force=vm ends that VM first: SIGTERM, and after 30 s SIGKILL.\n"
		"\n"
		"      --group         the other endpoints of its IOMMU group too\n"
		"      --all           DEV may mean several devices; without DEV: undo everything\n"
		"                      that thruway changed on this host, but for what is in use",
	.takes = TAKES_JSON | TAKES_DRY_RUN | TAKES_LOCK | TAKES_FORCE | REPORTS_CHANGES,
	.reasons = 1u << IN_USE_VM | 1u << IN_USE_PROCESS | 1u << IN_USE_VF_IN_USE,
	.run = run,
};
