/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resetting a function through sysfs, outside of any guest. */
#ifndef VFIO_PCI_FUNCTION_RESET_H
#define VFIO_PCI_FUNCTION_RESET_H

#include "base/err.h"
#include "vfio/pci_function.h"

/*
 * By the first of the kernel's methods that works (reset_methods). -EOPNOTSUPP
 * when it knows none; -ENOTTY when none of them may be used here; -EIO when it does not answer after it;
 * err set.
 */
int pci_function_reset(int root, const struct pci_function *dev, struct err *err);

/* Whether the kernel knows a way to: 0, or -EOPNOTSUPP as above. */
int pci_function_reset_check(int root, const struct pci_function *dev, struct err *err);

#endif
