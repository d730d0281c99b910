// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/pf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <net/if.h>

#include "base/aside.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"
#include "vfio/busy.h"
#include "vfio/pci_function.h"
#include "vfio/pci_path.h"

#define DEV "sys/bus/pci/devices/%s"

/* A number of at most 32 bits; `missing` when the attribute is not there. */
static unsigned attr(int root, const char *dev, const char *name, unsigned missing)
{
	uint64_t v;

	if (hostfs_read_u64(root, &v, DEV "/%s", dev, name) < 0 || v > UINT32_MAX)
		return missing;
	return (unsigned)v;
}

static unsigned hex_attr(int root, const char *dev, const char *name)
{
	char text[32];
	unsigned v = 0;

	/* sriov_vf_device is hexadecimal without the 0x that vendor and class carry. */
	if (hostfs_read(root, text, sizeof(text), DEV "/%s", dev, name) > 0)
		(void)sscanf(text, "%x", &v);
	return v;
}

struct netdev_scan {
	int root;
	struct pf *pf;
};

/* In switchdev mode the VFs' representors hang under the PF too: pf0vf3, pf0sf1. */
static bool is_representor(int root, const char *name)
{
	char port[64];

	if (hostfs_read(root, port, sizeof(port), "sys/class/net/%s/phys_port_name", name) <= 0)
		return false;
	return strstr(port, "vf") || strstr(port, "sf");
}

static int add_netdev(const char *name, void *opaque)
{
	struct netdev_scan *s = opaque;
	uint64_t flags = 0;

	if (is_representor(s->root, name))
		return 0;
	if (s->pf->netdevs++ || strlen(name) >= sizeof(s->pf->netdev))
		return 0;
	strcpy(s->pf->netdev, name);
	if (hostfs_read_u64(s->root, &flags, "sys/class/net/%s/flags", name) == 0)
		s->pf->up = flags & IFF_UP;
	s->pf->carrier = hostfs_read_u64(s->root, &flags, "sys/class/net/%s/carrier", name) == 0 &&
			 flags;
	return 0;
}

static int first_nvme(const char *name, void *opaque)
{
	struct pf *pf = opaque;

	if (strncmp(name, "nvme", 4) != 0 || strlen(name) >= sizeof(pf->nvme))
		return 0;
	strcpy(pf->nvme, name);
	return 1;
}

/* One above the last VF that is to be seen. */
static unsigned visible_vfs(int root, const struct pf *pf)
{
	unsigned n = pf->totalvfs;
	struct bdf vf;

	while (n && pf_vf_here(root, pf, n - 1, &vf) < 0)
		n--;
	return n;
}

int pf_read_numvfs(int root, struct bdf pf, unsigned *ret)
{
	char text[32];
	uint64_t n;
	ssize_t r = aside_text(root, text, sizeof(text), DEV "/sriov_numvfs", BDF_STR(pf));

	if (r < 0)
		return (int)r;
	if (uint_parse(text, 65535, &n) < 0)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

static void read_facts(int root, const char *dev, struct pf *pf)
{
	struct netdev_scan scan = { root, pf };
	int64_t node;

	pf->vendor = (uint16_t)hex_attr(root, dev, "vendor");
	pf->vf_device = (uint16_t)hex_attr(root, dev, "sriov_vf_device");
	pf->class = hex_attr(root, dev, "class");
	pf->numa_node = hostfs_read_s64(root, &node, DEV "/numa_node", dev) == 0 ? (int)node : -1;
	if (hostfs_link_name(root, pf->driver, sizeof(pf->driver), DEV "/driver", dev) < 0)
		pf->driver[0] = '\0';
	pf->offset = attr(root, dev, "sriov_offset", 0);
	pf->stride = attr(root, dev, "sriov_stride", 0);
	pf->busy = pf_read_numvfs(root, pf->bdf, &pf->numvfs) == -EBUSY;
	if (pf->busy)
		pf->numvfs = visible_vfs(root, pf);
	pf->autoprobe = attr(root, dev, "sriov_drivers_autoprobe", 1) != 0;
	(void)hostfs_list(root, add_netdev, &scan, DEV "/net", dev);
	(void)hostfs_list(root, first_nvme, pf, DEV "/nvme", dev);
}

static int not_a_pf(int root, struct bdf bdf, struct err *err)
{
	char name[BDF_STRLEN];
	struct bdf pf;
	unsigned index;

	bdf_str(bdf, name);
	if (!hostfs_exists(root, DEV, name)) {
		err_plain(err, -ENODEV, "%s: no such PCI device", name);
		err_hint(err, "thruway vf list shows the physical functions of this host");
		return -ENODEV;
	}
	if (pf_of_vf(root, bdf, &pf, &index) == 0) {
		err_plain(err, -EOPNOTSUPP, "%s is not a physical function: it is vf%u of %s", name,
			  index, BDF_STR(pf));
		err_hint(err, "name the PF: %s", BDF_STR(pf));
		return -EOPNOTSUPP;
	}
	err_plain(err, -EOPNOTSUPP, "%s is not an SR-IOV physical function", name);
	err_hint(err, "where the card should be one, SR-IOV is switched off in its firmware or in "
		      "the machine's; thruway vf list shows those there are");
	return -EOPNOTSUPP;
}

int pf_read_interface(int root, struct bdf bdf, struct pf *ret)
{
	struct pf pf = { .bdf = bdf };
	const char *dev = BDF_STR(bdf);
	struct netdev_scan scan = { root, &pf };

	if (!hostfs_exists(root, DEV, dev))
		return -ENODEV;
	(void)hostfs_list(root, add_netdev, &scan, DEV "/net", dev);
	*ret = pf;
	return 0;
}

int pf_read(int root, struct bdf bdf, struct pf *ret, struct err *err)
{
	struct pf pf = { .bdf = bdf };
	char name[BDF_STRLEN];
	uint64_t total;

	bdf_str(bdf, name);
	if (hostfs_read_u64(root, &total, DEV "/sriov_totalvfs", name) < 0)
		return not_a_pf(root, bdf, err);
	pf.totalvfs = (unsigned)total;
	read_facts(root, name, &pf);
	*ret = pf;
	return 0;
}

int pf_find(int root, const char *name, struct pf *ret, struct err *err)
{
	static const char *const classes[] = { "net", "nvme" };
	char device[64];
	struct bdf bdf;

	if (bdf_parse(name, &bdf) == 0)
		return pf_read(root, bdf, ret, err);
	for (unsigned i = 0; i < ARRAY_SIZE(classes) && *name && !strchr(name, '/'); i++) {
		if (!hostfs_exists(root, "sys/class/%s/%s", classes[i], name))
			continue;
		if (hostfs_link_name(root, device, sizeof(device), "sys/class/%s/%s/device",
				     classes[i], name) < 0 || bdf_parse(device, &bdf) < 0)
			return err_plain(err, -EOPNOTSUPP, "%s is not of a PCI device", name);
		return pf_read(root, bdf, ret, err);
	}
	err_plain(err, -ENODEV, "%s is neither a PCI address nor a network interface nor an NVMe "
		  "controller", name);
	return err_hint(err, "thruway vf list shows the physical functions of this host; one that is bound "
			     "to another driver has no interface until thruway restore");
}

struct pf_walk {
	int root;
	int (*fn)(const struct pf *pf, void *opaque);
	void *opaque;
};

static int visit(const char *name, void *opaque)
{
	struct pf_walk *w = opaque;
	struct bdf bdf;
	struct pf pf;

	if (bdf_parse(name, &bdf) < 0 || pf_read(w->root, bdf, &pf, NULL) < 0)
		return 0;
	return w->fn(&pf, w->opaque);
}

int pf_each(int root, int (*fn)(const struct pf *pf, void *opaque), void *opaque)
{
	struct pf_walk w = { root, fn, opaque };

	return hostfs_list(root, visit, &w, "sys/bus/pci/devices");
}

int pf_vf_bdf(int root, struct bdf pf, unsigned index, struct bdf *ret)
{
	char name[64];
	ssize_t r = hostfs_link_name(root, name, sizeof(name), DEV "/virtfn%u", BDF_STR(pf), index);

	if (r < 0)
		return (int)r;
	return bdf_parse(name, ret) < 0 ? -EINVAL : 0;
}

int pf_vf_bdf_expected(const struct pf *pf, unsigned index, struct bdf *ret)
{
	return bdf_add(pf->bdf, pf->offset + (unsigned long)pf->stride * index, ret);
}

int pf_vf_here(int root, const struct pf *pf, unsigned index, struct bdf *ret)
{
	struct bdf vf;

	if (pf_vf_bdf(root, pf->bdf, index, ret) == 0)
		return 0;
	if (!pf->busy || !pf->offset || pf_vf_bdf_expected(pf, index, &vf) < 0 ||
	    hex_attr(root, BDF_STR(vf), "device") != pf->vf_device)
		return -ENOENT;
	*ret = vf;
	return 0;
}

int pf_refuse_busy(int root, const struct pf *pf, const char *verb, struct err *err)
{
	return pf->busy ? busy_refuse(root, pf->bdf, verb, err) : 0;
}

int pf_of_vf(int root, struct bdf vf, struct bdf *ret_pf, unsigned *ret_index)
{
	char name[64];
	struct bdf pf;
	int index;

	if (hostfs_link_name(root, name, sizeof(name), DEV "/physfn", BDF_STR(vf)) < 0 ||
	    bdf_parse(name, &pf) < 0)
		return -ENOENT;
	index = pci_function_vf_index(root, pf, vf);
	if (index < 0)
		return -ENOENT;
	*ret_pf = pf;
	*ret_index = (unsigned)index;
	return 0;
}

int pf_identity(int root, const struct step *step, char *buf, size_t size)
{
	struct bdf bdf;

	return bdf_parse(step->dev, &bdf) < 0 ? -EINVAL : pci_path_identity(root, bdf, buf, size);
}
