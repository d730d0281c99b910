/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI Express link of a function or port: what it runs at, and what it could. */
#ifndef VFIO_PCI_LINK_H
#define VFIO_PCI_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"

struct pci_link {
	unsigned mts, width;	     /* megatransfers per second and lane; 0: down or unknown */
	unsigned max_mts, max_width; /* of this end of it */
};

/* All 0 for what has no link: VFs, conventional PCI, parts of the root complex. */
void pci_link_read(int root, struct bdf bdf, struct pci_link *ret);

/* It runs narrower or slower than this end could. */
bool pci_link_reduced(const struct pci_link *link);

/* "16 GT/s x8", "2.5 GT/s x1"; "" for an unknown link. Returns buf. */
char *pci_link_str(unsigned mts, unsigned width, char *buf, size_t size);

#define PCI_LINK_STRLEN 24

#endif
