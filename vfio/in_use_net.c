// SPDX-License-Identifier: GPL-2.0-or-later
/* Network interfaces of a function: ports of a bridge or bond, and who has routes through them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "vfio/in_use_internal.h"

#define UPPER_MAX 8 /* vlan on bond on macvlan …: deeper than anybody builds */

struct find {
	const struct in_use_host *host;
	struct in_use *ret;
	unsigned depth;
};

/* The first words of a line of proc/net/route: interface, destination in hex. */
static void check_routes4(struct find *f, const char *name)
{
	for (const char *line = f->host->routes; line; line = strchr(line, '\n')) {
		char iface[32];
		uint32_t dest;

		line += *line == '\n';
		if (sscanf(line, "%31s %" SCNx32, iface, &dest) != 2 || strcmp(iface, name) != 0)
			continue;
		in_use_add(f->ret, IN_USE_ROUTE,
			   dest ? "%s has an address or route" : "%s has the default route", name);
	}
}

/* Ten words per line, the destination first, the interface last; link-local ones are always there. */
static void check_routes6(struct find *f, const char *name)
{
	for (const char *line = f->host->routes6; line; line = strchr(line, '\n')) {
		char dest[40], iface[32];
		unsigned plen;

		line += *line == '\n';
		if (sscanf(line, "%39s %x %*s %*s %*s %*s %*s %*s %*s %31s", dest, &plen, iface) != 3 ||
		    strcmp(iface, name) != 0 || strncmp(dest, "fe80", 4) == 0 ||
		    strncmp(dest, "ff", 2) == 0)
			continue;
		in_use_add(f->ret, IN_USE_ROUTE,
			   plen ? "%s has an address or route" : "%s has the default route", name);
	}
}

static void check_master(struct find *f, const char *name)
{
	char master[32];

	if (hostfs_link_name(f->host->root, master, sizeof(master), "sys/class/net/%s/master",
			     name) < 0)
		return;
	if (hostfs_exists(f->host->root, "sys/class/net/%s/bonding", master))
		in_use_add(f->ret, IN_USE_BOND, "%s is part of the bond %s", name, master);
	else /* a bridge, or Open vSwitch and team, which mean the same to their users */
		in_use_add(f->ret, IN_USE_BRIDGE, "%s is a port of %s", name, master);
}

static void check_interface(struct find *f, const char *name);

static int check_upper(const char *name, void *opaque)
{
	if (strncmp(name, "upper_", 6) == 0)
		check_interface(opaque, name + 6);
	return 0;
}

static void check_interface(struct find *f, const char *name)
{
	if (f->depth >= UPPER_MAX)
		return;
	check_routes4(f, name);
	check_routes6(f, name);
	check_master(f, name);
	f->depth++;
	hostfs_list(f->host->root, check_upper, f, "sys/class/net/%s", name);
	f->depth--;
}

void in_use_find_net(const struct in_use_host *host, const struct pci_function *dev,
		     struct in_use *ret)
{
	for (unsigned i = 0; i < dev->netdev_count; i++) {
		struct find f = { host, ret, 0 };

		check_interface(&f, dev->netdevs[i]);
	}
}
