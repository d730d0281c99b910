// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/journal.h"
#include "base/size.h"
#include "host/change.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/describe.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "vfio/pci_path.h"

#define PARENTS_MAX 16

/* The kernel's IORESOURCE_* that a BAR's flags hold. */
#define RES_IO	     0x00000100
#define RES_PREFETCH 0x00002000
#define RES_64BIT    0x00100000

static void print(FILE *out, const char *what, const char *value)
{
	if (*value)
		fprintf(out, "  %-14s %s\n", what, value);
}

static void print_group(FILE *out, struct describer *d, const struct pci_dev *dev)
{
	const struct pci_dev *other = NULL;

	if (dev->group < 0) {
		print(out, "group", "none");
		return;
	}
	fprintf(out, "  %-14s %d, %s\n", "group", dev->group,
		topo_group_viable(&d->topo, dev->group) ? "viable" : "not viable");
	while ((other = topo_group_next(&d->topo, dev->group, other))) {
		if (other != dev && pci_dev_is_endpoint(other))
			fprintf(out, "  %-14s %s (%s)\n", "shared with", BDF_STR(other->bdf),
				other->driver[0] ? other->driver : "no driver");
	}
}

static const char *bar_kind(const struct pci_bar *b)
{
	if (b->flags & RES_IO)
		return "I/O";
	if (b->flags & RES_64BIT)
		return b->flags & RES_PREFETCH ? "64-bit prefetchable" : "64-bit";
	return b->flags & RES_PREFETCH ? "32-bit prefetchable" : "32-bit";
}

static void print_bars(FILE *out, const struct pci_dev *dev)
{
	for (unsigned i = 0; i < PCI_DEV_BARS; i++) {
		const struct pci_bar *b = &dev->bars[i];
		char name[16];

		if (!b->size)
			continue;
		snprintf(name, sizeof(name), i < 6 ? "BAR %u" : "ROM", i);
		fprintf(out, "  %-14s %s, %s\n", name, SIZE_STR(b->size), bar_kind(b));
	}
}

static void print_path(FILE *out, struct describer *d, const struct pci_dev *dev)
{
	struct bdf parents[PARENTS_MAX];
	int n = pci_path_parents(d->root, dev->bdf, parents, PARENTS_MAX);

	if (n <= 0)
		return;
	fprintf(out, "  %-14s", "behind");
	for (int i = 0; i < n; i++)
		fprintf(out, " %s", BDF_STR(parents[i]));
	fputc('\n', out);
}

struct changes {
	FILE *out;
	const char *dev;
};

static int print_change(const struct step *step, void *opaque)
{
	struct changes *c = opaque;

	if (strcmp(step->dev, c->dev) == 0)
		fprintf(c->out, "  %-14s %s%s%s: '%s' became '%s'\n", "changed", step->op,
			step->key[0] ? " " : "", step->key, step->before, step->after);
	return 0;
}

static void print_users(FILE *out, struct describer *d, const struct pci_dev *dev)
{
	struct in_use used;

	in_use_find(d->host, dev, &used);
	for (unsigned i = 0; i < used.count; i++)
		fprintf(out, "  %-14s %s (%s)\n", "used", used.items[i].what,
			in_use_word(used.items[i].reason));
}

static void print_device(FILE *out, struct describer *d, const struct pci_dev *dev)
{
	struct changes changes = { out, BDF_STR(dev->bdf) };
	char text[160];

	fprintf(out, "%s\n", changes.dev);
	print(out, "name", describe_name(d, dev, text, sizeof(text)));
	print(out, "class", names_class(d->names, dev->class, text, sizeof(text)));
	fprintf(out, "  %-14s %04x:%04x, revision %02x\n", "subsystem", dev->sub_vendor,
		dev->sub_device, dev->revision);
	print(out, "driver", dev->driver[0] ? dev->driver : "none");
	print(out, "override", dev->override);
	if (dev->busy)
		print(out, "busy", "the kernel is at work on it, or hangs: what needs its lock is left out");
	print_group(out, d, dev);
	if (dev->numa_node >= 0)
		fprintf(out, "  %-14s %d\n", "NUMA node", dev->numa_node);
	print(out, "SR-IOV", describe_relation(dev, text, sizeof(text)));
	print(out, "netdev", describe_netdev(d, dev, text, sizeof(text)));
	print(out, "reset", dev->reset_methods[0] ? dev->reset_methods : "none");
	print(out, "power", dev->power_state);
	print_bars(out, dev);
	if (dev->msix_vectors >= 0)
		fprintf(out, "  %-14s %d\n", "MSI-X vectors", dev->msix_vectors);
	print_path(out, d, dev);
	print_users(out, d, dev);
	journal_each(d->root, print_change, &changes);
}

struct json_changes {
	json_t *list;
	const char *dev;
};

static int add_change(const struct step *step, void *opaque)
{
	struct json_changes *c = opaque;

	if (strcmp(step->dev, c->dev) == 0)
		json_array_append_new(c->list,
				      json_pack("{s:s, s:s, s:s, s:s}", "what", step->op, "key",
						step->key, "before", step->before, "after",
						step->after));
	return 0;
}

static json_t *bars_json(const struct pci_dev *dev)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < PCI_DEV_BARS; i++) {
		if (dev->bars[i].size)
			json_array_append_new(
				list, json_pack("{s:i, s:I, s:s}", "index", (int)i, "size",
						(json_int_t)dev->bars[i].size, "kind",
						i < 6 ? bar_kind(&dev->bars[i]) : "ROM"));
	}
	return list;
}

static json_t *device_json(struct describer *d, const struct pci_dev *dev)
{
	json_t *o = describe_json(d, dev), *parents = json_array();
	struct json_changes changes = { json_array(), BDF_STR(dev->bdf) };
	struct bdf path[PARENTS_MAX];
	int n = pci_path_parents(d->root, dev->bdf, path, PARENTS_MAX);

	for (int i = 0; i < n; i++)
		json_array_append_new(parents, json_string(BDF_STR(path[i])));
	json_object_set_new(o, "behind", parents);
	journal_each(d->root, add_change, &changes);
	json_object_set_new(o, "changes", changes.list);
	json_object_set_new(o, "bars", bars_json(dev));
	json_object_set_new(o, "msix_vectors",
			    dev->msix_vectors >= 0 ? json_integer(dev->msix_vectors) : json_null());
	json_object_set_new(o, "reset_methods", out_json_text(dev->reset_methods));
	json_object_set_new(o, "power_state", out_json_text(dev->power_state));
	json_object_set_new(o, "group_viable",
			    dev->group < 0 ? json_null()
					   : json_boolean(topo_group_viable(&d->topo, dev->group)));
	return o;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(describer_fini) struct describer d = { 0 };
	json_t *devices;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, argc, "DEV", err);
	if (r == 0)
		r = describer_init(&d, ctx->root, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = device_resolve(ctx->root, &d.topo, argv[i], true, "show", &list, err);
	if (r < 0)
		return r;
	if (!ctx->json) {
		for (size_t i = 0; i < list.count; i++)
			print_device(ctx->out, &d, topo_find(&d.topo, list.bdfs[i]));
		return 0;
	}
	devices = json_array();
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(devices, device_json(&d, topo_find(&d.topo, list.bdfs[i])));
	r = out_json(ctx->out, "thruway.show/1", "devices", devices);
	return r < 0 ? err_set(err, r, "cannot show the devices") : 0;
}

const struct command cmd_show = {
	.name = "show",
	.synopsis = "DEV…",
	.summary = "everything about a device",
	.help = "Shows what a device is, who drives and uses it, who shares its IOMMU group, its\n"
		"BARs, interrupts, reset methods and place, and what thruway changed about it.",
	.takes = TAKES_JSON,
	.run = run,
};
