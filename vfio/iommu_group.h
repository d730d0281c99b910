/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says of an IOMMU group as a whole. */
#ifndef VFIO_IOMMU_GROUP_H
#define VFIO_IOMMU_GROUP_H

#include <stddef.h>
#include <stdint.h>

/* Addresses that a guest's memory must not be mapped at. */
struct iommu_region {
	uint64_t first, last;
	char kind[24]; /* "msi", "direct", "direct-relaxable", "reserved" */
};

#define IOMMU_REGIONS_MAX 32

/* Returns how many; -errno when the group is not there. */
int iommu_group_regions(int root, int group, struct iommu_region *ret, unsigned max);

/* "DMA-FQ", "identity", …; "" where the kernel does not say. Returns buf. */
char *iommu_group_type(int root, int group, char *buf, size_t size);

#endif
