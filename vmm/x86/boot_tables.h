/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the processor needs in RAM to enter a kernel: GDT, page tables; and the memory map. */
#ifndef VMM_X86_BOOT_TABLES_H
#define VMM_X86_BOOT_TABLES_H

#include <stdint.h>

#include "vmm/layout.h"

struct mem;

/* Selectors, as the boot protocol fixes them. */
#define BOOT_CS	       0x10
#define BOOT_DS	       0x18
#define BOOT_TSS       0x20
#define BOOT_GDT_LIMIT (5 * 8 - 1)

/* GDT at LAYOUT_GDT and an identity map of 4 GiB at LAYOUT_PAGE_TABLES. 0 or -EFAULT. */
int boot_tables_write(const struct mem *mem);

enum e820_type { E820_RAM = 1, E820_RESERVED = 2 };

struct e820_entry {
	uint64_t start;
	uint64_t size;
	enum e820_type type;
};

/* Each bank, the firmware's part of the first, and ECAM. */
#define E820_MAX (MEM_MAX_BANKS + 3)

/* Fills at most E820_MAX entries in order of address; returns how many. */
unsigned boot_memory_map(const struct mem *mem, struct e820_entry *map);

#endif
