// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/acs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/pci_config.h"

/* The kernel's REQ_ACS_FLAGS. */
#define ACS_REQUIRED (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

static void read_function(int root, const struct pci_function *d, struct acs_function *ret)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	unsigned express, acs;

	/* A VF has no header of its own; the kernel takes each for a single function. */
	ret->multifunction = !d->is_vf && d->bdf.fn > 0;
	if (d->busy)
		return;
	pci_config_open(root, d->bdf, &c);
	ret->known = pci_config_whole(&c);
	if (!d->is_vf)
		ret->multifunction |= c.head[PCI_HEADER_TYPE] & 0x80;
	express = pci_config_find(&c, PCI_CAP_ID_EXP, false);
	if (express) {
		uint16_t flags = pci_config_u16(&c, express + PCI_EXP_FLAGS);

		ret->express = true;
		ret->type = (flags & PCI_EXP_FLAGS_TYPE) >> 4;
		ret->has_slot = flags & PCI_EXP_FLAGS_SLOT;
		if (ret->has_slot)
			ret->slot = pci_config_u32(&c, express + PCI_EXP_SLTCAP) >> 19;
	}
	acs = pci_config_find(&c, PCI_EXT_CAP_ID_ACS, true);
	if (acs) {
		ret->has_acs = true;
		ret->cap = pci_config_u16(&c, acs + PCI_ACS_CAP);
		ret->ctrl = pci_config_u16(&c, acs + PCI_ACS_CTRL);
	}
}

int acs_open(int root, const struct topo *topo, struct acs *ret)
{
	char cmdline[4096];
	int r;

	*ret = (struct acs)ACS_INIT;
	ret->functions = calloc(topo->count + 1, sizeof(*ret->functions));
	r = ret->functions ? pci_tree_build(root, topo, &ret->tree) : -ENOMEM;
	if (r < 0)
		return r;
	for (size_t i = 0; i < topo->count; i++)
		read_function(root, &topo->devs[i], &ret->functions[i]);
	ret->override = hostfs_read(root, cmdline, sizeof(cmdline), "proc/cmdline") > 0 &&
			strstr(cmdline, "pcie_acs_override=");
	return 0;
}

void acs_fini(struct acs *acs)
{
	free(acs->functions);
	pci_tree_fini(&acs->tree);
	acs->functions = NULL;
}

uint16_t acs_missing(const struct acs_function *f)
{
	if (!f->has_acs)
		return ACS_REQUIRED;
	return ACS_REQUIRED & f->cap & (uint16_t)~f->ctrl;
}

bool acs_separates(const struct acs *acs, int i)
{
	const struct acs_function *f = &acs->functions[i];

	if (!f->express)
		return false;
	switch (f->type) {
	case PCI_EXP_TYPE_PCIE_BRIDGE:
	case PCI_EXP_TYPE_PCI_BRIDGE:
	case PCI_EXP_TYPE_RC_EC:
		return false;
	case PCI_EXP_TYPE_DOWNSTREAM:
	case PCI_EXP_TYPE_ROOT_PORT:
		return !acs_missing(f);
	}
	return !f->multifunction || !acs_missing(f);
}

/* Its secondary bus is conventional PCI: what is behind it has no requester id of its own. */
static bool hides_ids(const struct acs *acs, int i)
{
	const struct acs_function *f = &acs->functions[i];

	return f->known && (!f->express || f->type == PCI_EXP_TYPE_PCI_BRIDGE ||
			    f->type == PCI_EXP_TYPE_PCIE_BRIDGE);
}

/* The first from i upwards whose capabilities are hidden; PCI_TREE_NONE when there is none. */
static int first_unseen(const struct acs *acs, int i)
{
	while (i != PCI_TREE_NONE && acs->functions[i].known)
		i = acs->tree.nodes[i].bridge;
	return i;
}

/* The first from i upwards that does not separate. */
static int first_open(const struct acs *acs, int i)
{
	while (i != PCI_TREE_NONE && acs_separates(acs, i))
		i = acs->tree.nodes[i].bridge;
	return i;
}

/*
 * The endpoint that i is behind: a VMD has a domain of its own below it, and the kernel takes it
 * for the one that does the DMA (pci_real_dma_dev()).
 */
static int vmd_above(const struct acs *acs, int i)
{
	do
		i = acs->tree.nodes[i].bridge;
	while (i != PCI_TREE_NONE && !pci_function_is_endpoint(&acs->tree.topo->devs[i]));
	return i;
}

/* Another function of the same slot that does not separate either. */
static int open_neighbour(const struct acs *acs, int i, int group)
{
	const struct topo *topo = acs->tree.topo;
	struct bdf self = topo->devs[i].bdf;

	for (size_t k = 0; k < topo->count; k++) {
		struct bdf at = topo->devs[k].bdf;

		if ((int)k != i && at.domain == self.domain && at.bus == self.bus &&
		    at.dev == self.dev && !topo->devs[k].is_vf && !acs_separates(acs, (int)k) &&
		    (group < 0 || topo->devs[k].group == group))
			return (int)k;
	}
	return PCI_TREE_NONE;
}

/* What merges function i, and with whom: *ret_with is a function its group must hold too. */
static void reason_of(const struct acs *acs, int i, struct acs_reason *ret, int *ret_with)
{
	const struct pci_tree_node *nodes = acs->tree.nodes;
	struct acs_reason r = { .member = i, .at = PCI_TREE_NONE };
	int top = i;

	*ret_with = PCI_TREE_NONE;
	for (int up = nodes[i].bridge; up != PCI_TREE_NONE; up = nodes[up].bridge) {
		if (hides_ids(acs, up))
			top = up;
	}
	if (vmd_above(acs, i) != PCI_TREE_NONE) {
		r.cause = ACS_VMD;
		r.at = *ret_with = vmd_above(acs, i);
	} else if (first_unseen(acs, i) != PCI_TREE_NONE) {
		r.cause = ACS_UNSEEN;
		r.at = first_unseen(acs, i);
	} else if (top != i) {
		r.cause = ACS_BRIDGE;
		r.at = *ret_with = top;
	} else if (first_open(acs, nodes[i].bridge) != PCI_TREE_NONE) {
		r.cause = ACS_PORT;
		r.at = first_open(acs, nodes[i].bridge);
		*ret_with = nodes[i].bridge;
	} else if (acs->functions[i].multifunction && !acs_separates(acs, i) &&
		   open_neighbour(acs, i, -1) != PCI_TREE_NONE) {
		r.cause = ACS_FUNCTIONS;
		r.at = i;
		*ret_with = open_neighbour(acs, i, acs->tree.topo->devs[i].group);
		if (*ret_with == PCI_TREE_NONE)
			*ret_with = open_neighbour(acs, i, -1);
	}
	*ret = r;
}

/* Endpoints tell more than ports, and a reason more than none. */
static bool tells_more(const struct acs *acs, const struct acs_reason *a,
		       const struct acs_reason *b)
{
	const struct pci_function *devs = acs->tree.topo->devs;

	if ((a->cause == ACS_SEPARATE) != (b->cause == ACS_SEPARATE))
		return a->cause != ACS_SEPARATE;
	return pci_function_is_endpoint(&devs[a->member]) &&
	       !pci_function_is_endpoint(&devs[b->member]);
}

void acs_reason(const struct acs *acs, int group, struct acs_reason *ret)
{
	const struct topo *topo = acs->tree.topo;
	struct acs_reason best = { .member = PCI_TREE_NONE, .at = PCI_TREE_NONE }, r;
	int with;

	for (size_t i = 0; i < topo->count; i++) {
		if (topo->devs[i].group != group)
			continue;
		reason_of(acs, (int)i, &r, &with);
		r.split_anyway = with != PCI_TREE_NONE && topo->devs[with].group >= 0 &&
				 topo->devs[with].group != group;
		if (best.member == PCI_TREE_NONE || tells_more(acs, &r, &best))
			best = r;
	}
	*ret = best;
}

struct ranking {
	const struct acs *acs;
	int numa_node;
};

/* Lower is better. */
static int rank(const struct ranking *k, int i)
{
	const struct pci_tree *t = &k->acs->tree;
	int node = t->topo->devs[i].numa_node;

	return (t->nodes[i].first_child != PCI_TREE_NONE ? 2 : 0) +
	       (k->numa_node >= 0 && node >= 0 && node != k->numa_node);
}

static bool is_port(const struct acs_function *f)
{
	return f->express && (f->type == PCI_EXP_TYPE_ROOT_PORT ||
			      f->type == PCI_EXP_TYPE_DOWNSTREAM);
}

unsigned acs_better_slots(const struct acs *acs, const struct acs_reason *reason, int *ret,
			  unsigned max)
{
	const struct topo *topo = acs->tree.topo;
	struct ranking k = { acs, -1 };
	unsigned n = 0;

	/* A conventional card, or functions that reach each other inside the card, stay so. */
	if (reason->cause != ACS_PORT || reason->split_anyway)
		return 0;
	k.numa_node = topo->devs[reason->member].numa_node;
	for (int want = 0; want <= 3; want++) {
		for (size_t i = 0; i < topo->count && n < max; i++) {
			if (is_port(&acs->functions[i]) && acs->functions[i].has_slot &&
			    first_open(acs, (int)i) == PCI_TREE_NONE && rank(&k, (int)i) == want)
				ret[n++] = (int)i;
		}
	}
	return n;
}
