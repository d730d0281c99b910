/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's PCI functions in the guest: what main() calls, and nothing else.
 * Everything after vfio_pci_attach_all() runs under vm_lock().
 */
#ifndef VMM_VFIO_PCI_VFIO_PCI_H
#define VMM_VFIO_PCI_VFIO_PCI_H

#include "base/err.h"

struct vfio_pci_set;
struct vm;
struct vmm_config;

/*
 * Open every device of config in the order the kernel wants (container, IOMMU,
 * KVM's VFIO device, and only then the devices), map guest RAM for their DMA and
 * pci_add() them. Between pci_new() and pci_assign(), before vCPU threads run;
 * vm->mem, slots, gsi, loop, pci and both buses must exist. config's descriptors
 * are borrowed and stay open until the set is freed. No device: *ret is NULL and
 * it is no error. On failure *ret is what was set up so far, to be freed alike.
 */
int vfio_pci_attach_all(struct vm *vm, const struct vmm_config *config, struct vfio_pci_set **ret,
			struct err *err);

/*
 * Stop the devices, take their interrupts, memory slots and DMA mappings away and
 * close them. After pci_free(), which still knows them, and before mem, slots, gsi
 * and loop are freed. NULL is fine.
 */
struct vfio_pci_set *vfio_pci_detach_all(struct vfio_pci_set *set);

#endif
