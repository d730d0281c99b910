/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel ABI newer than the headers of the oldest system we build on (Debian 12,
 * Linux 6.1). Each number is checked against the kernel's header where that has
 * it; whether the running kernel knows it is found out at run time.
 */
#ifndef BASE_UAPI_H
#define BASE_UAPI_H

#include <linux/vfio.h>

/*
 * Linux 6.6 renamed KVM_DEV_VFIO_GROUP to KVM_DEV_VFIO_FILE (it takes cdevs too),
 * with the same numbers: one spelling serves every kernel. <linux/kvm.h> may come
 * before or after this file.
 */
#define KVM_DEV_VFIO_FILE     1
#define KVM_DEV_VFIO_FILE_ADD 1
#define KVM_DEV_VFIO_FILE_DEL 2

_Static_assert(sizeof(struct vfio_region_info) == 32, "argsz flags index cap size offset");
_Static_assert(sizeof(struct vfio_irq_info) == 16, "argsz flags index count");
_Static_assert(sizeof(struct vfio_irq_set) == 20, "five words, then the data");
_Static_assert(sizeof(struct vfio_iommu_type1_dma_map) == 32, "argsz flags vaddr iova size");

#endif
