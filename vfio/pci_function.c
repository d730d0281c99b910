// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_function.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/aside.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/pci_config.h"

#define DEVICES "sys/bus/pci/devices"

/* Base class and subclass, which no exported header of the kernel names. */
#define PCI_CLASS_BRIDGE_PCI	 0x0604
#define PCI_CLASS_BRIDGE_CARDBUS 0x0607
#define PCI_CLASS_BRIDGE_OTHER	 0x0680
#define PCI_BASE_CLASS_BRIDGE	 0x06

/* A number that must be there and fit in max. */
static int read_id(int root, const char *dev, const char *name, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	int r = hostfs_read_u64(root, &v, DEVICES "/%s/%s", dev, name);

	if (r < 0)
		return r;
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int read_ids(int root, const char *name, struct pci_function *d)
{
	uint64_t vendor, device, class, v;
	int r = read_id(root, name, "vendor", 0xffff, &vendor);

	if (r == 0)
		r = read_id(root, name, "device", 0xffff, &device);
	if (r == 0)
		r = read_id(root, name, "class", 0xffffff, &class);
	if (r < 0)
		return r;
	d->vendor = (uint16_t)vendor;
	d->device = (uint16_t)device;
	d->class = (uint32_t)class;
	if (read_id(root, name, "subsystem_vendor", 0xffff, &v) == 0)
		d->sub_vendor = (uint16_t)v;
	if (read_id(root, name, "subsystem_device", 0xffff, &v) == 0)
		d->sub_device = (uint16_t)v;
	if (read_id(root, name, "revision", 0xff, &v) == 0)
		d->revision = (uint8_t)v;
	return 0;
}

/* The kernel prints "(null)" where nothing is set. */
static void read_override(int root, const char *name, struct pci_function *d)
{
	char override[64];

	if (hostfs_read(root, override, sizeof(override), DEVICES "/%s/driver_override", name) > 0 &&
	    strcmp(override, "(null)") != 0)
		snprintf(d->override, sizeof(d->override), "%.*s", PCI_DRIVER_MAX - 1, override);
}

static void read_binding(int root, const char *name, struct pci_function *d)
{
	char group[16];

	if (hostfs_link_name(root, d->driver, sizeof(d->driver), DEVICES "/%s/driver", name) < 0)
		d->driver[0] = '\0';
	d->group = -1;
	if (hostfs_link_name(root, group, sizeof(group), DEVICES "/%s/iommu_group", name) > 0)
		d->group = (int)strtol(group, NULL, 10);
}

bool pci_function_is_express(int root, struct bdf bdf)
{
	return hostfs_exists(root, DEVICES "/%s/max_link_speed", BDF_STR(bdf));
}

bool pci_function_is_virtual(int root, struct bdf bdf)
{
	return hostfs_exists(root, DEVICES "/%s/physfn", BDF_STR(bdf));
}

int pci_function_numa_node(int root, struct bdf bdf)
{
	int64_t node;

	if (hostfs_read_s64(root, &node, DEVICES "/%s/numa_node", BDF_STR(bdf)) < 0 || node < 0 ||
	    node >= 4096)
		return -1;
	return (int)node;
}

int pci_function_vf(int root, struct bdf pf, unsigned index, struct bdf *ret)
{
	char name[BDF_STRLEN];

	if (hostfs_link_name(root, name, sizeof(name), DEVICES "/%s/virtfn%u", BDF_STR(pf),
			     index) < 0)
		return -ENODEV;
	return bdf_parse(name, ret) < 0 ? -ENODEV : 0;
}

/* VFs come and go one by one while sriov_numvfs is written, so there may be gaps. */
static unsigned count_vf_links(int root, const struct pci_function *pf)
{
	unsigned count = 0;
	struct bdf vf;

	for (unsigned i = 0; i < pf->total_vfs; i++)
		count += pci_function_vf(root, pf->bdf, i, &vf) == 0;
	return count;
}

/*
 * The routing ids of a PF's VFs are equally far apart (SR-IOV, 3.3.10): the likely index,
 * or -1 when the first two do not tell.
 */
static long index_by_stride(int root, struct bdf pf, struct bdf vf)
{
	struct bdf first, second;
	long stride, distance;

	if (pci_function_vf(root, pf, 0, &first) < 0)
		return -1;
	distance = (long)bdf_routing_id(vf) - (long)bdf_routing_id(first);
	if (distance <= 0)
		return distance;
	if (pci_function_vf(root, pf, 1, &second) < 0)
		return -1;
	stride = (long)bdf_routing_id(second) - (long)bdf_routing_id(first);
	return stride > 0 ? distance / stride : -1;
}

/* A count that goes down leaves gaps. */
int pci_function_vf_index(int root, struct bdf pf, struct bdf vf)
{
	long likely = index_by_stride(root, pf, vf);
	struct bdf other;
	uint64_t total;

	if (likely >= 0 && pci_function_vf(root, pf, (unsigned)likely, &other) == 0 &&
	    bdf_eq(other, vf))
		return (int)likely;
	if (read_id(root, BDF_STR(pf), "sriov_totalvfs", 0xffff, &total) < 0)
		return -1;
	for (unsigned i = 0; i < total; i++) {
		if (pci_function_vf(root, pf, i, &other) == 0 && bdf_eq(other, vf))
			return (int)i;
	}
	return -1;
}

static void read_sriov(int root, const char *name, struct pci_function *d)
{
	char pf[BDF_STRLEN];
	uint64_t v;

	if (read_id(root, name, "sriov_totalvfs", 0xffff, &v) == 0)
		d->total_vfs = (unsigned)v;
	d->vf_autoprobe = d->total_vfs > 0;
	if (read_id(root, name, "sriov_drivers_autoprobe", 1, &v) == 0)
		d->vf_autoprobe = v == 1;
	if (hostfs_link_name(root, pf, sizeof(pf), DEVICES "/%s/physfn", name) < 0 ||
	    bdf_parse(pf, &d->pf) < 0)
		return;
	d->is_vf = true;
	d->vf_index = pci_function_vf_index(root, d->pf, d->bdf);
}

static void read_num_vfs(int root, const char *name, struct pci_function *d)
{
	uint64_t v;

	if (d->total_vfs && read_id(root, name, "sriov_numvfs", 0xffff, &v) == 0)
		d->num_vfs = (unsigned)v;
}

/* "start end flags" per line; BARs 0..5, then the ROM. */
static void read_bars(int root, const char *name, struct pci_function *d)
{
	char text[2048], *line = text;

	if (hostfs_read(root, text, sizeof(text), DEVICES "/%s/resource", name) < 0)
		return;
	for (unsigned i = 0; i < PCI_FUNCTION_BARS && line; i++) {
		uint64_t start, end, flags;

		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) == 3 &&
		    flags && end >= start && end - start != UINT64_MAX)
			d->bars[i] = (struct pci_function_bar){ start, end - start + 1, flags };
		line = strchr(line, '\n');
		if (line)
			line++;
	}
}

#define HEADER_MUTE 0x7f

/* What the class says where the header is not to be read. */
static uint8_t header_of_class(uint32_t class)
{
	switch (class >> 8) {
	case PCI_CLASS_BRIDGE_PCI: return PCI_HEADER_TYPE_BRIDGE;
	case PCI_CLASS_BRIDGE_CARDBUS: return PCI_HEADER_TYPE_CARDBUS;
	}
	return PCI_HEADER_TYPE_NORMAL;
}

static void read_config(int root, struct pci_function *d)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	unsigned cap;

	pci_config_open(root, d->bdf, &c);
	d->msix_vectors = -1;
	if (c.mute)
		d->header_type = HEADER_MUTE;
	if (!c.size)
		return;
	d->header_type = c.head[PCI_HEADER_TYPE] & 0x7f;
	if (!pci_config_whole(&c))
		return;
	cap = pci_config_find(&c, PCI_CAP_ID_MSIX, false);
	d->msix_vectors = 0;
	if (cap)
		d->msix_vectors =
			(pci_config_u16(&c, cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
}

struct node_list {
	char (*names)[PCI_FUNCTION_NODE_MAX];
	unsigned *count;
};

static int keep_node(const char *name, void *opaque)
{
	struct node_list *l = opaque;

	if (*l->count < PCI_FUNCTION_NODES && strlen(name) < PCI_FUNCTION_NODE_MAX)
		strcpy(l->names[(*l->count)++], name);
	return 0;
}

struct virtio {
	int root;
	const char *dev;
	struct node_list *net;
};

/* A virtio-pci function's interfaces belong to its virtioN. */
static int read_virtio_net(const char *name, void *opaque)
{
	struct virtio *v = opaque;

	if (strncmp(name, "virtio", 6) == 0)
		hostfs_list(v->root, keep_node, v->net, DEVICES "/%s/%s/net", v->dev, name);
	return 0;
}

static void read_nodes(int root, const char *name, struct pci_function *d)
{
	struct node_list net = { d->netdevs, &d->netdev_count };
	struct node_list nvme = { d->nvmes, &d->nvme_count };

	hostfs_list(root, keep_node, &net, DEVICES "/%s/net", name);
	hostfs_list(root, keep_node, &nvme, DEVICES "/%s/nvme", name);
	if (strcmp(d->driver, "virtio-pci") == 0)
		hostfs_list(root, read_virtio_net, &(struct virtio){ root, name, &net },
			    DEVICES "/%s", name);
}

static void read_state(int root, const char *name, struct pci_function *d)
{
	uint64_t v;

	if (hostfs_read(root, d->reset_methods, sizeof(d->reset_methods),
			DEVICES "/%s/reset_method", name) < 0)
		d->reset_methods[0] = '\0';
	if (hostfs_read(root, d->power_state, sizeof(d->power_state), DEVICES "/%s/power_state",
			name) < 0)
		d->power_state[0] = '\0';
	d->boot_vga = read_id(root, name, "boot_vga", 1, &v) == 0 && v == 1;
	d->vendor_vfio = hostfs_exists(root, DEVICES "/%s/nvidia/current_vgpu_type", name);
}

/* What needs no lock. */
static int read_facts(int root, struct bdf bdf, struct pci_function *ret)
{
	struct pci_function d = { .bdf = bdf, .msix_vectors = -1 };
	const char *name = BDF_STR(bdf);
	int r;

	if (!hostfs_exists(root, DEVICES "/%s", name))
		return -ENODEV;
	r = read_ids(root, name, &d);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	d.header_type = header_of_class(d.class);
	read_binding(root, name, &d);
	d.numa_node = pci_function_numa_node(root, bdf);
	read_sriov(root, name, &d);
	read_bars(root, name, &d);
	read_nodes(root, name, &d);
	read_state(root, name, &d);
	*ret = d;
	return 0;
}

int pci_function_read_unlocked(int root, struct bdf bdf, struct pci_function *ret)
{
	int r = read_facts(root, bdf, ret);

	if (r == 0)
		ret->num_vfs = count_vf_links(root, ret);
	return r;
}

int pci_function_read_locked(int root, struct bdf bdf, struct pci_function *ret)
{
	const char *name = BDF_STR(bdf);
	struct pci_function d;
	int r = read_facts(root, bdf, &d);

	if (r < 0)
		return r;
	read_override(root, name, &d);
	read_num_vfs(root, name, &d);
	read_config(root, &d);
	pci_link_read(root, bdf, &d.link);
	*ret = d;
	return 0;
}

struct slot {
	int r;
	struct pci_function dev;
};

static void read_slot(int root, size_t i, void *slot, void *opaque)
{
	const struct bdf *bdf = opaque;
	struct slot *to = slot;

	to->r = pci_function_read_locked(root, bdf[i], &to->dev);
}

int pci_function_read(int root, struct bdf bdf, struct pci_function *ret)
{
	struct aside job = { 1, sizeof(struct slot), read_slot, &bdf };
	struct slot slot = { 0 };
	size_t done = 0;
	int r = aside_read(root, &job, 0, aside_wait_ms, &slot, &done);

	if (r < 0)
		return r;
	if (!done) {
		slot.r = pci_function_read_unlocked(root, bdf, &slot.dev);
		slot.dev.busy = true;
	}
	if (slot.r == 0)
		*ret = slot.dev;
	return slot.r;
}

int pci_function_read_binding(int root, struct bdf bdf, struct pci_function *ret)
{
	struct pci_function d = { .bdf = bdf };
	const char *name = BDF_STR(bdf);

	read_binding(root, name, &d);
	if (!d.driver[0] && d.group < 0 && !hostfs_exists(root, DEVICES "/%s", name))
		return -ENODEV;
	*ret = d;
	return 0;
}

bool pci_function_is_endpoint(const struct pci_function *dev)
{
	return dev->header_type != PCI_HEADER_TYPE_BRIDGE &&
	       dev->header_type != PCI_HEADER_TYPE_CARDBUS;
}

bool pci_function_is_assignable(const struct pci_function *dev)
{
	/* "Other" bridges are real endpoints: NVSwitch, non-transparent bridges. */
	return pci_function_is_endpoint(dev) && (dev->class >> 16 != PCI_BASE_CLASS_BRIDGE ||
						 dev->class >> 8 == PCI_CLASS_BRIDGE_OTHER);
}

bool pci_function_driver_is_vfio(const char *driver)
{
	/* Variant drivers are named mlx5_vfio_pci, xe-vfio-pci, nvgrace_gpu_vfio_pci, … */
	return strstr(driver, "vfio-pci") || strstr(driver, "vfio_pci");
}

bool pci_function_leaves_group_viable(const struct pci_function *dev)
{
	/*
	 * The kernel's own rule (driver_managed_dma): bridges' port drivers, pci-stub and the
	 * VFIO drivers promise not to do DMA behind the owner's back; any other may not be there.
	 */
	return !pci_function_is_endpoint(dev) || !dev->driver[0] ||
	       strcmp(dev->driver, "pci-stub") == 0 || pci_function_driver_is_vfio(dev->driver);
}
