// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/facts.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "vfio/pci_path.h"

/* The link in sys/bus/pci/devices is "../../../devices/pci…". */
static void read_place(int root, struct bdf bdf, struct facts *f)
{
	char link[HOSTFS_PATH_MAX - 8], *at;
	int n = pci_path_parents(root, bdf, f->parents, FACTS_PARENTS_MAX);

	f->parent_count = n > 0 ? (unsigned)n : 0;
	if (hostfs_readlink(root, link, sizeof(link), "sys/bus/pci/devices/%s", BDF_STR(bdf)) < 0)
		return;
	at = strstr(link, "/devices/");
	if (at)
		snprintf(f->sysfs, sizeof(f->sysfs), "/sys%s", at);
}

static void read_group(int root, int group, struct facts *f)
{
	int n = group < 0 ? 0 : iommu_group_regions(root, group, f->regions, IOMMU_REGIONS_MAX);

	f->region_count = n > 0 ? (unsigned)n : 0;
	if (group >= 0)
		iommu_group_type(root, group, f->group_type, sizeof(f->group_type));
}

static void read_config(int root, struct bdf bdf, struct facts *f)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;

	pci_config_open(root, bdf, &c);
	f->caps_known = pci_config_whole(&c);
	f->cap_count = pci_config_caps(&c, f->caps, PCI_CAPS_MAX);
	pci_interrupts_read(root, bdf, &c, &f->interrupts);
}

void facts_read(int root, const struct pci_function *dev, struct facts *ret)
{
	*ret = (struct facts){ 0 };
	read_place(root, dev->bdf, ret);
	read_group(root, dev->group, ret);
	pci_aer_read(root, dev->bdf, &ret->aer);
	ret->reset_unnamed = !dev->reset_methods[0] &&
			     hostfs_exists(root, "sys/bus/pci/devices/%s/reset", BDF_STR(dev->bdf));
	if (!dev->busy)
		read_config(root, dev->bdf, ret);
}
