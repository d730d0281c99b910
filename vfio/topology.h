/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every PCI function of the host at one moment, and the IOMMU groups they form. */
#ifndef VFIO_TOPOLOGY_H
#define VFIO_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "vfio/pci_function.h"

struct topo {
	struct pci_function *devs; /* in order of address; malloced */
	size_t count;
};

#define TOPO_INIT { NULL, 0 }

/*
 * Read every function. One whose lock the kernel does not give is marked busy
 * after a moment, instead of waiting for it. topo_fini() frees the result, also
 * after a failure. 0 or -errno, err set.
 */
int topo_scan(int root, struct topo *ret, struct err *err);
void topo_fini(struct topo *topo);

/* Borrowed from topo; NULL when there is none. */
const struct pci_function *topo_find(const struct topo *topo, struct bdf bdf);

/* The next member of the group after `after` (NULL: the first); NULL at the end. */
const struct pci_function *topo_group_next(const struct topo *topo, int group,
					   const struct pci_function *after);

/*
 * The endpoint that dev is behind: a VMD (Intel's Volume Management Device) has a domain of its own
 * below it, which is there only while its driver is, and does the DMA of what is in it. NULL: none.
 */
const struct pci_function *topo_vmd_of(int root, const struct topo *topo,
				       const struct pci_function *dev);

/* Every endpoint of the group is bound to a VFIO driver, pci-stub, or to none. */
bool topo_group_viable(const struct topo *topo, int group);

/* Why no device of this host has an IOMMU group. */
enum iommu_state {
	IOMMU_ON,
	IOMMU_NO_FIRMWARE, /* neither DMAR nor IVRS: off in the firmware, or not there */
	IOMMU_NOT_ENABLED, /* the firmware has one, the kernel does not use it */
};
enum iommu_state topo_iommu_state(int root);

/* Fill err's hint with what to do about a device without an IOMMU group. Returns err's code. */
int topo_hint_no_group(int root, struct err *err);

#endif
