// SPDX-License-Identifier: GPL-2.0-or-later
/* Kernels, good and hostile, and where they end up in guest RAM. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/x86/boot.h"

#define RAM	  (64 * MiB)
#define KERNEL	  (256 * KiB) /* of the made-up kernels, without their setup sectors */
#define SETUP	  (5 * 512)
#define ELF_DATA  0x1000
#define PREFERRED (16 * MiB)

struct fixture {
	struct mem *mem;
	uint8_t file[SETUP + KERNEL];
	size_t size;
	struct boot_config config;
	struct x86_entry entry;
	struct err err;
	const char *cmdline;
	size_t initrd;
};

static int setup(void **state)
{
	struct mem_config config = { .nodes = 1, .node = &(struct mem_node){ .size = RAM } };
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->cmdline = "console=ttyS0";
	f->size = sizeof(f->file);
	return f ? mem_new(&config, &f->mem, NULL) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mem_free(f->mem);
	free(f);
	return 0;
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, size), 0);
	return fd;
}

static int load(struct fixture *f)
{
	_cleanup_close_ int kernel = file_of(f->file, f->size);
	_cleanup_close_ int initrd = -1;

	if (f->initrd) {
		initrd = file_of((const uint8_t *)"initrd", 6);
		assert_int_equal(ftruncate(initrd, (off_t)f->initrd), 0);
	}
	f->err = (struct err)ERR_INIT;
	f->config.kernel_fd = kernel;
	f->config.initrd_fd = initrd;
	f->config.cmdline = f->cmdline;
	return boot_load(f->mem, &f->config, &f->entry, &f->err);
}

static void make_bzimage(struct fixture *f)
{
	uint8_t *p = f->file;

	memset(p, 0x11, sizeof(f->file));
	memset(p, 0, SETUP);
	p[0x1f1] = SETUP / 512 - 1;
	put_le32(p + 0x1f4, KERNEL / 16);
	put_le16(p + 0x1fe, 0xaa55);
	p[0x201] = 0x6a; /* the header ends at 0x26c */
	memcpy(p + 0x202, "HdrS", 4);
	put_le16(p + 0x206, 0x20f);
	p[0x211] = 1;
	put_le32(p + 0x22c, 0x7fffffff);
	put_le32(p + 0x230, 2 * MiB);
	p[0x234] = 1;
	put_le16(p + 0x236, 1);
	put_le32(p + 0x238, 2047);
	put_le64(p + 0x258, PREFERRED);
	put_le32(p + 0x260, MiB);
}

static void test_bzimage_goes_where_it_prefers(void **state)
{
	struct fixture *f = *state;
	const uint8_t *zero;

	make_bzimage(f);
	f->initrd = 5000;
	f->config.rsdp = LAYOUT_ACPI;
	assert_int_equal(load(f), 0);
	assert_true(f->entry.long_mode);
	assert_int_equal(f->entry.rip, PREFERRED + 0x200);
	assert_int_equal(f->entry.arg, LAYOUT_ZERO_PAGE);
	assert_int_equal(*gmem_ptr(f->mem, PREFERRED, 1), 0x11);
	assert_int_equal(*gmem_ptr(f->mem, PREFERRED + KERNEL - 1, 1), 0x11);
	zero = gmem_ptr(f->mem, LAYOUT_ZERO_PAGE, 4096);
	assert_int_equal(zero[0x210], 0xff);
	assert_int_equal(get_le32(zero + 0x228), LAYOUT_CMDLINE);
	assert_string_equal(gmem_ptr(f->mem, LAYOUT_CMDLINE, 64), "console=ttyS0");
	assert_int_equal(get_le64(zero + 0x70), LAYOUT_ACPI);
	/* The initrd: as high as whole pages allow. */
	assert_int_equal(get_le32(zero + 0x218), RAM - 8192);
	assert_int_equal(get_le32(zero + 0x21c), 5000);
	assert_memory_equal(gmem_ptr(f->mem, RAM - 8192, 6), "initrd", 6);
}

static void test_memory_map_has_ram_ecam_and_the_firmware_area(void **state)
{
	struct fixture *f = *state;
	const uint8_t *zero, *e;

	make_bzimage(f);
	assert_int_equal(load(f), 0);
	zero = gmem_ptr(f->mem, LAYOUT_ZERO_PAGE, 4096);
	e = zero + 0x2d0;
	assert_int_equal(zero[0x1e8], 4);
	assert_int_equal(get_le64(e), 0);
	assert_int_equal(get_le64(e + 8), LAYOUT_EBDA);
	assert_int_equal(get_le32(e + 16), 1);
	assert_int_equal(get_le32(e + 20 + 16), 2);
	assert_int_equal(get_le64(e + 40), MiB);
	assert_int_equal(get_le64(e + 48), RAM - MiB);
	assert_int_equal(get_le64(e + 60), LAYOUT_ECAM);
	assert_int_equal(get_le32(e + 60 + 16), 2);
}

static void test_relocatable_kernel_moves_into_small_ram(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	put_le64(f->file + 0x258, RAM - 2 * MiB);
	put_le32(f->file + 0x260, 4 * MiB);
	assert_int_equal(load(f), 0);
	assert_int_equal(f->entry.rip, 2 * MiB + 0x200);
	f->file[0x234] = 0; /* not relocatable */
	assert_int_equal(load(f), -ENOSPC);
	assert_non_null(strstr(f->err.text, "64 MiB"));
	assert_true(f->err.hint[0] != '\0');
}

static void test_last_paragraph_may_be_cut_but_no_more(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	f->size = sizeof(f->file) - 15;
	assert_int_equal(load(f), 0);
	f->size = sizeof(f->file) - 16;
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(f->err.text, "truncated"));
}

/* One wrong field each. */
static void test_bad_bzimages_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		unsigned off, len;
		uint64_t value;
		int code;
		const char *says;
	} rows[] = {
		{ 0x1fe, 2, 0, -EINVAL, "neither" },
		{ 0x202, 4, 0, -EINVAL, "neither" },
		{ 0x206, 2, 0x20b, -EINVAL, "2.11" },
		{ 0x236, 2, 0, -EINVAL, "64-bit" },
		{ 0x211, 1, 0, -EINVAL, "64-bit" },
		{ 0x1f4, 4, 0xffffffff, -EINVAL, "truncated" },
		{ 0x1f4, 4, 0, -EINVAL, "contradicts" },
		{ 0x1f4, 4, 0x20, -EINVAL, "contradicts" },
		{ 0x1f1, 1, 0xff, 0, NULL }, /* more setup than is: still within the file */
		{ 0x230, 4, 0, -EINVAL, "contradicts" },
		{ 0x230, 4, 3, -EINVAL, "contradicts" },
		{ 0x258, 8, PREFERRED + 1, -EINVAL, "contradicts" },
		{ 0x260, 4, 0xffffffff, -EINVAL, "a kernel lies below 0xc0000000" },
		{ 0x258, 8, 0xffffffffffe00000, 0, NULL }, /* then where it fits */
		{ 0x258, 8, 0, 0, NULL },
		{ 0x238, 4, 5, -E2BIG, "command line" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		make_bzimage(f);
		put_le(f->file + rows[i].off, rows[i].value, rows[i].len);
		if (rows[i].off == 0x1f1)
			put_le32(f->file + 0x1f4, 0x40);
		assert_int_equal(load(f), rows[i].code);
		if (rows[i].says)
			assert_non_null(strstr(f->err.text, rows[i].says));
	}
}

static void test_files_cut_anywhere_are_refused(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	for (f->size = 0; f->size < SETUP + 1024; f->size += 7) {
		assert_int_equal(load(f), -EINVAL);
		assert_true(f->err.text[0] != '\0');
	}
}

static void test_initrd_that_does_not_fit_is_refused(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	f->initrd = RAM - PREFERRED - MiB;
	assert_int_equal(load(f), 0);
	f->initrd++;
	assert_int_equal(load(f), -ENOSPC);
	assert_non_null(strstr(f->err.text, "initrd"));
	/* initrd_addr_max is obeyed. */
	f->initrd = 4096;
	put_le32(f->file + 0x22c, 0x1ffffff);
	assert_int_equal(load(f), 0);
	assert_int_equal(get_le32(gmem_ptr(f->mem, LAYOUT_ZERO_PAGE + 0x218, 4)), 0x2000000 - 4096);
}

static void test_reboot_clears_what_the_first_boot_left(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	f->config.fresh = true;
	assert_int_equal(load(f), 0);
	*gmem_ptr(f->mem, PREFERRED + KERNEL, 1) = 0x77;
	gmem_ptr(f->mem, LAYOUT_ZERO_PAGE, 4096)[0x10] = 0x77;
	f->config.fresh = false;
	assert_int_equal(load(f), 0);
	assert_int_equal(*gmem_ptr(f->mem, PREFERRED + KERNEL, 1), 0);
	assert_int_equal(gmem_ptr(f->mem, LAYOUT_ZERO_PAGE, 4096)[0x10], 0);
}

static void test_page_tables_map_4_gib_one_to_one(void **state)
{
	struct fixture *f = *state;

	make_bzimage(f);
	assert_int_equal(load(f), 0);
	for (uint64_t gpa = 0; gpa < 4 * GiB; gpa += 2 * MiB) {
		uint64_t pml4 = get_le64(gmem_ptr(f->mem, LAYOUT_PAGE_TABLES, 8));
		uint64_t pdpt = get_le64(gmem_ptr(f->mem, (pml4 & ~0xfffull) + gpa / GiB * 8, 8));
		uint64_t pd = get_le64(gmem_ptr(
			f->mem, (pdpt & ~0xfffull) + gpa % GiB / (2 * MiB) * 8, 8));

		assert_int_equal(pd, gpa | 0x83);
	}
}

/* --- ELF ------------------------------------------------------------------------------------- */

static void put_segment(struct fixture *f, unsigned i, uint32_t type, uint64_t off, uint64_t paddr,
			uint64_t filesz, uint64_t memsz)
{
	uint8_t *p = f->file + sizeof(Elf64_Ehdr) + i * sizeof(Elf64_Phdr);

	put_le32(p, type);
	put_le64(p + offsetof(Elf64_Phdr, p_offset), off);
	put_le64(p + offsetof(Elf64_Phdr, p_paddr), paddr);
	put_le64(p + offsetof(Elf64_Phdr, p_filesz), filesz);
	put_le64(p + offsetof(Elf64_Phdr, p_memsz), memsz);
}

static void put_note(struct fixture *f, unsigned off, uint32_t type, uint32_t value)
{
	uint8_t *p = f->file + off;

	put_le32(p, 4);
	put_le32(p + 4, 4);
	put_le32(p + 8, type);
	memcpy(p + 12, "Xen", 4);
	put_le32(p + 16, value);
}

static void make_elf(struct fixture *f)
{
	uint8_t *p = f->file;

	memset(p, 0, sizeof(f->file));
	memcpy(p, ELFMAG, SELFMAG);
	p[EI_CLASS] = ELFCLASS64;
	p[EI_DATA] = ELFDATA2LSB;
	put_le16(p + offsetof(Elf64_Ehdr, e_machine), EM_X86_64);
	put_le64(p + offsetof(Elf64_Ehdr, e_phoff), sizeof(Elf64_Ehdr));
	put_le16(p + offsetof(Elf64_Ehdr, e_phentsize), sizeof(Elf64_Phdr));
	put_le16(p + offsetof(Elf64_Ehdr, e_phnum), 3);
	put_segment(f, 0, PT_LOAD, ELF_DATA, PREFERRED, 0x2000, 0x4000);
	put_segment(f, 1, PT_LOAD, ELF_DATA + 0x2000, PREFERRED + 0x4000, 0x1000, 0x1000);
	put_segment(f, 2, PT_NOTE, 0x800, 0, 40, 40);
	put_note(f, 0x800, 1, 0xdead); /* another one first */
	put_note(f, 0x800 + 20, 18, PREFERRED + 0x1000);
	memset(p + ELF_DATA, 0x22, 0x3000);
}

static void test_vmlinux_is_entered_by_its_note(void **state)
{
	struct fixture *f = *state;
	const uint8_t *info;

	make_elf(f);
	f->initrd = 4096;
	f->config.rsdp = LAYOUT_ACPI;
	assert_int_equal(load(f), 0);
	assert_false(f->entry.long_mode);
	assert_int_equal(f->entry.rip, PREFERRED + 0x1000);
	assert_int_equal(f->entry.arg, LAYOUT_ZERO_PAGE);
	assert_int_equal(*gmem_ptr(f->mem, PREFERRED + 0x1fff, 1), 0x22);
	assert_int_equal(*gmem_ptr(f->mem, PREFERRED + 0x2000, 1), 0);
	assert_int_equal(*gmem_ptr(f->mem, PREFERRED + 0x4fff, 1), 0x22);
	info = gmem_ptr(f->mem, LAYOUT_ZERO_PAGE, 4096);
	assert_int_equal(get_le32(info), 0x336ec578);
	assert_int_equal(get_le32(info + 4), 1);
	assert_int_equal(get_le32(info + 12), 1);
	assert_int_equal(get_le64(info + get_le64(info + 16) - LAYOUT_ZERO_PAGE), RAM - 4096);
	assert_int_equal(get_le64(info + 24), LAYOUT_CMDLINE);
	assert_string_equal(gmem_ptr(f->mem, LAYOUT_CMDLINE, 64), "console=ttyS0");
	assert_int_equal(get_le64(info + 32), LAYOUT_ACPI);
	assert_int_equal(get_le32(info + 48), 4);
}

static void test_hostile_program_headers_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t type;
		uint64_t off, paddr, filesz, memsz;
		int code;
	} rows[] = {
		{ PT_LOAD, UINT64_MAX, PREFERRED, 0x1000, 0x1000, -EINVAL },
		{ PT_LOAD, ELF_DATA, PREFERRED, UINT64_MAX, UINT64_MAX, -EINVAL },
		{ PT_LOAD, UINT64_MAX - 0xfff, PREFERRED, 0x1000, 0x1000, -EINVAL },
		{ PT_LOAD, SETUP + KERNEL - 1, PREFERRED, 2, 2, -EINVAL },
		{ PT_LOAD, ELF_DATA, PREFERRED, 0x1000, 0xfff, -EINVAL },
		{ PT_LOAD, ELF_DATA, 0, 0x1000, 0x1000, -EINVAL },
		{ PT_LOAD, ELF_DATA, LAYOUT_PAGE_TABLES, 0x1000, 0x1000, -EINVAL },
		{ PT_LOAD, ELF_DATA, RAM - 0x1000, 0x1000, 0x1001, -ENOSPC },
		{ PT_LOAD, ELF_DATA, UINT64_MAX - 0xfff, 0x1000, 0x1000, -EINVAL },
		{ PT_LOAD, ELF_DATA, PREFERRED, 0x1000, UINT64_MAX, -EINVAL },
		{ PT_LOAD, ELF_DATA, LAYOUT_HIGH_RAM, 0x1000, 0x1000, -EINVAL },
		{ PT_INTERP, 0x800, 0, 16, 16, -EINVAL },
		{ PT_NOTE, UINT64_MAX, 0, 16, 16, -EINVAL },
		{ PT_NOTE, 0x800, 0, UINT64_MAX, 0, -EINVAL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		make_elf(f);
		put_segment(f, rows[i].type == PT_NOTE ? 2 : 1, rows[i].type, rows[i].off,
			    rows[i].paddr, rows[i].filesz, rows[i].memsz);
		assert_int_equal(load(f), rows[i].code);
		assert_true(f->err.text[0] != '\0');
	}
}

static void test_elf_files_that_are_no_kernel_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		unsigned off, len;
		uint64_t value;
		const char *says;
	} rows[] = {
		{ EI_CLASS, 1, ELFCLASS32, "another machine" },
		{ offsetof(Elf64_Ehdr, e_machine), 2, EM_AARCH64, "another machine" },
		{ offsetof(Elf64_Ehdr, e_phnum), 2, 0, "segments" },
		{ offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff, "segments" },
		{ offsetof(Elf64_Ehdr, e_phentsize), 2, 8, "segments" },
		{ offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX, "segments" },
		{ offsetof(Elf64_Ehdr, e_phoff), 8, 4000, "segments" },
		{ 0x800 + 28, 4, 19, "no PVH entry" },		/* type of the note */
		{ 0x800 + 32, 1, 'X' + 1, "no PVH entry" },	/* its name */
		{ 0x800, 4, 0xffffffff, "no PVH entry" },	/* length of the name before it */
		{ 0x804, 4, 0xfffffffc, "no PVH entry" },	/* and of what it says */
		{ 0x800 + 36, 4, 0x7000, "outside" },
		{ 0x800 + 36, 4, PREFERRED + 0x5000, "outside" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		make_elf(f);
		put_le(f->file + rows[i].off, rows[i].value, rows[i].len);
		assert_int_equal(load(f), -EINVAL);
		assert_non_null(strstr(f->err.text, rows[i].says));
	}
}

static void test_an_elf_cut_within_its_program_headers_is_truncated(void **state)
{
	struct fixture *f = *state;
	unsigned end = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);

	for (unsigned size = sizeof(Elf64_Ehdr); size < end; size += 8) {
		make_elf(f);
		f->size = size;
		assert_int_equal(load(f), -EINVAL);
		assert_non_null(strstr(f->err.text, "truncated"));
	}
}

static void test_a_program_is_told_from_a_kernel(void **state)
{
	struct fixture *f = *state;

	make_elf(f);
	put_segment(f, 1, PT_INTERP, 0x800, 0x318, 28, 28);
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(f->err.text, "ordinary program"));
	assert_non_null(strstr(f->err.hint, "/boot/vmlinuz"));
}

static void test_a_note_cut_before_its_value_is_none(void **state)
{
	struct fixture *f = *state;

	for (unsigned filesz = 20; filesz <= 40; filesz++) {
		make_elf(f);
		put_segment(f, 2, PT_NOTE, 0x800, 0, filesz, filesz);
		assert_int_equal(load(f), filesz < 40 ? -EINVAL : 0);
	}
}

/* Reproducible noise over the headers: whatever they say, an answer and no access astray. */
static void test_noise_gets_a_sentence_or_a_kernel_in_ram(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 1;

	for (unsigned i = 0; i < 1500; i++) {
		unsigned span = i & 1 ? 0x100 : 0x80, start = i & 1 ? 0x1f0 : 0x10;

		if (i & 1)
			make_bzimage(f);
		else
			make_elf(f);
		for (unsigned n = 0; n < 1 + i % 4; n++) {
			seed = seed * 1664525 + 1013904223;
			f->file[start + (seed >> 8) % span] = (uint8_t)(seed >> 24);
		}
		if (load(f) < 0) {
			assert_true(f->err.text[0] != '\0');
			continue;
		}
		assert_non_null(gmem_ptr(f->mem, f->entry.rip, 1));
		assert_true(f->entry.rip >= MiB);
	}
}

static void test_what_is_no_file_is_refused(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	f->config = (struct boot_config){ .kernel_fd = fds[0], .initrd_fd = -1, .cmdline = "" };
	assert_int_equal(boot_load(f->mem, &f->config, &f->entry, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "regular file"));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_bzimage_goes_where_it_prefers),
		T(test_memory_map_has_ram_ecam_and_the_firmware_area),
		T(test_relocatable_kernel_moves_into_small_ram),
		T(test_last_paragraph_may_be_cut_but_no_more),
		T(test_bad_bzimages_are_refused),
		T(test_files_cut_anywhere_are_refused),
		T(test_initrd_that_does_not_fit_is_refused),
		T(test_reboot_clears_what_the_first_boot_left),
		T(test_page_tables_map_4_gib_one_to_one),
		T(test_vmlinux_is_entered_by_its_note),
		T(test_hostile_program_headers_are_refused),
		T(test_elf_files_that_are_no_kernel_are_refused),
		T(test_an_elf_cut_within_its_program_headers_is_truncated),
		T(test_a_program_is_told_from_a_kernel),
		T(test_a_note_cut_before_its_value_is_none),
		T(test_noise_gets_a_sentence_or_a_kernel_in_ram),
		T(test_what_is_no_file_is_refused),
#undef T
	};

	return cmocka_run_group_tests_name("boot", tests, NULL, NULL);
}
