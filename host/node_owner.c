// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/node_owner.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/hostfs.h"
#include "base/journal.h"
#include "vfio/bind_step.h"
#include "vfio/lease.h"
#include "vfio/pci_path.h"

struct search {
	int root;
	const char *dev; /* a member of the group */
	struct node_owner given;
	bool found, leased;
};

/* Newer steps come later, and go before the older ones. */
static int match_step(const struct step *step, void *opaque)
{
	struct search *s = opaque;

	if (strcmp(step->op, owner_step_ops.op) == 0 && strcmp(step->dev, s->dev) == 0)
		s->found = bind_step_parse_owner(step->after, &s->given.uid, &s->given.gid,
						 &s->given.mode) == 0;
	return 0;
}

/* It was given with the device that was at this address then. */
static bool is_same_device(int root, struct bdf bdf)
{
	char then[PCI_IDENTITY_MAX], now[PCI_IDENTITY_MAX];

	return journal_identity(root, BDF_STR(bdf), then, sizeof(then)) == 0 &&
	       pci_path_identity(root, bdf, now, sizeof(now)) == 0 && strcmp(then, now) == 0;
}

static int look_at(const char *name, void *opaque)
{
	struct search *all = opaque, s = { .root = all->root, .dev = name };
	struct lease lease;
	struct bdf bdf;
	int r;

	if (bdf_parse(name, &bdf) < 0)
		return 0;
	if (lease_read(s.root, bdf, &lease) == 0 && lease.node[0]) {
		all->given = (struct node_owner){ lease.uid, lease.gid, 0600 };
		all->found = all->leased = true;
		return 1;
	}
	r = journal_each(s.root, match_step, &s);
	if (r < 0)
		return r;
	if (s.found && is_same_device(s.root, bdf)) {
		all->given = s.given;
		all->found = true;
	}
	return 0; /* another of the group may be leased */
}

int node_owner(int root, unsigned group, struct node_owner *ret, struct err *err)
{
	struct search s = { .root = root };
	int r = hostfs_list(root, look_at, &s, "sys/kernel/iommu_groups/%u/devices", group);

	if (r < 0 && r != -ENOENT)
		return err_set(err, r, "cannot tell whose the node of group %u is", group);
	if (!s.found)
		return err_plain(err, -ENOENT, "the node of group %u was given to nobody", group);
	*ret = s.given;
	return 0;
}
