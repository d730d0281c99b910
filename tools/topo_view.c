// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/topo_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

/* Base classes of what a chipset is made of. */
enum { CLASS_MEMORY = 0x05, CLASS_BRIDGE = 0x06, CLASS_SYSTEM = 0x08, CLASS_SIGNAL = 0x11 };

/* Nothing that anybody would pass on or look for: host bridges, counters, the LPC bridge. */
static bool is_furniture(const struct topo_view *v, int i)
{
	const struct pci_function *d = topo_view_dev(v, i);
	unsigned base = d->class >> 16;

	if (!pci_function_is_endpoint(d))
		return v->acs.tree.nodes[i].first_child == PCI_TREE_NONE &&
		       v->acs.functions[i].known && !v->acs.functions[i].has_slot;
	if (v->acs.tree.nodes[i].parent != PCI_TREE_NONE)
		return false;
	return base == CLASS_BRIDGE || (!d->driver[0] && (base == CLASS_MEMORY ||
							  base == CLASS_SYSTEM ||
							  base == CLASS_SIGNAL));
}

static int choose(struct topo_view *v, bool all)
{
	size_t count = v->d->topo.count;

	v->shown = calloc(count + 1, sizeof(*v->shown));
	if (!v->shown)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		v->shown[i] = all || !is_furniture(v, (int)i);
	return 0;
}

int topo_view_first(const struct topo_view *v, unsigned root, int i)
{
	const struct pci_tree *t = &v->acs.tree;
	int at = i == PCI_TREE_NONE ? t->roots[root].first_child : t->nodes[i].first_child;

	while (at != PCI_TREE_NONE && !v->shown[at])
		at = t->nodes[at].next;
	return at;
}

int topo_view_next(const struct topo_view *v, int i)
{
	do
		i = v->acs.tree.nodes[i].next;
	while (i != PCI_TREE_NONE && !v->shown[i]);
	return i;
}

bool topo_view_holds(const struct topo_view *v, int i)
{
	int below = v->acs.tree.nodes[i].first_child;

	return !pci_function_is_endpoint(topo_view_dev(v, i)) ||
	       (below != PCI_TREE_NONE && !topo_view_dev(v, below)->is_vf);
}

bool topo_view_in_lane(const struct topo_view *v, unsigned root, const struct topo_lane *lane)
{
	return v->acs.tree.roots[root].numa_node == lane->numa_node &&
	       topo_view_first(v, root, PCI_TREE_NONE) != PCI_TREE_NONE;
}

/* By node; what belongs to none last. */
static int compare_lanes(const void *a, const void *b)
{
	unsigned x = (unsigned)((const struct topo_lane *)a)->numa_node;
	unsigned y = (unsigned)((const struct topo_lane *)b)->numa_node;

	return x < y ? -1 : x > y;
}

static int find_lanes(struct topo_view *v)
{
	const struct pci_tree *t = &v->acs.tree;

	v->lanes = calloc(t->root_count + 1, sizeof(*v->lanes));
	if (!v->lanes)
		return -ENOMEM;
	for (unsigned r = 0; r < t->root_count; r++) {
		unsigned i = 0;

		if (topo_view_first(v, r, PCI_TREE_NONE) == PCI_TREE_NONE)
			continue;
		while (i < v->lane_count && v->lanes[i].numa_node != t->roots[r].numa_node)
			i++;
		v->lanes[i].numa_node = t->roots[r].numa_node;
		v->lanes[i].roots++;
		v->lane_count += i == v->lane_count;
	}
	qsort(v->lanes, v->lane_count, sizeof(*v->lanes), compare_lanes);
	return 0;
}

int topo_view_driver(const struct topo_view *v, const char *driver)
{
	for (unsigned i = 0; i < v->driver_count; i++) {
		if (v->drivers[i] && strcmp(v->drivers[i], driver) == 0)
			return (int)i;
	}
	return -1;
}

int topo_view_group(const struct topo_view *v, int group)
{
	for (unsigned i = 0; i < v->group_count; i++) {
		if (v->groups[i] == group)
			return (int)i;
	}
	return -1;
}

static bool shares_group(const struct topo *topo, const struct pci_function *d)
{
	const struct pci_function *first = topo_group_next(topo, d->group, NULL);

	return d->group >= 0 && (first != d || topo_group_next(topo, d->group, d));
}

static int collect(struct topo_view *v)
{
	const struct topo *topo = &v->d->topo;

	v->drivers = calloc(topo->count + 1, sizeof(*v->drivers));
	v->groups = calloc(topo->count + 1, sizeof(*v->groups));
	if (!v->drivers || !v->groups)
		return -ENOMEM;
	for (size_t i = 0; i < topo->count; i++) {
		const struct pci_function *d = &topo->devs[i];

		if (!v->shown[i])
			continue;
		if (d->driver[0] && pci_function_is_endpoint(d) &&
		    topo_view_driver(v, d->driver) < 0)
			v->drivers[v->driver_count++] = d->driver;
		if (shares_group(topo, d) && topo_view_group(v, d->group) < 0)
			v->groups[v->group_count++] = d->group;
	}
	return 0;
}

int topo_view_init(struct topo_view *v, struct describer *d, bool all)
{
	int r;

	*v = (struct topo_view){ .d = d };
	r = acs_open(d->root, &d->topo, &v->acs);
	if (r == 0)
		r = choose(v, all);
	if (r == 0)
		r = find_lanes(v);
	return r == 0 ? collect(v) : r;
}

void topo_view_fini(struct topo_view *v)
{
	acs_fini(&v->acs);
	free(v->shown);
	free(v->lanes);
	free(v->drivers);
	free(v->groups);
}

struct topo_run topo_view_run(const struct topo_view *v, int *i)
{
	struct topo_run run = { *i, *i, 0 };
	const struct pci_function *first = topo_view_dev(v, *i);

	do {
		run.last = *i;
		run.count++;
		*i = topo_view_next(v, *i);
	} while (*i != PCI_TREE_NONE && topo_view_dev(v, *i)->is_vf &&
		 strcmp(topo_view_dev(v, *i)->driver, first->driver) == 0 &&
		 topo_view_dev(v, *i)->vf_index == topo_view_dev(v, run.last)->vf_index + 1);
	return run;
}

char *topo_view_lane_name(const struct topo_lane *lane, char *buf, size_t size)
{
	if (lane->numa_node < 0)
		snprintf(buf, size, "no NUMA node");
	else
		snprintf(buf, size, "NUMA node %d", lane->numa_node);
	return buf;
}

char *topo_view_address(struct bdf bdf, char *buf, size_t size)
{
	const char *full = BDF_STR(bdf);

	snprintf(buf, size, "%s", full + (bdf.domain ? 0 : 5));
	return buf;
}

static const char *bridge_kind(const struct acs_function *f)
{
	if (!f->known)
		return "bridge";
	if (!f->express)
		return "PCI bridge";
	switch (f->type) {
	case PCI_EXP_TYPE_ROOT_PORT: return "port";
	case PCI_EXP_TYPE_UPSTREAM: return "switch";
	case PCI_EXP_TYPE_DOWNSTREAM: return "switch port";
	case PCI_EXP_TYPE_PCI_BRIDGE: return "bridge to PCI";
	case PCI_EXP_TYPE_PCIE_BRIDGE: return "bridge from PCI";
	}
	return "bridge";
}

char *topo_view_bridge(const struct topo_view *v, int i, char *buf, size_t size)
{
	const struct acs_function *f = &v->acs.functions[i];
	bool empty = v->acs.tree.nodes[i].first_child == PCI_TREE_NONE;
	const struct pci_function *d = topo_view_dev(v, i);

	if (pci_function_is_endpoint(d))
		return names_model(v->d->names, d->vendor, d->device, buf, size);
	if (f->has_slot && f->slot)
		snprintf(buf, size, "%s, slot %u%s", bridge_kind(f), f->slot,
			 empty ? " empty" : "");
	else
		snprintf(buf, size, "%s%s", bridge_kind(f), empty ? ", empty" : "");
	return buf;
}

char *topo_view_node(const struct topo_view *v, int i, char *buf, size_t size)
{
	const struct pci_function *d = topo_view_dev(v, i);

	describe_netdev(v->d, d, buf, size);
	if (!buf[0] && d->nvme_count)
		snprintf(buf, size, "%s", d->nvmes[0]);
	return buf;
}

const struct pci_link *topo_view_link(const struct topo_view *v, int i)
{
	const struct pci_function *d = topo_view_dev(v, i);
	const struct acs_function *f = &v->acs.functions[i];

	/* Of what is no port with a link below it, the link is that of the port above. */
	if (!pci_function_is_endpoint(d) && f->known &&
	    !(f->express &&
	      (f->type == PCI_EXP_TYPE_ROOT_PORT || f->type == PCI_EXP_TYPE_DOWNSTREAM)))
		return NULL;
	return d->link.width && !d->is_vf ? &d->link : NULL;
}
