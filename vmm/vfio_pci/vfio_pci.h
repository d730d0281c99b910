/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's PCI functions in the guest: what main() calls, and nothing else.
 * Before vCPU threads run, or under vm_lock().
 */
#ifndef VMM_VFIO_PCI_VFIO_PCI_H
#define VMM_VFIO_PCI_VFIO_PCI_H

#include <stdint.h>

#include "base/err.h"

struct vfio_pci_set;
struct vm;
struct vmm_config;

/*
 * Put the groups of config into one I/O address space, tell KVM of them and map
 * guest RAM for their DMA. vm->mem and vm->loop must exist. config's descriptors
 * are borrowed and stay open until the set is freed. No device: *ret is NULL and
 * it is no error.
 */
int vfio_pci_join_all(struct vm *vm, const struct vmm_config *config, struct vfio_pci_set **ret,
		      struct err *err);

/* One past the last address the devices reach; UINT64_MAX: no limit known, or no device. */
uint64_t vfio_pci_dma_limit(const struct vfio_pci_set *set);

/*
 * Then open the devices and pci_add() them: between pci_new() and pci_assign().
 * Also vm->slots, gsi and both buses must exist. A failure leaves the set to be
 * freed. NULL is fine.
 */
int vfio_pci_attach_all(struct vfio_pci_set *set, const struct vmm_config *config, struct err *err);

/*
 * Stop the devices, take their interrupts, memory slots and DMA mappings away and
 * close them. Before pci, mem, slots, gsi and loop are freed. NULL is fine.
 */
struct vfio_pci_set *vfio_pci_detach_all(struct vfio_pci_set *set);

#endif
