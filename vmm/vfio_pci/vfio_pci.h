/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's PCI functions in the guest: what main() calls, and nothing else.
 * Before vCPU threads run, or under vm_lock().
 */
#ifndef VMM_VFIO_PCI_VFIO_PCI_H
#define VMM_VFIO_PCI_VFIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/range.h"
#include "vmm/pci/pci.h"

struct vectors;
struct vfio_pci_set;
struct vm;
struct vmm_config;
struct vmm_device;

/*
 * Put the groups of config into one I/O address space and tell KVM of them: the first
 * thing a machine does, because its RAM has to lie where they reach. config's container
 * is borrowed and stays open until the set is freed; the groups' descriptors are the set's. No device: *ret is NULL and it is no
 * error.
 */
int vfio_pci_join_all(struct vm *vm, const struct vmm_config *config, struct vfio_pci_set **ret,
		      struct err *err);

/*
 * Addresses that all of them reach, in order; NULL and 0: no limit known, or no device.
 * *ret_max: mappings the IOMMU takes, 0: any number.
 */
const struct range *vfio_pci_reach(const struct vfio_pci_set *set, unsigned *ret_count,
				   unsigned *ret_max);

/* Bits of an address that devices reach; 64: no limit known, or no device. */
unsigned vfio_pci_address_bits(const struct vfio_pci_set *set);

/* The largest part of [start, end) that devices reach. */
struct range vfio_pci_room(const struct vfio_pci_set *set, uint64_t start, uint64_t end);

/* Map guest RAM (vm->mem) for their DMA, bank by bank. NULL is fine. */
int vfio_pci_map_all(struct vfio_pci_set *set, struct err *err);

/* DMA mappings there are now. */
unsigned vfio_pci_maps(const struct vfio_pci_set *set);

/*
 * Then open the devices and pci_add() them: between pci_new() and pci_assign().
 * Also vm->loop, slots, gsi and both buses must exist. A failure leaves the set to be
 * freed. NULL is fine.
 */
int vfio_pci_attach_all(struct vfio_pci_set *set, const struct vmm_config *config, struct err *err);

/* Message vectors of all devices together. NULL: none. */
struct vfio_pci_vectors {
	unsigned live, irqfds, user; /* as in struct vector_stats */
	uint64_t relayed, failures;
};
void vfio_pci_vectors(const struct vfio_pci_set *set, struct vfio_pci_vectors *ret);

/* vectors_reattach() of all of them. NULL is fine. */
void vfio_pci_reattach(struct vfio_pci_set *set);

/* Devices in the set; 0 for NULL. */
unsigned vfio_pci_count(const struct vfio_pci_set *set);

/* Device i's; borrowed. */
const char *vfio_pci_name(const struct vfio_pci_set *set, unsigned i);

/* Device i of those that an error took out and the host still resets; NULL: there are no more. */
const char *vfio_pci_closing(const struct vfio_pci_set *set, unsigned i);

/* What came of the last reset of device i; *ret's are borrowed. false: there was none. */
struct vm_device_reset;
bool vfio_pci_last_reset(const struct vfio_pci_set *set, unsigned i, struct vm_device_reset *ret);

struct vfio_pci_interrupts {
	const char *name;	       /* the device's; borrowed, as all here */
	const char *mode;	       /* "msix", "msi", "intx" or "none" */
	const struct vectors *vectors; /* of the mode; NULL unless msix or msi */
};
void vfio_pci_interrupts(const struct vfio_pci_set *set, unsigned i,
			 struct vfio_pci_interrupts *ret);

/*
 * Of a guest that runs, both on the event loop's thread: let it have another device, or have
 * one back. Each is followed by an event (vm_event).
 */
struct vfio_pci_arrival {
	const struct vmm_device *device; /* group is not looked at */
	unsigned group;	  /* N of /dev/vfio/N */
	bool only_node;	  /* no slot of another node than the device's */
	unsigned node;	  /* is set: where it is now */
	int group_fd;	  /* taken over, also on failure; -1: a device of the group is here already */
	int container_fd; /* as group_fd; for the first device of a set, else to ask why a group is refused */
};
/*
 * *set is made when it is NULL. -EEXIST: the guest has it; -ENOSPC: no slot for it;
 * -EOPNOTSUPP: not PCI Express; what joining the group, mapping RAM and opening it give.
 */
int vfio_pci_plug(struct vm *vm, struct vfio_pci_set **set, struct vfio_pci_arrival *arrival,
		  struct err *err);

/*
 * In order, which takes the guest at least five seconds and us at most fifteen; or now, as
 * if the device were pulled out: what came for a network device is out of the guest then, and VM_DEVICE_REMOVED follows
 * when the kernel has reset it; others are closed. -ENODEV: it is not here; -EOPNOTSUPP: not now, and it is in no slot.
 */
int vfio_pci_unplug(struct vfio_pci_set *set, const char *name, bool now, struct err *err);

/* The devices that share its slot, and so leave with it. How many; the names are borrowed. */
unsigned vfio_pci_beside(const struct vfio_pci_set *set, const char *name,
			 const char *ret[PCI_SLOT_FUNCTIONS]);

/* RAM is mapped for a device, which may be on its way out. NULL: no. */
bool vfio_pci_pins_ram(const struct vfio_pci_set *set);

/*
 * Around pci_reset() when the guest is reset: the devices are silenced there, and reset together at
 * the end, because one reset of a bus is for all that are on it. NULL is fine.
 */
void vfio_pci_reset_begin(struct vfio_pci_set *set);
void vfio_pci_reset_end(struct vfio_pci_set *set);

/*
 * The guest is being reset: what was asked to leave is out now, and so is what came for a
 * network device. NULL is fine.
 */
void vfio_pci_finish_leaving(struct vfio_pci_set *set);

/*
 * Stop the devices, take their interrupts, memory slots and DMA mappings away and
 * close them. Before pci, mem, slots, gsi and loop are freed. NULL is fine.
 */
struct vfio_pci_set *vfio_pci_detach_all(struct vfio_pci_set *set);

#endif
