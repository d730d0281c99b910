// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Why a group cannot join devices that a guest has already. The kernel refuses one that has addresses
 * reserved, or an IOMMU that ends, where something is mapped (vfio_iommu_type1_attach_group()), and does not
 * say where. Alone in an address space the group is not refused, and its limits can be read.
 */
#include "vmm/vfio_pci/internal.h"

#include "vfio/dma.h"
#include "vfio/iommu.h"

int vfio_pci_explain_reach(const struct vfio_pci_set *set, int group_fd, unsigned number,
			   int container_fd, struct err *err)
{
	struct iommu *alone = NULL;
	int r = 0;

	if (container_fd < 0 || iommu_type1_new(container_fd, &alone, NULL) < 0)
		return 0;
	if (iommu_type1_add_group(alone, group_fd, number, NULL) == 0) {
		r = dma_check_reach(set->dma, alone, err);
		iommu_type1_del_group(alone, group_fd);
	}
	iommu_free(alone);
	return r;
}
