// SPDX-License-Identifier: GPL-2.0-or-later
/* ELF vmlinux by PVH: a 32-bit entry named by a note, and hvm_start_info in EBX. */
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/le.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/x86/boot_internal.h"
#include "vmm/x86/boot_tables.h"

#define NOTE_NAME	 "Xen"
#define NOTE_PHYS32	 18
#define NOTES_MAX	 (64 * KiB) /* of one segment that we are ready to look through */
#define NOTE_COUNT_MAX	 256
#define SEGMENTS_MAX	 32
#define START_MAGIC	 0x336ec578u

/* hvm_start_info version 1, its module list and memory map, all in the zero page. */
enum {
	START_INFO = 0,
	START_VERSION = 4,
	START_NR_MODULES = 12,
	START_MODULES = 16,
	START_CMDLINE = 24,
	START_RSDP = 32,
	START_MEMMAP = 40,
	START_NR_MEMMAP = 48,
	MODULE = 0x100,
	MEMMAP = 0x200,
	MEMMAP_ENTRY_SIZE = 24,
	INFO_SIZE = 0x1000,
};

struct segment {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz;
};

struct elf {
	unsigned phnum;
	bool have_entry;
	uint32_t entry;
	uint64_t end; /* of what is loaded */
};

static struct segment segment_at(const struct boot *b, unsigned i)
{
	uint64_t phoff = get_le64(b->head + offsetof(Elf64_Ehdr, e_phoff));
	const uint8_t *p = b->head + phoff + i * sizeof(Elf64_Phdr);

	return (struct segment){
		.type = get_le32(p + offsetof(Elf64_Phdr, p_type)),
		.offset = get_le64(p + offsetof(Elf64_Phdr, p_offset)),
		.paddr = get_le64(p + offsetof(Elf64_Phdr, p_paddr)),
		.filesz = get_le64(p + offsetof(Elf64_Phdr, p_filesz)),
		.memsz = get_le64(p + offsetof(Elf64_Phdr, p_memsz)),
	};
}

static int check_elf(const struct boot *b, struct elf *elf, struct err *err)
{
	const uint8_t *h = b->head;
	uint64_t phoff = get_le64(h + offsetof(Elf64_Ehdr, e_phoff));

	if (b->kernel_size < sizeof(Elf64_Ehdr))
		return boot_truncated(b, sizeof(Elf64_Ehdr), err);
	if (h[EI_CLASS] != ELFCLASS64 || h[EI_DATA] != ELFDATA2LSB ||
	    get_le16(h + offsetof(Elf64_Ehdr, e_machine)) != EM_X86_64)
		return err_plain(err, -EINVAL, "the kernel is an ELF file of another machine");
	elf->phnum = get_le16(h + offsetof(Elf64_Ehdr, e_phnum));
	if (get_le16(h + offsetof(Elf64_Ehdr, e_phentsize)) != sizeof(Elf64_Phdr) ||
	    elf->phnum == 0 || elf->phnum > SEGMENTS_MAX || phoff > BOOT_HEAD_SIZE ||
	    elf->phnum * sizeof(Elf64_Phdr) > BOOT_HEAD_SIZE - phoff)
		return err_plain(err, -EINVAL,
				 "the kernel's ELF header names no segments that could be loaded");
	if (b->kernel_size < phoff + elf->phnum * sizeof(Elf64_Phdr))
		return boot_truncated(b, phoff + elf->phnum * sizeof(Elf64_Phdr), err);
	return 0;
}

static int refuse_program(const struct boot *b, const struct elf *elf, struct err *err)
{
	for (unsigned i = 0; i < elf->phnum; i++) {
		if (segment_at(b, i).type != PT_INTERP)
			continue;
		err_plain(err, -EINVAL, "the kernel file is an ordinary program, not a kernel");
		return boot_hint_kernel(err);
	}
	return 0;
}

static int load_segment(const struct boot *b, const struct segment *s, struct elf *elf,
			struct err *err)
{
	uint64_t ram = mem_low_end(b->mem);
	int r;

	if (s->memsz < s->filesz || s->paddr < MiB) {
		err_plain(err, -EINVAL,
			  "the kernel's ELF header has a segment for 0x%llx that is no kernel's",
			  (unsigned long long)s->paddr);
		return boot_hint_kernel(err);
	}
	if (s->paddr >= ram || s->memsz > ram - s->paddr)
		return boot_too_large(b, boot_sum(s->paddr, s->memsz), err);
	r = boot_read(b->mem, b->config->kernel_fd, s->offset, s->paddr, s->filesz);
	if (r == 0)
		r = boot_clear(b, s->paddr + s->filesz, s->memsz - s->filesz);
	if (r < 0)
		return err_set(err, r, "cannot load the kernel");
	if (s->paddr + s->memsz > elf->end)
		elf->end = s->paddr + s->memsz;
	return 0;
}

/* Look through the notes in place: the segment is inside PT_LOAD, and so in RAM by now. */
static void find_entry(const uint8_t *notes, uint64_t size, struct elf *elf)
{
	uint64_t off = 0;

	for (unsigned i = 0; i < NOTE_COUNT_MAX && size - off >= sizeof(Elf64_Nhdr); i++) {
		uint64_t namesz = get_le32(notes + off), descsz = get_le32(notes + off + 4);
		uint32_t type = get_le32(notes + off + 8);
		uint64_t name = off + sizeof(Elf64_Nhdr), desc = name + align_up(namesz, 4);

		if (desc > size || descsz > size - desc)
			return;
		if (type == NOTE_PHYS32 && namesz == sizeof(NOTE_NAME) &&
		    memcmp(notes + name, NOTE_NAME, namesz) == 0 && descsz >= 4) {
			elf->entry = get_le32(notes + desc);
			elf->have_entry = true;
			return;
		}
		off = desc + align_up(descsz, 4);
		if (off > size)
			return;
	}
}

static int read_notes(const struct boot *b, const struct segment *s, struct elf *elf,
		      struct err *err)
{
	uint64_t size = s->filesz < NOTES_MAX ? s->filesz : NOTES_MAX;
	/* RAM that nothing else uses yet; both are below the first segment. */
	uint8_t *room = gmem_ptr(b->mem, LAYOUT_CMDLINE, NOTES_MAX);
	int r;

	if (!room)
		return err_plain(err, -EFAULT, "no memory for the kernel's notes");
	r = boot_read(b->mem, b->config->kernel_fd, s->offset, LAYOUT_CMDLINE, size);
	if (r < 0)
		return err_set(err, r, "cannot read the kernel");
	find_entry(room, size, elf);
	memset(room, 0, size);
	return 0;
}

static int load_segments(const struct boot *b, struct elf *elf, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; i < elf->phnum && r == 0; i++) {
		struct segment s = segment_at(b, i);

		if (s.type != PT_LOAD && s.type != PT_NOTE)
			continue;
		if (s.offset > b->kernel_size || s.filesz > b->kernel_size - s.offset)
			return boot_truncated(b, boot_sum(s.offset, s.filesz), err);
		r = s.type == PT_LOAD ? load_segment(b, &s, elf, err) :
					read_notes(b, &s, elf, err);
	}
	if (r < 0)
		return r;
	if (!elf->have_entry) {
		err_plain(err, -EINVAL, "the ELF kernel has no PVH entry");
		return err_hint(err, "build it with CONFIG_PVH=y, or take its bzImage");
	}
	if (elf->entry < MiB || elf->entry >= elf->end)
		return err_plain(err, -EINVAL, "the kernel's PVH entry lies outside of the kernel");
	return 0;
}

static int write_start_info(const struct boot *b)
{
	uint8_t *p = gmem_ptr(b->mem, LAYOUT_ZERO_PAGE, INFO_SIZE);
	struct e820_entry map[E820_MAX];
	unsigned n = boot_memory_map(b->mem, map);

	if (!p)
		return -EFAULT;
	memset(p, 0, INFO_SIZE);
	put_le32(p + START_INFO, START_MAGIC);
	put_le32(p + START_VERSION, 1);
	put_le64(p + START_CMDLINE, LAYOUT_CMDLINE);
	put_le64(p + START_RSDP, b->config->rsdp);
	put_le64(p + START_MEMMAP, LAYOUT_ZERO_PAGE + MEMMAP);
	put_le32(p + START_NR_MEMMAP, n);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *e = p + MEMMAP + i * MEMMAP_ENTRY_SIZE;

		put_le64(e, map[i].start);
		put_le64(e + 8, map[i].size);
		put_le32(e + 16, map[i].type);
	}
	if (b->initrd_size) {
		put_le32(p + START_NR_MODULES, 1);
		put_le64(p + START_MODULES, LAYOUT_ZERO_PAGE + MODULE);
		put_le64(p + MODULE, b->initrd);
		put_le64(p + MODULE + 8, b->initrd_size);
	}
	return 0;
}

int boot_pvh(struct boot *b, struct x86_entry *ret, struct err *err)
{
	struct elf elf = { 0 };
	int r = check_elf(b, &elf, err);

	if (r == 0)
		r = refuse_program(b, &elf, err);
	if (r == 0)
		r = load_segments(b, &elf, err);
	if (r == 0)
		r = boot_write_cmdline(b, 2047, err); /* COMMAND_LINE_SIZE of x86 */
	if (r == 0)
		r = boot_load_initrd(b, elf.end, mem_low_end(b->mem), err);
	if (r == 0)
		r = write_start_info(b);
	if (r < 0)
		return err_set(err, r, "cannot load the kernel");
	*ret = (struct x86_entry){ false, elf.entry, LAYOUT_ZERO_PAGE };
	return 0;
}
