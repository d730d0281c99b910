// SPDX-License-Identifier: GPL-2.0-or-later
/* Network interfaces of a function: ports of a bridge or bond, and who has routes through them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <net/if.h>
#include <sys/ioctl.h>

#include "base/hostfs.h"
#include "base/ioctl.h"
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

/*
 * proc/net/route has the main table alone: not an address without a network (a /32, or
 * "noprefixroute") and not the routes of other tables, which need one too.
 */
static void check_address4(struct find *f, const char *name)
{
	struct ifreq req = { 0 };
	uint64_t flags;

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (f->ret->mask & 1u << IN_USE_ROUTE || f->host->inet < 0 ||
	    hostfs_read_u64(f->host->root, &flags, "sys/class/net/%s/flags", name) < 0 ||
	    !(flags & IFF_UP) || sys_ioctl(f->host->inet, SIOCGIFADDR, &req) < 0)
		return;
	in_use_add(f->ret, IN_USE_ROUTE, "%s has an address", name);
}

/* A guest's interface: who has dev/tapN is at the other end of it. */
static int check_tap(const char *name, void *opaque)
{
	struct find *f = opaque;
	char path[64];

	snprintf(path, sizeof(path), "dev/%.40s", name);
	in_use_check_node(f->host, path, f->ret);
	return 0;
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
	check_address4(f, name);
	check_master(f, name);
	hostfs_list(f->host->root, check_tap, f, "sys/class/net/%s/macvtap", name);
	f->depth++;
	hostfs_list(f->host->root, check_upper, f, "sys/class/net/%s", name);
	f->depth--;
}

/* The directory is there as long as it has interfaces, and shows those of our namespace alone. */
static bool is_elsewhere(const struct in_use_host *host, const struct pci_function *dev)
{
	return dev->class >> 16 == 0x02 && dev->driver[0] && !dev->netdev_count &&
	       !pci_function_driver_is_vfio(dev->driver) &&
	       hostfs_exists(host->root, "sys/bus/pci/devices/%s/net", BDF_STR(dev->bdf));
}

void in_use_find_net(const struct in_use_host *host, const struct pci_function *dev,
		     struct in_use *ret)
{
	if (is_elsewhere(host, dev))
		in_use_add(ret, IN_USE_ROUTE, "its interface is in another network namespace");
	for (unsigned i = 0; i < dev->netdev_count; i++) {
		struct find f = { host, ret, 0 };

		check_interface(&f, dev->netdevs[i]);
	}
}
