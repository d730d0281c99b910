// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An error is recovered from below the port that it came up through, by asking the driver of
 * every function there (drivers/pci/pcie/err.c, pcie_do_recovery()). Which port that was is
 * not told afterwards; what is behind the nearest bridge was among them in any case.
 */
#include "vfio/pci_recovery.h"

#include <errno.h>
#include <stdbool.h>

#include <linux/pci_regs.h>

#include "base/hostfs.h"
#include "vfio/pci_function.h"
#include "vfio/pci_path.h"

#define MAX_DEPTH 16

struct search {
	int root;
	struct bdf bridge, found;
	bool any;
};

/* The bridge right above it. 0; -ENOENT: none. */
static int bridge_above(int root, struct bdf bdf, struct bdf *ret)
{
	struct bdf above[MAX_DEPTH];
	int n = pci_path_parents(root, bdf, above, MAX_DEPTH);

	if (n <= 0)
		return n < 0 ? n : -ENOENT;
	*ret = above[n - 1];
	return 0;
}

static bool is_below(const struct search *s, struct bdf bdf)
{
	struct bdf above[MAX_DEPTH];
	int n = pci_path_parents(s->root, bdf, above, MAX_DEPTH);

	for (int i = 0; i < n; i++)
		if (bdf_eq(above[i], s->bridge))
			return true;
	return false;
}

/* The kernel forgives a bridge for having no driver. */
static int look_at(const char *name, void *opaque)
{
	struct search *s = opaque;
	struct pci_function dev;
	struct bdf bdf;

	if (bdf_parse(name, &bdf) < 0 || pci_function_read_binding(s->root, bdf, &dev) < 0 ||
	    dev.driver[0] || !is_below(s, bdf) ||
	    pci_function_read_unlocked(s->root, bdf, &dev) < 0 ||
	    dev.header_type == PCI_HEADER_TYPE_BRIDGE)
		return 0;
	if (!s->any || bdf_cmp(bdf, s->found) < 0)
		s->found = bdf;
	s->any = true;
	return 0;
}

int pci_recovery_blocker(int root, struct bdf bdf, struct bdf *ret)
{
	struct search s = { .root = root };
	int r = bridge_above(root, bdf, &s.bridge);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = hostfs_list(root, look_at, &s, "sys/bus/pci/devices");
	if (r < 0)
		return r;
	if (s.any)
		*ret = s.found;
	return s.any;
}
