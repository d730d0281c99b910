/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many address bits of a device's DMA an IOMMU maps, as the kernel tells of its registers. */
#ifndef VFIO_IOMMU_WIDTH_H
#define VFIO_IOMMU_WIDTH_H

#include <stdbool.h>

#include "base/bdf.h"

/* text: of its intel-iommu/cap or, amd, of its amd-iommu/features. */
unsigned iommu_width_parse(const char *text, bool amd);

/* Of the one that a device is behind. 0: the kernel does not tell, or it is another kind. */
unsigned iommu_width_of(int root, struct bdf bdf);

#endif
