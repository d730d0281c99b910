// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/boot_tables.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem.h"

#define PAGE	   4096ull
#define PTE_TABLE  0x003ull /* present, writable */
#define PTE_LARGE  0x083ull /* and 2 MiB */
#define DIRECTORIES 4	    /* of 1 GiB each: all that a bootloader may use */

/* Flat segments; the 64-bit or the 32-bit code segment was loaded by KVM, not from here. */
static const uint64_t gdt[] = {
	0, 0,
	0x00af9b000000ffff, /* BOOT_CS: 64-bit code */
	0x00cf93000000ffff, /* BOOT_DS: data */
	0x00008b0000000067, /* BOOT_TSS: busy, never used */
};

_Static_assert(sizeof(gdt) == BOOT_GDT_LIMIT + 1, "as SGDT will say");

int boot_tables_write(const struct mem *mem)
{
	uint8_t *g = gmem_ptr(mem, LAYOUT_GDT, sizeof(gdt));
	uint8_t *t = gmem_ptr(mem, LAYOUT_PAGE_TABLES, (2 + DIRECTORIES) * PAGE);
	uint8_t *pdpt, *pd;

	if (!g || !t)
		return -EFAULT;
	for (unsigned i = 0; i < ARRAY_SIZE(gdt); i++)
		put_le64(g + 8 * i, gdt[i]);
	pdpt = t + PAGE;
	pd = pdpt + PAGE;
	memset(t, 0, 2 * PAGE);
	put_le64(t, (LAYOUT_PAGE_TABLES + PAGE) | PTE_TABLE);
	for (unsigned i = 0; i < DIRECTORIES; i++)
		put_le64(pdpt + 8 * i, (LAYOUT_PAGE_TABLES + (2 + i) * PAGE) | PTE_TABLE);
	for (unsigned i = 0; i < DIRECTORIES * 512; i++)
		put_le64(pd + 8 * i, i * 2 * MiB | PTE_LARGE);
	return 0;
}

/* One more piece of RAM; a bank that goes on where the last ended is none of its own. */
static unsigned add_ram(struct e820_entry *map, unsigned n, uint64_t start, uint64_t end)
{
	struct e820_entry *last = &map[n - 1];

	if (start >= end)
		return n;
	if (last->type == E820_RAM && last->start + last->size == start) {
		last->size += end - start;
		return n;
	}
	map[n] = (struct e820_entry){ start, end - start, E820_RAM };
	return n + 1;
}

unsigned boot_memory_map(const struct mem *mem, struct e820_entry *map)
{
	const struct mem_bank *b;
	unsigned n = 0, i = 0;

	map[n++] = (struct e820_entry){ 0, LAYOUT_EBDA, E820_RAM };
	map[n++] = (struct e820_entry){ LAYOUT_EBDA, MiB - LAYOUT_EBDA, E820_RESERVED };
	for (; (b = mem_bank(mem, i)) && b->gpa < LAYOUT_LOW_RAM_END; i++)
		n = add_ram(map, n, b->gpa < MiB ? MiB : b->gpa, b->gpa + b->size);
	/* Linux uses ECAM only where some table reserves it. */
	map[n++] = (struct e820_entry){ LAYOUT_ECAM, LAYOUT_ECAM_SIZE, E820_RESERVED };
	for (; (b = mem_bank(mem, i)); i++)
		n = add_ram(map, n, b->gpa, b->gpa + b->size);
	return n;
}
