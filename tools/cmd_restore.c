// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "host/change.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "vfio/busy.h"

enum { OPT_GROUP = 256, OPT_ALL };

static const struct option own[] = {
	{ "group", no_argument, NULL, OPT_GROUP },
	{ "all", no_argument, NULL, OPT_ALL },
	{ 0 },
};

static void say(struct ctx *ctx, struct bdf bdf, enum change_restored what)
{
	struct pci_dev now = { .bdf = bdf };

	if (ctx->quiet)
		return;
	(void)pci_dev_read(ctx->root, bdf, &now);
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

	if (bdf_parse(name, &bdf) == 0 && !topo_find(topo, bdf)) {
		enum change_restored what;
		int r = change_restore(ctx->root, bdf, ctx->force, ctx->lock_timeout_s, &what, err);

		if (r == 0)
			say(ctx, bdf, what);
		return r;
	}
	return device_resolve(ctx->root, topo, name, many, "restore", list, err);
}

/* The other endpoints of the groups of those in the list. */
static int add_groups(struct ctx *ctx, const struct topo *topo, struct device_list *list,
		      struct err *err)
{
	size_t named = list->count;
	int r = 0;

	for (size_t i = 0; i < named; i++) {
		const struct pci_dev *dev = topo_find(topo, list->bdfs[i]), *other = NULL;

		while (r == 0 && dev->group >= 0 &&
		       (other = topo_group_next(topo, dev->group, other))) {
			if (pci_dev_is_assignable(other))
				r = device_resolve(ctx->root, topo, BDF_STR(other->bdf), false,
						   "restore", list, err);
		}
	}
	return r;
}

static int restore_all(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
		       struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct pci_dev *dev = topo_find(topo, list->bdfs[i]);
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
	unsigned undone = 0;
	int r = change_restore_all(ctx->root, ctx->force, ctx->lock_timeout_s, &undone, err);

	if (r == 0 && !ctx->quiet)
		fprintf(ctx->out, "%u changes undone\n", undone);
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
		return restore_everything(ctx, err);
	r = c < 0 ? c : opts_operands(&o, 1, argc, "DEV", err);
	if (r == 0)
		r = topo_scan(ctx->root, &topo, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = find(ctx, &topo, argv[i], many, &list, err);
	if (r == 0 && group)
		r = add_groups(ctx, &topo, &list, err);
	return r < 0 ? r : restore_all(ctx, &topo, &list, err);
}

const struct command cmd_restore = {
	.name = "restore",
	.synopsis = "[--group] [--force=A,B] DEV… | --all",
	.summary = "give devices back to the host as they were",
	.help = "Undoes what thruway changed about a device: driver, override, and for a PF its VFs\n"
		"and their attributes. A device that thruway did not change is taken from its VFIO\n"
		"driver and offered to the drivers of the host. Refused while a VM has it.\n"
		"\n"
		"      --group         the other endpoints of its IOMMU group too\n"
		"      --all           DEV may mean several devices; without DEV: undo everything\n"
		"                      that thruway changed on this host",
	.takes = TAKES_LOCK | TAKES_FORCE,
	.run = run,
};
