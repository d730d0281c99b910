// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/describe.h"
#include "tools/groups_why.h"
#include "tools/opts.h"
#include "tools/out.h"

static const char *const titles[] = { "GROUP", "VIABLE", "DEVICE", "NAME", "DRIVER", NULL };

/* Some device of the group was asked for, or nothing was asked for. */
static bool selected(const struct topo *topo, const struct device_list *only, int group)
{
	for (size_t i = 0; i < only->count; i++) {
		if (topo_find(topo, only->bdfs[i])->group == group)
			return true;
	}
	return !only->count;
}

/* The lowest group above `after`, or -1. */
static int next_group(const struct topo *topo, const struct device_list *only, int after)
{
	int best = -1;

	for (size_t i = 0; i < topo->count; i++) {
		int g = topo->devs[i].group;

		if (g > after && (best < 0 || g < best) && selected(topo, only, g))
			best = g;
	}
	return best;
}

static int add_group(struct table *t, struct describer *d, int group)
{
	const struct pci_function *dev = NULL;
	char number[16], name[160];
	int r = 0;

	while (r == 0 && (dev = topo_group_next(&d->topo, group, dev))) {
		snprintf(number, sizeof(number), "%d", group);
		r = table_row(t, (const char *const[]){
					 number,
					 topo_group_viable(&d->topo, group) ? "yes" : "no",
					 BDF_STR(dev->bdf),
					 describe_name(d, dev, name, sizeof(name)),
					 dev->driver,
				 });
	}
	return r;
}

static int print_table(struct ctx *ctx, struct describer *d, const struct device_list *only)
{
	struct table *t = table_new(titles);
	int r = t ? 0 : -ENOMEM, g = -1;

	while (r == 0 && (g = next_group(&d->topo, only, g)) >= 0)
		r = add_group(t, d, g);
	if (r == 0)
		table_print(t, ctx->out);
	table_free(t);
	return r;
}

/* Paragraphs; of a host as a whole only those groups there is something to say about. */
static int print_why(struct ctx *ctx, struct describer *d, const struct device_list *only,
		     const struct acs *acs)
{
	unsigned plain = 0;
	int g = -1;

	while ((g = next_group(&d->topo, only, g)) >= 0) {
		if (!only->count && groups_why_plain(acs, g))
			plain++;
		else
			groups_why_text(ctx->out, d, acs, g);
	}
	if (plain)
		fprintf(ctx->out, "%u groups hold one function each\n", plain);
	return 0;
}

static json_t *group_json(struct describer *d, int group, const struct acs *why)
{
	json_t *devices = json_array(), *o;
	const struct pci_function *dev = NULL;

	while ((dev = topo_group_next(&d->topo, group, dev)))
		json_array_append_new(devices, describe_json(d, dev));
	o = json_pack("{s:i, s:b, s:o}", "group", group, "viable",
		      topo_group_viable(&d->topo, group), "devices", devices);
	if (o && why)
		json_object_set_new(o, "why", groups_why_json(why, group));
	return o;
}

static int print_json(struct ctx *ctx, struct describer *d, const struct device_list *only,
		      const struct acs *why)
{
	json_t *list = json_array();
	int g = -1;

	while ((g = next_group(&d->topo, only, g)) >= 0)
		json_array_append_new(list, group_json(d, g, why));
	return out_json(ctx->out, "thruway.groups/1", "groups", list);
}

static int no_groups(struct ctx *ctx, struct err *err)
{
	err_plain(err, -ENODEV, "no device of this host has an IOMMU group");
	topo_hint_no_group(ctx->root, err);
	return -ENODEV;
}

static int print_groups(struct ctx *ctx, struct describer *d, const struct device_list *only,
			bool why)
{
	_cleanup_(acs_fini) struct acs acs = ACS_INIT;
	int r = why ? acs_open(ctx->root, &d->topo, &acs) : 0;

	if (r < 0)
		return r;
	if (ctx->json)
		return print_json(ctx, d, only, why ? &acs : NULL);
	return why ? print_why(ctx, d, only, &acs) : print_table(ctx, d, only);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	static const struct option own[] = { { "why", no_argument, NULL, 'w' }, { 0 } };
	_cleanup_(device_list_fini) struct device_list only = DEVICE_LIST_INIT;
	_cleanup_(describer_fini) struct describer d = { 0 };
	bool why = false;
	struct opts o;
	int c, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((c = opts_next(&o, err)) > 0)
		why = true; /* the only own option */
	if (c < 0)
		return c;
	r = describer_init(&d, ctx->root, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = device_resolve(ctx->root, &d.topo, argv[i], true, "show the group of", &only,
				   err);
	if (r < 0)
		return r;
	if (next_group(&d.topo, &(struct device_list)DEVICE_LIST_INIT, -1) < 0)
		return no_groups(ctx, err);
	if (only.count && next_group(&d.topo, &only, -1) < 0)
		return err_plain(err, -ENODEV, "cannot show the group of %s: it is in none",
				 BDF_STR(only.bdfs[0]));
	r = print_groups(ctx, &d, &only, why);
	return r < 0 ? err_set(err, r, "cannot list the groups") : 0;
}

const struct command cmd_groups = {
	.name = "groups",
	.synopsis = "[--why] [DEV…]",
	.summary = "which devices the IOMMU can tell apart",
	.help = "Lists the IOMMU groups (of these devices). The members of a group go to one guest\n"
		"together: a group is viable, that is a guest may have it, when each of its\n"
		"endpoints is bound to a VFIO driver, to pci-stub or to none.\n"
		"\n"
		"  -w, --why           the first bridge, port or function that merges a group, and\n"
		"                      in which slot a card would be alone",
	.takes = TAKES_JSON,
	.run = run,
};
