/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is mapped for DMA: keeps the ranges, checks them against the IOMMU's
 * limits before asking, and gives the kernel's refusals words.
 */
#ifndef VFIO_DMA_H
#define VFIO_DMA_H

#include <stdint.h>

#include "base/err.h"
#include "base/range.h"

struct dma;
struct iommu;

/* iommu is borrowed and outlives it. NULL when memory ran out. */
struct dma *dma_new(struct iommu *iommu);

/* Takes every mapping back. NULL is fine. */
struct dma *dma_free(struct dma *dma);

/*
 * Guest RAM: every page is pinned, and counted against RLIMIT_MEMLOCK. iova, hva
 * and size are page-aligned. -EINVAL: the IOMMU does not reach there (err names
 * the range it has); -ENOMEM: the limit (err names the number needed); -ENOSPC:
 * no mapping left; -EEXIST: overlaps one.
 */
int dma_map_ram(struct dma *dma, iova_t iova, uint64_t size, void *hva, struct err *err);

/*
 * Whether another IOMMU reaches all that is mapped now. -EINVAL: err names the first range that it does not,
 * and what it reaches of that.
 */
int dma_check_reach(const struct dma *dma, const struct iommu *iommu, struct err *err);

/* Another device's memory, for transfers between devices; silent: 0 or -errno. */
int dma_map_device(struct dma *dma, iova_t iova, uint64_t size, void *hva);

/* The mapping that begins at iova. 0, -ENOENT, or -errno. */
int dma_unmap(struct dma *dma, iova_t iova);

/* Mappings of RAM and of devices' memory there are now. */
unsigned dma_maps(const struct dma *dma);

/* Bytes of RAM mapped now. */
uint64_t dma_ram(const struct dma *dma);

#endif
