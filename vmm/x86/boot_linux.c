// SPDX-License-Identifier: GPL-2.0-or-later
/* Linux bzImage, 64-bit entry (Documentation/arch/x86/boot.rst of the kernel). */
#include <errno.h>
#include <string.h>

#include "base/le.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/x86/boot_internal.h"
#include "vmm/x86/boot_tables.h"

/* Offsets in the file's first sectors, and in boot_params, which begins alike. */
enum {
	PARAM_RSDP = 0x070,
	PARAM_EXT_INITRD = 0x0c0,
	PARAM_EXT_INITRD_SIZE = 0x0c4,
	PARAM_EXT_CMDLINE = 0x0c8,
	PARAM_E820_COUNT = 0x1e8,
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	HEADER_END_JUMP = 0x201,
	HEADER = 0x202, /* where the length of the header counts from */
	VERSION = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	INITRD = 0x218,
	INITRD_SIZE = 0x21c,
	CMDLINE = 0x228,
	INITRD_ADDR_MAX = 0x22c,
	ALIGNMENT = 0x230,
	RELOCATABLE = 0x234,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_MAX = 0x290, /* the header ends before this */
	PARAM_E820 = 0x2d0,
	PARAM_SIZE = 0x1000,
};

#define VERSION_XLOADFLAGS 0x20c /* Linux 3.8: says whether there is a 64-bit entry */
#define XLF_KERNEL_64	   1
#define LOADED_HIGH	   1
#define LOADER_UNKNOWN	   0xff
#define ENTRY_64	   0x200 /* from where the kernel was loaded */
#define SECTOR		   512
#define E820_ENTRY_SIZE	   20

struct header {
	uint64_t offset, size;	 /* of the protected-mode kernel in the file */
	uint64_t load, init_size; /* where it goes, and how much RAM it wants from there */
	uint64_t alignment;
	bool relocatable;
	uint64_t initrd_max, cmdline_max;
};

static int parse(const struct boot *b, struct header *h, struct err *err)
{
	const uint8_t *p = b->head;
	unsigned sects = p[SETUP_SECTS] ? p[SETUP_SECTS] : 4;

	if (b->kernel_size < HEADER_MAX)
		return boot_truncated(b, HEADER_MAX, err);
	if (get_le16(p + VERSION) < VERSION_XLOADFLAGS ||
	    !(get_le16(p + XLOADFLAGS) & XLF_KERNEL_64) || !(p[LOADFLAGS] & LOADED_HIGH)) {
		err_plain(err, -EINVAL, "the kernel has no 64-bit entry (boot protocol %u.%02u)",
			  p[VERSION + 1], p[VERSION]);
		return err_hint(err, "take an x86-64 kernel of Linux 3.8 or newer");
	}
	*h = (struct header){
		.offset = (sects + 1ull) * SECTOR,
		.size = get_le32(p + SYSSIZE) * 16ull,
		.load = get_le64(p + PREF_ADDRESS),
		.init_size = get_le32(p + INIT_SIZE),
		.alignment = get_le32(p + ALIGNMENT),
		.relocatable = p[RELOCATABLE],
		.initrd_max = get_le32(p + INITRD_ADDR_MAX) + 1ull,
		.cmdline_max = get_le32(p + CMDLINE_SIZE),
	};
	/* The last paragraph may be cut short. */
	if (b->kernel_size < h->offset + (h->size > 15 ? h->size - 15 : h->size))
		return boot_truncated(b, h->offset + h->size, err);
	if (h->size > b->kernel_size - h->offset)
		h->size = b->kernel_size - h->offset;
	if (h->size <= ENTRY_64 || !is_pow2(h->alignment) || h->load % h->alignment)
		return err_plain(err, -EINVAL, "the kernel's boot header contradicts itself");
	if (h->init_size < h->size)
		h->init_size = h->size;
	return 0;
}

static bool fits(const struct boot *b, uint64_t load, uint64_t size)
{
	return load >= MiB && load < mem_low_end(b->mem) && size <= mem_low_end(b->mem) - load;
}

/* Where it would like to be, else as low as our own structures and its alignment allow. */
static int place(const struct boot *b, struct header *h, struct err *err)
{
	uint64_t low = align_up(MiB, h->alignment);

	if (fits(b, h->load, h->init_size))
		return 0;
	if (h->relocatable && fits(b, low, h->init_size)) {
		h->load = low;
		return 0;
	}
	if (!h->relocatable)
		low = h->load;
	return boot_too_large(b, boot_sum(low, h->init_size), err);
}

static void write_e820(const struct mem *mem, uint8_t *params)
{
	struct e820_entry map[E820_MAX];
	unsigned n = boot_memory_map(mem, map);

	params[PARAM_E820_COUNT] = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *e = params + PARAM_E820 + i * E820_ENTRY_SIZE;

		put_le64(e, map[i].start);
		put_le64(e + 8, map[i].size);
		put_le32(e + 16, map[i].type);
	}
}

static int write_params(const struct boot *b)
{
	uint8_t *p = gmem_ptr(b->mem, LAYOUT_ZERO_PAGE, PARAM_SIZE);
	size_t end = HEADER + b->head[HEADER_END_JUMP];

	if (!p)
		return -EFAULT;
	memset(p, 0, PARAM_SIZE);
	/* Only the header: what lies around it in the file is old boot-sector code. */
	memcpy(p + SETUP_SECTS, b->head + SETUP_SECTS,
	       (end < HEADER_MAX ? end : HEADER_MAX) - SETUP_SECTS);
	p[TYPE_OF_LOADER] = LOADER_UNKNOWN;
	put_le32(p + CMDLINE, LAYOUT_CMDLINE);
	put_le32(p + INITRD, (uint32_t)b->initrd);
	put_le32(p + INITRD_SIZE, (uint32_t)b->initrd_size);
	put_le64(p + PARAM_RSDP, b->config->rsdp);
	write_e820(b->mem, p);
	return 0;
}

int boot_bzimage(struct boot *b, struct x86_entry *ret, struct err *err)
{
	struct header h = { 0 };
	int r = parse(b, &h, err);

	if (r == 0)
		r = place(b, &h, err);
	if (r == 0)
		r = boot_write_cmdline(b, h.cmdline_max, err);
	if (r == 0)
		r = boot_load_initrd(b, h.load + h.init_size, h.initrd_max, err);
	if (r < 0)
		return r;
	r = boot_read(b->mem, b->config->kernel_fd, h.offset, h.load, h.size);
	if (r == 0)
		r = boot_clear(b, h.load + h.size, h.init_size - h.size);
	if (r == 0)
		r = write_params(b);
	if (r < 0)
		return err_set(err, r, "cannot load the kernel");
	*ret = (struct x86_entry){ true, h.load + ENTRY_64, LAYOUT_ZERO_PAGE };
	return 0;
}
