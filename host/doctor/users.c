// SPDX-License-Identifier: GPL-2.0-or-later
/* Who else has a device that is meant for a guest: host drivers in its group, the host itself. */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"

/* What the host cannot do without; the other reasons are other rules'. */
#define CRITICAL                                                                                   \
	(1u << IN_USE_MOUNTED | 1u << IN_USE_SWAP | 1u << IN_USE_RAID | 1u << IN_USE_LVM |         \
	 1u << IN_USE_ZFS | 1u << IN_USE_ROUTE | 1u << IN_USE_BRIDGE | 1u << IN_USE_BOND |         \
	 1u << IN_USE_CONSOLE | 1u << IN_USE_KEYBOARD | 1u << IN_USE_VENDOR_VFIO)

/* Where such a fact stands, and how one takes the device out of that use. */
static const struct {
	const char *file, *fix;
} uses[IN_USE_REASONS] = {
	[IN_USE_MOUNTED] = { "proc/self/mountinfo", "unmount it" },
	[IN_USE_SWAP] = { "proc/swaps", "swapoff it" },
	[IN_USE_RAID] = { "sys/class/block", "take its disks out of the array" },
	[IN_USE_LVM] = { "sys/class/block", "move its volumes (pvmove) and deactivate them" },
	[IN_USE_ZFS] = { "proc/self/mountinfo", "zpool export it" },
	[IN_USE_ROUTE] = { "proc/net/route", "move its addresses and routes to another interface" },
	[IN_USE_BRIDGE] = { "sys/class/net", "ip link set its interface nomaster" },
	[IN_USE_BOND] = { "sys/class/net", "ip link set its interface nomaster" },
	[IN_USE_CONSOLE] = { "sys/class/tty/console/active", "give this host another console" },
	[IN_USE_KEYBOARD] = { "sys/class/input", "give this host another keyboard" },
	[IN_USE_VENDOR_VFIO] = { "sys/bus/pci/devices",
				 "leave it to its driver, which speaks VFIO itself" },
};

/* Only the host's own drivers make a function of the group an obstacle. */
static bool is_obstacle(const struct check *c, const struct pci_function *other)
{
	return !bdf_eq(other->bdf, c->dev->bdf) && !pci_function_leaves_group_viable(other);
}

void rule_grp_not_viable(struct check *c)
{
	const struct pci_function *other = NULL, *first = NULL;
	unsigned n = 0, critical = 0;

	if (c->dev->group < 0 || !c->wanted) {
		check_skip(c);
		return;
	}
	while ((other = topo_group_next(c->d->req->topo, c->dev->group, other))) {
		struct in_use u;

		if (!is_obstacle(c, other))
			continue;
		first = first ? first : other;
		n++;
		check_evidence(c, other->driver, "sys/bus/pci/devices/%s/driver",
			       BDF_STR(other->bdf));
		in_use_find(c->d->req->users, other, &u);
		critical += (u.mask & CRITICAL) != 0;
	}
	if (!n)
		return;
	check_say(c, DOCTOR_FAIL, "its IOMMU group %d also holds %s (%s)%s", c->dev->group,
		  BDF_STR(first->bdf), first->driver, n > 1 ? " and others" : "");
	if (critical)
		check_fix(c, "this host needs the other function: move one of the two cards to a "
			     "slot with a group of its own");
	else
		check_fix(c, "thruway bind --group %s", c->bdf);
}

/* A container's interface is told by the directory that looks empty from here. */
static void tell_where(struct check *c, const struct pci_function *dev, enum in_use_reason reason,
		       const char *what)
{
	if (reason == IN_USE_ROUTE && !dev->netdev_count)
		check_evidence(c, what, "sys/bus/pci/devices/%s/net", BDF_STR(dev->bdf));
	else
		check_evidence(c, what, "%s", uses[reason].file);
}

/* The host's uses of one function, as failures of this check. Returns their reasons. */
static unsigned tell_uses(struct check *c, const struct pci_function *dev)
{
	struct in_use u;

	in_use_find(c->d->req->users, dev, &u);
	for (unsigned i = 0; i < u.count; i++) {
		enum in_use_reason reason = u.items[i].reason;

		if (!(CRITICAL & 1u << reason))
			continue;
		tell_where(c, dev, reason, u.items[i].what);
		check_say(c, DOCTOR_FAIL, "this host needs it: %s", u.items[i].what);
		check_fix(
			c,
			"%s first; or, if this host can do without it: thruway bind --force=%s %s",
			uses[reason].fix, in_use_word(reason), BDF_STR(dev->bdf));
	}
	return u.mask & CRITICAL;
}

void rule_host_critical(struct check *c)
{
	/* What a VFIO driver has the host has lost already. */
	if (!c->wanted || pci_function_driver_is_vfio(c->dev->driver)) {
		check_skip(c);
		return;
	}
	tell_uses(c, c->dev);
}
