// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/failover_uplink.h"

#include <string.h>

#include "base/hostfs.h"

/* A bridge over a VLAN over a bond over the card: more is a mistake, or a circle. */
#define DEPTH_MAX 6

struct search {
	int root;
	const char *pf;
	unsigned depth;
};

static int look_at(const struct search *s, const char *netdev);

/* "lower_eth0" among what a netdev's directory holds. */
static int look_at_lower(const char *name, void *opaque)
{
	const struct search *s = opaque;

	return strncmp(name, "lower_", 6) == 0 ? look_at(s, name + 6) : 0;
}

static int look_at(const struct search *s, const char *netdev)
{
	struct search next = { s->root, s->pf, s->depth + 1 };
	char physfn[64];

	if (hostfs_exists(s->root, "sys/bus/pci/devices/%s/net/%s", s->pf, netdev))
		return 1;
	/* One of its VFs is at the same switch. */
	if (hostfs_link_name(s->root, physfn, sizeof(physfn), "sys/class/net/%s/device/physfn", netdev) > 0 &&
	    strcmp(physfn, s->pf) == 0)
		return 1;
	if (next.depth > DEPTH_MAX)
		return 0;
	return hostfs_list(s->root, look_at_lower, &next, "sys/class/net/%s", netdev) == 1;
}

/* A tap that is there is a port of a bridge, or of none; what a bridge is a part of is no uplink (a VRF). */
static const char *bridge_of(int root, const char *netdev, char *buf, size_t size)
{
	const char *slash;

	if (hostfs_exists(root, "sys/class/net/%s/bridge", netdev) || hostfs_readlink(root, buf, size, "sys/class/net/%s/master", netdev) < 0)
		return netdev;
	slash = strrchr(buf, '/');
	return slash ? slash + 1 : buf;
}

bool failover_uplink_is(int root, const char *standby, struct bdf pf)
{
	char bdf[BDF_STRLEN], master[HOSTFS_PATH_MAX];
	struct search s = { .root = root, .pf = bdf_str(pf, bdf) };

	return standby[0] && look_at(&s, bridge_of(root, standby, master, sizeof(master))) == 1;
}
