/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a PCI function sits, and what tells it from another that took its address. */
#ifndef VFIO_PCI_PATH_H
#define VFIO_PCI_PATH_H

#include <stddef.h>

#include "base/bdf.h"

#define PCI_IDENTITY_MAX 160

/*
 * What tells this device from another one that took its address: ids, subsystem,
 * serial number where root may read it, and its path of bridges without bus
 * numbers (they move when a card is added). A VF: its PF's, and its index.
 * 0 or -errno.
 */
int pci_path_identity(int root, struct bdf bdf, char *buf, size_t size);

/*
 * The bridges above bdf, outermost first, as they stand in sysfs; at most max.
 * Returns their number, or -errno.
 */
int pci_path_parents(int root, struct bdf bdf, struct bdf *ret, unsigned max);

#endif
