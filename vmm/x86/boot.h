/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Putting a kernel into guest RAM: Linux bzImage by the 64-bit boot protocol, or
 * an ELF vmlinux by PVH. Files are read straight into RAM; nothing in them is
 * believed before it is checked against the file's size and the guest's RAM.
 */
#ifndef VMM_X86_BOOT_H
#define VMM_X86_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/x86/state.h"

struct mem;

struct boot_config {
	int kernel_fd; /* a regular file; borrowed, read again at every guest reset */
	int initrd_fd; /* or -1 */
	const char *cmdline;
	uint64_t rsdp; /* where the ACPI root pointer is; 0: none */
	bool fresh;    /* RAM is still all zero: nothing needs clearing */
};

/*
 * Load everything and say where to enter. -EINVAL: not a kernel this machine can
 * boot, or a broken one; -ENOSPC: larger than the guest's RAM; -E2BIG: command
 * line too long; -errno of reading.
 */
int boot_load(const struct mem *mem, const struct boot_config *config, struct x86_entry *ret,
	      struct err *err);

#endif
