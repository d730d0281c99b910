/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `show` tells about one function beyond struct pci_function, read for that one alone. */
#ifndef HOST_FACTS_H
#define HOST_FACTS_H

#include <stdbool.h>

#include "base/hostfs.h"
#include "vfio/iommu_group.h"
#include "vfio/pci_aer.h"
#include "vfio/pci_config.h"
#include "vfio/pci_function.h"
#include "vfio/pci_interrupts.h"

#define FACTS_PARENTS_MAX 16

struct facts {
	bool caps_known; /* false: an ordinary user's 64 bytes of configuration space, or busy */
	struct pci_cap caps[PCI_CAPS_MAX];
	unsigned cap_count;
	struct pci_interrupts interrupts;
	struct pci_aer aer;
	bool reset_unnamed; /* kernels before 5.15 say whether it can be reset, not how */
	char group_type[24];
	struct iommu_region regions[IOMMU_REGIONS_MAX];
	unsigned region_count;
	struct bdf parents[FACTS_PARENTS_MAX]; /* outermost first */
	unsigned parent_count;
	char sysfs[HOSTFS_PATH_MAX]; /* "/sys/devices/pci0000:00/…"; "": not to be had */
};

/* Of a busy device only what needs no lock. Never fails: what cannot be read is left out. */
void facts_read(int root, const struct pci_function *dev, struct facts *ret);

#endif
