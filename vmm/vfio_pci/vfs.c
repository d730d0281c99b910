// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Virtual functions of a physical one that a guest has: made by the host, for other guests as a rule. A
 * reset of the PF, of whatever kind, is one of theirs as well. The kernel lists them neither as hit by
 * a reset of the bus (VFs have bus numbers of their own, below no bridge) nor asks who has them; the PF's
 * SR-IOV capability, which the guest does not see, tells of them.
 */
#include "vmm/vfio_pci/internal.h"

#include <linux/pci_regs.h>

#include "base/bdf.h"
#include "base/le.h"

struct vfs {
	unsigned count, offset, stride;
};

static unsigned routing_id(struct bdf bdf)
{
	return (unsigned)bdf.bus << 8 | (unsigned)bdf.dev << 3 | bdf.fn;
}

/* What a dead device says is no number of VFs. */
static bool read_vfs(const struct vfio_pci *v, struct vfs *ret)
{
	uint8_t b[PCI_SRIOV_VF_STRIDE + 2];

	if (!v->sriov || vfio_pci_is_gone(v) ||
	    vfio_region_read(v->dev.fd, &v->config, v->sriov, b, sizeof(b)) < 0 ||
	    !(get_le16(b + PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_VFE))
		return false;
	*ret = (struct vfs){ get_le16(b + PCI_SRIOV_NUM_VF), get_le16(b + PCI_SRIOV_VF_OFFSET),
			     get_le16(b + PCI_SRIOV_VF_STRIDE) };
	return ret->count > 0;
}

static bool is_vf_of(struct bdf dev, struct bdf pf, const struct vfs *vfs)
{
	unsigned first = routing_id(pf) + vfs->offset, id = routing_id(dev);

	if (dev.domain != pf.domain || id < first)
		return false;
	if (!vfs->stride)
		return id == first;
	return (id - first) % vfs->stride == 0 && (id - first) / vfs->stride < vfs->count;
}

unsigned vfio_pci_vfs_elsewhere(const struct vfio_pci *v)
{
	const struct vfio_pci_set *set = v->set;
	unsigned here = 0;
	struct bdf pf, dev;
	struct vfs vfs;

	if (!read_vfs(v, &vfs) || bdf_parse(v->pci.name, &pf) < 0)
		return 0;
	for (unsigned i = 0; i < set->ndevices; i++)
		if (set->devices[i] != v && bdf_parse(set->devices[i]->pci.name, &dev) == 0 &&
		    is_vf_of(dev, pf, &vfs))
			here++;
	return here < vfs.count ? vfs.count - here : 0;
}
