/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The errors the kernel has counted for a function since it was found. */
#ifndef VFIO_PCI_AER_H
#define VFIO_PCI_AER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"

struct pci_aer_count {
	uint64_t total;
	char kinds[96]; /* "RxErr 3, BadTLP 1": those that are not 0; cut at a comma */
};

struct pci_aer {
	bool there; /* the kernel counts for this function */
	struct pci_aer_count correctable, nonfatal, fatal;
};

void pci_aer_read(int root, struct bdf bdf, struct pci_aer *ret);

#endif
