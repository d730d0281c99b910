/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One I/O address space: what the devices in it may reach by DMA. Two kernels'
 * worth of interfaces stand behind the same operations; callers see none of it.
 *
 * Not thread-safe: one owner, or the owner's lock.
 */
#ifndef VFIO_IOMMU_H
#define VFIO_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/range.h"

#define IOMMU_MAX_RANGES 64

struct iommu;

/* All silent: 0 or -errno as the kernel gave it. */
struct iommu_ops {
	const char *name;
	int (*map)(struct iommu *iommu, iova_t iova, uint64_t size, void *hva, bool write);
	int (*unmap)(struct iommu *iommu, iova_t iova, uint64_t size);
	void (*free)(struct iommu *iommu);
};

struct iommu {
	const struct iommu_ops *ops;
	/* What the IOMMU takes of all groups that have joined: known after the first. */
	uint64_t page_sizes; /* bit n: 2^n bytes */
	unsigned max_maps;   /* mappings in all, with those there are; 0: the kernel does not say */
	unsigned nranges;    /* 0: the kernel does not say */
	struct range ranges[IOMMU_MAX_RANGES];
};

/* NULL is fine. Mappings go with it. */
struct iommu *iommu_free(struct iommu *iommu);

/* Whether [iova, iova+size) lies in one usable range (true when the kernel does not say). */
bool iommu_reaches(const struct iommu *iommu, iova_t iova, uint64_t size);

/* One past the highest usable address; UINT64_MAX when the kernel does not say. */
iova_t iommu_limit(const struct iommu *iommu);

/*
 * The largest piece of [start, end) that is usable throughout, where devices' own memory
 * may lie; size 0: none of it is.
 */
struct range iommu_room(const struct iommu *iommu, iova_t start, iova_t end);

/*
 * type1v2 on an open /dev/vfio/vfio, without groups yet. container_fd is
 * borrowed and outlives it. -ENOTTY, -EINVAL: not a container of this ABI.
 */
int iommu_type1_new(int container_fd, struct iommu **ret, struct err *err);

/*
 * Put a group (open /dev/vfio/N, borrowed; number for messages) into the address
 * space. The first one sets the IOMMU; each may make its limits narrower. -EBUSY: somebody else
 * has it; -EPERM: not viable, or no interrupt remapping (err and its hint say).
 */
int iommu_type1_add_group(struct iommu *iommu, int group_fd, unsigned number, struct err *err);

/*
 * Of a group that has joined, after every device of it is closed; before the last one every
 * mapping must be gone. The next to join sets the IOMMU again.
 */
void iommu_type1_del_group(struct iommu *iommu, int group_fd);

/*
 * A device of a group that has joined. token: the VF token (UUID) or "".
 * KVM must have been told of the group before: drivers look for it at first open.
 */
int iommu_type1_device_fd(int group_fd, const char *bdf, const char *token, int *ret_fd,
			  struct err *err);

#endif
