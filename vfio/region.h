/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The regions of a VFIO device: BARs, ROM and config space, and which parts can be mapped. */
#ifndef VFIO_REGION_H
#define VFIO_REGION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/range.h"

#define VFIO_REGION_MAX_AREAS 16

/* Indexes 0..5 are the BARs. The numbers are VFIO's, checked in region.c. */
#define VFIO_REGION_ROM    6
#define VFIO_REGION_CONFIG 7

struct vfio_region {
	uint32_t index;
	bool read, write;
	bool msix_mappable; /* the MSI-X table may lie in a mapped area */
	bool page;	    /* smaller than a page, and the rest of its page is nobody's: areas[0] is the page */
	uint64_t size;      /* 0: the region is not there */
	uint64_t offset;    /* in the device descriptor */
	unsigned nareas;    /* parts that mmap() takes, as offsets into the region */
	struct range areas[VFIO_REGION_MAX_AREAS];
};

/* 0; -EPROTO for an answer that contradicts itself; -errno. */
int vfio_region_get(int dev_fd, uint32_t index, struct vfio_region *ret);

/*
 * Map one area. The address is aligned as the guest's will be, to the lesser of
 * the region's size and 1 GiB, so that the kernel can use huge pages on both
 * sides. 0 or -errno; the caller unmaps.
 */
int vfio_region_map(int dev_fd, const struct vfio_region *region, struct range area, void **ret);

/* One access of len bytes. What the device does not answer reads all-ones and -errno returns. */
int vfio_region_read(int dev_fd, const struct vfio_region *region, uint64_t off, void *buf,
		     unsigned len);
int vfio_region_write(int dev_fd, const struct vfio_region *region, uint64_t off, const void *buf,
		      unsigned len);

#endif
