/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel modules of drivers, by libkmod. */
#ifndef VFIO_MODULES_H
#define VFIO_MODULES_H

#include <stddef.h>

#include "base/bdf.h"
#include "base/err.h"

/*
 * The VFIO driver made for this very device (mlx5_vfio_pci, …), as the kernel's
 * vfio_pci: aliases name it; "vfio-pci" when there is none. Returns buf.
 */
char *modules_vfio_driver(int root, struct bdf bdf, char *buf, size_t size);

/*
 * Make sure a PCI driver of this name is registered, loading its module when it
 * is not. 0, or -errno with err set.
 */
int modules_load_driver(int root, const char *driver, struct err *err);

/* Whether that would find a module to load, or fail as that does: for dry runs. */
int modules_check_driver(int root, const char *driver, struct err *err);

#endif
