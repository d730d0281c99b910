// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "vfio/names.h"
#include "vfio/topology.h"

static const char *const titles[] = { "DEVICE", "NAME", "DRIVER", "GROUP", "NODE", "RELATION",
				      "NETDEV", NULL };

/* "VF 3 of 0000:3b:00.0", "PF, 2 of 7 VFs", "". */
static char *relation(const struct pci_dev *d, char *buf, size_t size)
{
	buf[0] = '\0';
	if (d->is_vf)
		snprintf(buf, size, "VF %u of %s", d->vf_index, BDF_STR(d->pf));
	else if (d->total_vfs)
		snprintf(buf, size, "PF, %u of %u VFs", d->num_vfs, d->total_vfs);
	return buf;
}

static char *number(int v, char *buf, size_t size)
{
	buf[0] = '\0';
	if (v >= 0)
		snprintf(buf, size, "%d", v);
	return buf;
}

static int add_row(struct table *t, struct names *names, const struct pci_dev *d)
{
	char name[128], ids[160], rel[64], group[16], node[16];
	const char *cells[] = {
		BDF_STR(d->bdf),
		ids,
		d->driver,
		number(d->group, group, sizeof(group)),
		number(d->numa_node, node, sizeof(node)),
		relation(d, rel, sizeof(rel)),
		d->netdevs[0],
	};

	names_device(names, d->vendor, d->device, name, sizeof(name));
	snprintf(ids, sizeof(ids), "%04x:%04x %s", d->vendor, d->device, name);
	return table_row(t, cells);
}

static int print_table(struct ctx *ctx, const struct topo *topo, struct names *names, bool all)
{
	struct table *t = table_new(titles);
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < topo->count; i++) {
		if (all || pci_dev_is_endpoint(&topo->devs[i]))
			r = add_row(t, names, &topo->devs[i]);
	}
	if (r == 0)
		table_print(t, ctx->out);
	table_free(t);
	return r;
}

static json_t *describe(struct names *names, const struct pci_dev *d)
{
	char name[128];
	json_t *o = json_pack(
		"{s:s, s:i, s:i, s:s, s:o, s:o, s:o, s:o}", "device", BDF_STR(d->bdf), "vendor_id",
		d->vendor, "device_id", d->device, "name",
		names_device(names, d->vendor, d->device, name, sizeof(name)), "driver",
		out_json_text(d->driver), "group",
		d->group >= 0 ? json_integer(d->group) : json_null(), "numa_node",
		d->numa_node >= 0 ? json_integer(d->numa_node) : json_null(), "netdev",
		out_json_text(d->netdevs[0]));

	if (o && d->is_vf)
		json_object_set_new(o, "vf",
				    json_pack("{s:s, s:i}", "pf", BDF_STR(d->pf), "index",
					      (int)d->vf_index));
	if (o && d->total_vfs)
		json_object_set_new(o, "pf",
				    json_pack("{s:i, s:i}", "total_vfs", (int)d->total_vfs,
					      "num_vfs", (int)d->num_vfs));
	return o;
}

static int print_json(struct ctx *ctx, const struct topo *topo, struct names *names, bool all)
{
	json_t *list = json_array();

	for (size_t i = 0; i < topo->count; i++) {
		if (all || pci_dev_is_endpoint(&topo->devs[i]))
			json_array_append_new(list, describe(names, &topo->devs[i]));
	}
	return out_json(ctx->out, "thruway.list/1", "devices", list);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	static const struct option own[] = { { "all", no_argument, NULL, 'a' }, { 0 } };
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	struct names *names;
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
		r = topo_scan(ctx->root, &topo, err);
	if (r < 0)
		return r;
	names = names_open();
	r = !names ? -ENOMEM
		   : (ctx->json ? print_json : print_table)(ctx, &topo, names, all);
	names_close(names);
	return r < 0 ? err_set(err, r, "cannot list the devices") : 0;
}

const struct command cmd_list = {
	.name = "list",
	.synopsis = "[-a]",
	.summary = "the devices that can be passed to guests",
	.help = "Lists the PCI endpoints of this host: what they are, the driver they are bound\n"
		"to, their IOMMU group and NUMA node, and how PFs and VFs belong together.\n"
		"\n"
		"  -a, --all           bridges too",
	.takes = TAKES_JSON,
	.run = run,
};
