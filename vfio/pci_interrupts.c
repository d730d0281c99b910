// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_interrupts.h"

#include <linux/pci_regs.h>

#include "base/hostfs.h"

static int count(const char *name, void *opaque)
{
	++*(unsigned *)opaque;
	return 0;
}

void pci_interrupts_read(int root, struct bdf bdf, const struct pci_config *c,
			 struct pci_interrupts *ret)
{
	struct pci_interrupts i = { .known = pci_config_whole(c) };
	unsigned msi = pci_config_find(c, PCI_CAP_ID_MSI, false);
	unsigned msix = pci_config_find(c, PCI_CAP_ID_MSIX, false);

	if (msi) /* Multiple Message Capable: a power of two */
		i.msi = 1u << ((pci_config_u16(c, msi + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_QMASK) >> 1);
	if (msix)
		i.msix = (pci_config_u16(c, msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1u;
	i.intx = c->size && c->head[PCI_INTERRUPT_PIN];
	(void)hostfs_list(root, count, &i.taken, "sys/bus/pci/devices/%s/msi_irqs", BDF_STR(bdf));
	*ret = i;
}
