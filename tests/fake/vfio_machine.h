/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM with one fake VFIO device behind vmm/vfio_pci: fake container, group, KVM
 * and device, real PCI, buses, memory slots and interrupts. Only the guest is
 * missing, and the test is it.
 */
#ifndef TESTS_FAKE_VFIO_MACHINE_H
#define TESTS_FAKE_VFIO_MACHINE_H

#include "tests/fake/guest_pci.h"
#include "tests/fake/kvm.h"
#include "tests/fake/vfio.h"
#include "vmm/handover.h"

struct vfio_pci_set;

#define MACHINE_VM        1000
#define MACHINE_CONTAINER 1001
#define MACHINE_GROUP     1002
#define MACHINE_KVM_VFIO  1003

struct vfio_machine {
	struct guest_pci guest;
	struct fake_kvm kvm;
	struct fake_vfio dev;
	struct fake_vfio second; /* MACHINE_SECOND in the same group, where it is configured */
	struct vmm_config config;
	struct vfio_pci_set *set;
	char order[64]; /* what the kernel was asked, as letters: see vfio_machine.c */
	unsigned dma_maps, dma_unmaps;
	bool not_viable;
};

/* Everything but the devices; the test describes the first one in m->dev. */
void vfio_machine_new(struct vfio_machine *m);
/* The same with RAM that other processes may have, too. */
void vfio_machine_new_shared(struct vfio_machine *m);

/* Attach the device and lay PCI out. The result of vfio_pci_attach_all(). */
int vfio_machine_start(struct vfio_machine *m);

void vfio_machine_free(struct vfio_machine *m);

/* A configuration space like an igb VF's: MSI-X of 3 vectors in BAR 3, PCIe at 0xa0. */
void vfio_machine_igbvf(struct vfio_machine *m);

/* The same of any fake device. */
void fake_vfio_igbvf(struct fake_vfio *dev);

/* Before the start: another device, to be described in m->second. Both are VFs, and so in slots of their own. */
void vfio_machine_add_second(struct vfio_machine *m);
#define MACHINE_SECOND "0000:01:10.1"

/* Where the guest finds its first device. */
#define MACHINE_BUS 1

#endif
