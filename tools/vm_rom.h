/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that a guest is to find as a device's expansion ROM. */
#ifndef TOOLS_VM_ROM_H
#define TOOLS_VM_ROM_H

#include "base/bdf.h"
#include "base/err.h"

/*
 * Open it for the VMM. -EINVAL: it is not a ROM (PCI Firmware Specification 3.0, 5.1), and in
 * what way; of vm_open_file(). A ROM for other devices than bdf is warned of: cards are
 * sold under several ids.
 */
int vm_rom_open(int root, struct bdf bdf, const char *path, int *ret_fd, struct err *err);

/*
 * -EBUSY for the display that the host's firmware started: its ROM has been run, and what
 * is read of it since is not what it was.
 */
int vm_rom_refuse_boot_display(int root, struct bdf bdf, struct err *err);

#endif
