// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which devices share a slot of the guest: the functions of one device of the host. Drivers look for
 * a neighbour there, as a GPU's does for its sound function. A virtual function is alone, whatever its
 * address: that is a number for routing, and nobody looks beside it.
 */
#include "vmm/vfio_pci/internal.h"

#include "base/bdf.h"
#include "vmm/handover.h"

void vfio_pci_name_slot(struct vfio_pci *v, const struct vmm_device *d)
{
	struct bdf bdf;

	if (d->vf || d->nic || bdf_parse(d->name, &bdf) < 0)
		return;
	v->pci.host_slot = 1 + ((uint64_t)bdf.domain << 16 | (unsigned)bdf.bus << 8 | bdf.dev);
	v->pci.host_fn = bdf.fn;
}

static void insert(struct vfio_pci **all, unsigned n, struct vfio_pci *v)
{
	for (; n && all[n - 1]->pci.devfn < v->pci.devfn; n--)
		all[n] = all[n - 1];
	all[n] = v;
}

unsigned vfio_pci_in_slot(struct vfio_pci *v, struct vfio_pci *ret[PCI_SLOT_FUNCTIONS])
{
	const struct vfio_pci_set *set = v->set;
	unsigned n = 1;

	ret[0] = v;
	for (unsigned i = 0; v->pci.port && i < set->ndevices; i++)
		if (set->devices[i] != v && set->devices[i]->pci.port == v->pci.port)
			insert(ret, n++, set->devices[i]);
	return n;
}
