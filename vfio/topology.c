// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hostfs.h"
#include "vfio/pci_path.h"

static int by_address(const void *a, const void *b)
{
	const struct pci_function *x = a, *y = b;

	return bdf_cmp(x->bdf, y->bdf);
}

void topo_fini(struct topo *topo)
{
	free(topo->devs);
	*topo = (struct topo)TOPO_INIT;
}

const struct pci_function *topo_find(const struct topo *topo, struct bdf bdf)
{
	struct pci_function key = { .bdf = bdf };

	if (!topo->count)
		return NULL;
	return bsearch(&key, topo->devs, topo->count, sizeof(key), by_address);
}

const struct pci_function *topo_group_next(const struct topo *topo, int group,
					   const struct pci_function *after)
{
	size_t i = after ? (size_t)(after - topo->devs) + 1 : 0;

	for (; i < topo->count; i++) {
		if (topo->devs[i].group == group)
			return &topo->devs[i];
	}
	return NULL;
}

bool topo_group_viable(const struct topo *topo, int group)
{
	const struct pci_function *d = NULL;

	while ((d = topo_group_next(topo, group, d))) {
		if (!pci_function_leaves_group_viable(d))
			return false;
	}
	return true;
}

#define DEPTH_MAX 16
#define VMD_DOMAIN 0x10000 /* from here up: _SEG of ACPI has 16 bits */

const struct pci_function *topo_vmd_of(int root, const struct topo *topo,
				       const struct pci_function *dev)
{
	struct bdf above[DEPTH_MAX];
	int n = dev->bdf.domain < VMD_DOMAIN
			? 0
			: pci_path_parents(root, dev->bdf, above, DEPTH_MAX);

	for (int i = 0; i < n; i++) {
		const struct pci_function *d = topo_find(topo, above[i]);

		if (d && pci_function_is_endpoint(d))
			return d;
	}
	return NULL;
}

static int first_entry(const char *name, void *opaque)
{
	return 1;
}

enum iommu_state topo_iommu_state(int root)
{
	if (hostfs_list(root, first_entry, NULL, "sys/class/iommu") == 1 ||
	    hostfs_list(root, first_entry, NULL, "sys/kernel/iommu_groups") == 1)
		return IOMMU_ON;
	if (hostfs_exists(root, "sys/firmware/acpi/tables/DMAR") ||
	    hostfs_exists(root, "sys/firmware/acpi/tables/IVRS"))
		return IOMMU_NOT_ENABLED;
	return IOMMU_NO_FIRMWARE;
}

int topo_hint_no_group(int root, struct err *err)
{
	switch (topo_iommu_state(root)) {
	case IOMMU_ON:
		return err_hint(err, "this host has an IOMMU, but it does not cover this device");
	case IOMMU_NOT_ENABLED:
		return err_hint(err, "the firmware has an IOMMU that the kernel does not use: boot "
				     "with intel_iommu=on (Intel) or without amd_iommu=off (AMD)");
	case IOMMU_NO_FIRMWARE: break;
	}
	return err_hint(err,
			"this host shows no IOMMU (%s): switch on VT-d or AMD-Vi in the "
			"firmware; in a virtual machine, give it a vIOMMU",
			hostfs_exists(root, "sys/firmware/acpi/tables")
				? "no DMAR or IVRS table"
				: "and the firmware's tables are not to be seen");
}
