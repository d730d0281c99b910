/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keeps the kernel from recovering from a PCI Express error. */
#ifndef VFIO_PCI_RECOVERY_H
#define VFIO_PCI_RECOVERY_H

#include "base/bdf.h"

/*
 * A function without a driver below the bridge that bdf is behind: with one of those the
 * kernel recovers nothing there ("no error_detected callback"). A driver that lacks the
 * callback does the same, which sysfs does not tell. 1: *ret; 0: there is none; -errno.
 */
int pci_recovery_blocker(int root, struct bdf bdf, struct bdf *ret);

#endif
