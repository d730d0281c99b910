// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/describe.h"
#include "tools/opts.h"
#include "tools/out.h"

static const char *const titles[] = { "DEVICE", "DRIVER", "GROUP", "NODE",  "ROLE",    "NETDEV",
				      "LINK",	"RESET",  "POWER", "USED BY", "NAME", NULL };

static char *number(int v, char *buf, size_t size)
{
	buf[0] = '\0';
	if (v >= 0)
		snprintf(buf, size, "%d", v);
	return buf;
}

/*
 * "PF 2/7", "eth0/vf3" or, of a PF without interface, "01:00.0/vf3": a name of the VF;
 * "eth0/vf?" when it has lost its own.
 */
static char *role(struct describer *d, const struct pci_function *dev, char *buf, size_t size)
{
	const struct pci_function *pf = dev->is_vf ? topo_find(&d->topo, dev->pf) : NULL;
	const char *address = BDF_STR(dev->pf);
	char index[16] = "?";

	buf[0] = '\0';
	if (dev->total_vfs)
		snprintf(buf, size, "PF %u/%u", dev->num_vfs, dev->total_vfs);
	if (dev->is_vf && dev->vf_index >= 0)
		number(dev->vf_index, index, sizeof(index));
	if (dev->is_vf)
		snprintf(buf, size, "%s/vf%s",
			 pf && pf->netdev_count ? pf->netdevs[0]
						: address + (dev->pf.domain ? 0 : 5),
			 index);
	return buf;
}

/* "16GT x4", "8GT x4/8" when it could be wider. */
static char *link_text(const struct pci_link *l, char *buf, size_t size)
{
	int n = 0;

	buf[0] = '\0';
	if (l->width)
		n = snprintf(buf, size, "%u%sGT x%u", l->mts / 1000, l->mts % 1000 ? ".5" : "",
			     l->width);
	if (l->width && l->width < l->max_width)
		snprintf(buf + n, size - (size_t)n, "/%u", l->max_width);
	return buf;
}

static int add_row(struct table *t, struct describer *d, const struct pci_function *dev)
{
	char name[160], rel[64], group[16], node[16], netdev[72], users[192], link[32], reset[24];
	const char *cells[] = {
		BDF_STR(dev->bdf),
		dev->driver,
		number(dev->group, group, sizeof(group)),
		number(dev->numa_node, node, sizeof(node)),
		role(d, dev, rel, sizeof(rel)),
		describe_netdev(d, dev, netdev, sizeof(netdev)),
		link_text(&dev->link, link, sizeof(link)),
		reset,
		strcmp(dev->power_state, "unknown") ? dev->power_state : "",
		describe_users(d, dev, users, sizeof(users)),
		describe_name(d, dev, name, sizeof(name)),
	};

	/* What the kernel would try first. */
	snprintf(reset, sizeof(reset), "%.*s", (int)strcspn(dev->reset_methods, " "),
		 dev->reset_methods);
	return table_row(t, cells);
}

static int print_table(struct ctx *ctx, struct describer *d, bool all)
{
	struct table *t = table_new(titles);
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < d->topo.count; i++) {
		if (all || pci_function_is_assignable(&d->topo.devs[i]))
			r = add_row(t, d, &d->topo.devs[i]);
	}
	if (r == 0)
		table_print(t, ctx->out);
	table_free(t);
	return r;
}

static int print_json(struct ctx *ctx, struct describer *d, bool all)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->topo.count; i++) {
		if (all || pci_function_is_assignable(&d->topo.devs[i]))
			json_array_append_new(list, describe_json(d, &d->topo.devs[i]));
	}
	return out_json(ctx->out, "thruway.list/1", "devices", list);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	static const struct option own[] = { { "all", no_argument, NULL, 'a' }, { 0 } };
	_cleanup_(describer_fini) struct describer d = { 0 };
	bool all = false;
	struct opts o;
	int c, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((c = opts_next(&o, err)) > 0)
		all = true; /* the only own option */
	if (c < 0)
		return c;
	r = opts_operands(&o, 0, 0, "", err);
	if (r == 0)
		r = describer_init(&d, ctx->root, err);
	if (r < 0)
		return r;
	r = (ctx->json ? print_json : print_table)(ctx, &d, all);
	return r < 0 ? err_set(err, r, "cannot list the devices") : 0;
}

const struct command cmd_list = {
	.name = "list",
	.synopsis = "[-a]",
	.summary = "the devices that can be passed to guests",
	.help = "Lists the PCI endpoints of this host: the driver they are bound to, IOMMU group,\n"
		"NUMA node, PF with its VFs or VF with its name, network interface, link (8GT x4/8:\n"
		"it could have 8 lanes), the reset the kernel would do, power state, and who of\n"
		"this host uses them (other users' processes are seen by root only).\n"
		"\n"
		"  -a, --all           bridges too",
	.takes = TAKES_JSON,
	.run = run,
};
