// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/smbios.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/le.h"
#include "vmm/layout.h"
#include "vmm/mem.h"

/* SMBIOS 3.0 entry point (specification 5.2.2). */
enum {
	ENTRY_SIZE = 0x18,
	ENTRY_CHECKSUM = 5,
	ENTRY_LENGTH = 6,
	ENTRY_MAJOR = 7,
	ENTRY_REVISION = 10,
	ENTRY_TABLE_SIZE = 12,
	ENTRY_TABLE = 16,
	TABLES = 0x20, /* from the entry point */
	ROOM = 0x200,
};

static const uint8_t bios[] = {
	0, 0x18, 0x00, 0x00,	      /* type 0, length, handle */
	1, 2,			      /* vendor, version */
	0x00, 0xe8, 3, 0,	      /* segment, release date, ROM size */
	0x08, 0, 0, 0, 0, 0, 0, 0,    /* characteristics: none are supported */
	0x00, 0x14,		      /* a virtual machine; UEFI: no */
	0, 0, 0xff, 0xff,	      /* releases: of no controller */
};

static const uint8_t system_info[] = {
	1, 0x1b, 0x00, 0x01,				/* type 1, length, handle */
	1, 2, 3, 0,					/* manufacturer, product, version, serial */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* UUID: not set */
	6, 0, 0,					/* woken by the power switch */
};

static const uint8_t end[] = { 127, 4, 0xff, 0xfe };

_Static_assert(sizeof(bios) == 0x18 && sizeof(system_info) == 0x1b, "their own length bytes");

/* Each structure is followed by its strings and an empty one. */
static const char bios_strings[] = "Thruway\0" THRUWAY_VERSION "\0" "01/01/2026\0";
static const char system_strings[] = "Thruway\0" "Virtual Machine\0" THRUWAY_VERSION "\0";
static const char no_strings[] = "\0";

static size_t append(uint8_t *p, const uint8_t *structure, size_t size, const char *strings,
		     size_t strings_size)
{
	memcpy(p, structure, size);
	memcpy(p + size, strings, strings_size);
	return size + strings_size;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

int smbios_write(const struct mem *mem)
{
	uint8_t *p = gmem_ptr(mem, LAYOUT_SMBIOS, ROOM);
	uint8_t *t = p + TABLES;

	if (!p)
		return -EFAULT;
	memset(p, 0, ROOM);
	t += append(t, bios, sizeof(bios), bios_strings, sizeof(bios_strings));
	t += append(t, system_info, sizeof(system_info), system_strings, sizeof(system_strings));
	t += append(t, end, sizeof(end), no_strings, sizeof(no_strings));
	memcpy(p, "_SM3_", 5);
	p[ENTRY_LENGTH] = ENTRY_SIZE;
	p[ENTRY_MAJOR] = 3;
	p[ENTRY_REVISION] = 1;
	put_le32(p + ENTRY_TABLE_SIZE, (uint32_t)(t - (p + TABLES)));
	put_le64(p + ENTRY_TABLE, LAYOUT_SMBIOS + TABLES);
	p[ENTRY_CHECKSUM] = (uint8_t)-sum(p, ENTRY_SIZE);
	return 0;
}
