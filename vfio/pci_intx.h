/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line of the host that a function's INTx raises, and who else listens to it. */
#ifndef VFIO_PCI_INTX_H
#define VFIO_PCI_INTX_H

#include <stdbool.h>

#include "base/bdf.h"

struct pci_intx {
	unsigned irq;	  /* the host's number */
	char others[128]; /* the handlers on it but VFIO's for this function: "ehci_hcd:usb1" */
	bool only;	  /* the function is known to have neither MSI nor MSI-X */
};

/*
 * Whether others have a handler on its line now; then *ret tells. false, too, where it has no
 * pin. Of a function that no driver enabled since the host started the kernel knows only what
 * the firmware wrote down as its line.
 */
bool pci_intx_is_shared(int root, struct bdf bdf, struct pci_intx *ret);

#endif
