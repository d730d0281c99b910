/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many interrupt vectors a function has, and how many of them a driver took. */
#ifndef VFIO_PCI_INTERRUPTS_H
#define VFIO_PCI_INTERRUPTS_H

#include <stdbool.h>

#include "base/bdf.h"
#include "vfio/pci_config.h"

struct pci_interrupts {
	bool known;	/* false: its capabilities are not to be seen */
	unsigned msi;	/* vectors of the MSI capability; 0: has none */
	unsigned msix;	/* of the MSI-X table */
	bool intx;	/* it has a pin */
	unsigned taken; /* message vectors that are set up now */
};

void pci_interrupts_read(int root, struct bdf bdf, const struct pci_config *c,
			 struct pci_interrupts *ret);

#endif
