// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_users.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <net/if.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "sriov/pf.h"
#include "vfio/in_use.h"

static bool is_up(int root, const char *netdev)
{
	uint64_t flags;

	return hostfs_read_u64(root, &flags, "sys/class/net/%s/flags", netdev) == 0 &&
	       flags & IFF_UP;
}

static bool used_but(int root, const struct in_use_host *host, const struct pci_function *dev,
		     unsigned forgiven, char *why, size_t size)
{
	struct in_use used;

	in_use_find(host, dev, &used);
	for (unsigned i = 0; i < used.count; i++) {
		if (used.items[i].reason == IN_USE_VENDOR_VFIO) /* by nature, whether used or not */
			continue;
		if (1u << used.items[i].reason & forgiven && in_use_by_holder(&used, i, dev))
			continue;
		snprintf(why, size, "%s", used.items[i].what);
		return true;
	}
	for (unsigned i = 0; i < dev->netdev_count && i < PCI_FUNCTION_NODES; i++) {
		if (is_up(root, dev->netdevs[i])) {
			snprintf(why, size, "its interface %s is up", dev->netdevs[i]);
			return true;
		}
	}
	return false;
}

bool vf_used(int root, const struct in_use_host *host, const struct pci_function *dev, char *why,
	     size_t size)
{
	return used_but(root, host, dev, 0, why, size);
}

static void append(char *buf, size_t size, size_t *len, unsigned vf, struct bdf bdf,
		   const char *why)
{
	static const char more[] = "…";
	int w;

	if (*len + sizeof(more) >= size)
		return;
	w = snprintf(buf + *len, size - *len, "%svf%u %s: %s", *len ? "; " : "", vf, BDF_STR(bdf),
		     why);
	if (w > 0 && (size_t)w < size - *len - sizeof(more)) {
		*len += (size_t)w;
		return;
	}
	memcpy(buf + *len, more, sizeof(more));
	*len = size;
}

int vf_users(int root, struct bdf pf, char *buf, size_t size)
{
	return vf_users_but(root, pf, 0, buf, size);
}

int vf_users_but(int root, struct bdf pf, unsigned forgiven, char *buf, size_t size)
{
	struct in_use_host *host = NULL;
	struct pci_function dev;
	char why[IN_USE_TEXT_MAX];
	size_t len = 0;
	int used = 0, r;
	struct pf facts;

	r = pf_read(root, pf, &facts, NULL);
	if (r < 0)
		return r;
	r = in_use_open(root, &host, NULL);
	if (r < 0)
		return r;
	buf[0] = '\0';
	for (unsigned i = 0; i < facts.numvfs; i++) {
		struct bdf bdf;

		if (pf_vf_here(root, &facts, i, &bdf) < 0 ||
		    pci_function_read_unlocked(root, bdf, &dev) < 0 ||
		    !used_but(root, host, &dev, forgiven, why, sizeof(why)))
			continue;
		append(buf, size, &len, i, bdf, why);
		used++;
	}
	in_use_close(host);
	return used;
}
