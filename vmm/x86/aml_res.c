// SPDX-License-Identifier: GPL-2.0-or-later
/* Resource descriptors; section numbers are those of ACPI 6.4. */
#include "vmm/x86/aml.h"

#include <string.h>

#include "base/le.h"

enum {
	SMALL_IRQ = 0x22,  /* 6.4.2.1, two bytes: edge triggered, active high */
	SMALL_IO = 0x47,   /* 6.4.2.5 */
	SMALL_END = 0x79,  /* 6.4.2.9 */
	LARGE_MEM32_FIXED = 0x86, /* 6.4.3.4 */
	LARGE_DWORD = 0x87, /* 6.4.3.5.2 */
	LARGE_WORD = 0x88, /* 6.4.3.5.3 */
	LARGE_QWORD = 0x8a, /* 6.4.3.5.1 */
};

enum { SPACE_MEMORY, SPACE_IO, SPACE_BUS };

/* 6.4.3.5: positively decoded, and both ends fixed. */
#define PRODUCER_FIXED 0x0c
#define MEM_READ_WRITE 0x01
#define IO_ENTIRE      0x03

static void put(struct aml_res *res, const uint8_t *data, size_t len)
{
	if (len > sizeof(res->data) - res->len) {
		res->bad = true;
		return;
	}
	memcpy(res->data + res->len, data, len);
	res->len += len;
}

/* An address space descriptor with fields of `width` bytes. */
static void window(struct aml_res *res, uint8_t tag, unsigned width, uint8_t space,
		   uint8_t type_flags, uint64_t start, uint64_t size)
{
	const uint64_t fields[5] = { 0 /* granularity */, start, start + size - 1,
				     0 /* translation */, size };
	uint8_t d[6 + 5 * 8];

	d[0] = tag;
	put_le16(&d[1], (uint16_t)(3 + 5 * width));
	d[3] = space;
	d[4] = PRODUCER_FIXED;
	d[5] = type_flags;
	for (unsigned i = 0; i < 5; i++)
		put_le(&d[6 + i * width], fields[i], width);
	put(res, d, 6 + 5 * width);
}

void aml_res_bus(struct aml_res *res, uint16_t first, uint16_t last)
{
	window(res, LARGE_WORD, 2, SPACE_BUS, 0, first, (uint64_t)last - first + 1);
}

void aml_res_io_window(struct aml_res *res, uint16_t start, uint32_t size)
{
	window(res, LARGE_DWORD, 4, SPACE_IO, IO_ENTIRE, start, size);
}

void aml_res_mem32_window(struct aml_res *res, uint32_t start, uint32_t size)
{
	window(res, LARGE_DWORD, 4, SPACE_MEMORY, MEM_READ_WRITE, start, size);
}

void aml_res_mem64_window(struct aml_res *res, uint64_t start, uint64_t size)
{
	window(res, LARGE_QWORD, 8, SPACE_MEMORY, MEM_READ_WRITE, start, size);
}

void aml_res_io(struct aml_res *res, uint16_t port, uint8_t count)
{
	uint8_t d[8] = { SMALL_IO, 1 /* decodes 16 bits */ };

	put_le16(&d[2], port);
	put_le16(&d[4], port);
	d[6] = 1;
	d[7] = count;
	put(res, d, sizeof(d));
}

void aml_res_mem32(struct aml_res *res, uint32_t start, uint32_t size)
{
	uint8_t d[12] = { LARGE_MEM32_FIXED, 9, 0, MEM_READ_WRITE };

	put_le32(&d[4], start);
	put_le32(&d[8], size);
	put(res, d, sizeof(d));
}

void aml_res_irq(struct aml_res *res, unsigned irq)
{
	uint8_t d[3] = { SMALL_IRQ };

	put_le16(&d[1], (uint16_t)(1u << irq));
	put(res, d, sizeof(d));
}

void aml_resources(struct aml *aml, const struct aml_res *res)
{
	struct aml_res all = *res;

	/* A checksum of 0 stands for one that is right (6.4.2.9). */
	put(&all, (const uint8_t[]){ SMALL_END, 0 }, 2);
	if (all.bad)
		aml->bad = true;
	else
		aml_buffer(aml, all.data, all.len);
}
