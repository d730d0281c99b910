// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whether the guest's driver uses a device: by its registers, since nobody tells. A network
 * driver may do DMA and hears an interrupt vector as long as its interface is up, and masks all
 * of them before it lets go of the device. Only devices that came for a network device are looked
 * at: the failover of `vm run` wants to know.
 */
#include "vmm/vfio_pci/internal.h"

#include <linux/pci_regs.h>

#include "base/le.h"
#include "irq/msi.h"
#include "irq/msix.h"
#include "irq/vectors.h"
#include "vmm/vm.h"

static bool hears(const struct vectors *vs)
{
	struct vector_stats s;

	if (!vectors_enabled(vs))
		return false;
	vectors_stats(vs, &s);
	return s.live > 0;
}

static bool is_used(const struct vfio_pci *v)
{
	return get_le16(v->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER &&
	       ((v->msix && hears(msix_vectors(v->msix))) ||
		(v->msi && hears(msi_vectors(v->msi))));
}

void vfio_pci_use_changed(struct vfio_pci *v)
{
	bool used = v->pci.owner && is_used(v);

	if (used == v->started)
		return;
	v->started = used;
	vm_event(v->set->vm, used ? VM_DEVICE_STARTED : VM_DEVICE_STOPPED, v->pci.name);
}

/* The kernel makes vendor and device of a VF up; its capability comes from the device. */
bool vfio_pci_is_gone(const struct vfio_pci *v)
{
	uint8_t b[4] = { 0 };

	return v->express &&
	       vfio_region_read(v->dev.fd, &v->config, v->express + PCI_EXP_DEVCAP, b, sizeof(b)) >= 0 &&
	       get_le32(b) == 0xffffffff;
}
