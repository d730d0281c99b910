/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the two kinds of kernel; for vmm/x86/boot*.c and their tests. */
#ifndef VMM_X86_BOOT_INTERNAL_H
#define VMM_X86_BOOT_INTERNAL_H

#include "base/range.h"
#include "vmm/x86/boot.h"

#define BOOT_HEAD_SIZE 4096

struct boot {
	const struct mem *mem;
	const struct boot_config *config;
	uint64_t kernel_size;	      /* of the file */
	uint8_t head[BOOT_HEAD_SIZE]; /* its beginning, zeros behind its end */
	uint64_t cmdline_len;	      /* without the NUL */
	uint64_t initrd, initrd_size; /* where it lies; size 0: none */
};

/* a + b, or the largest number when that is larger: for messages about hostile headers. */
static inline uint64_t boot_sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Read len bytes of fd at off into guest RAM at gpa. All of it must be RAM and file. */
int boot_read(const struct mem *mem, int fd, uint64_t off, gpa_t gpa, uint64_t len);

/* Zero RAM that the fresh machine has zero already. */
int boot_clear(const struct boot *b, gpa_t gpa, uint64_t len);

/*
 * Place the initrd as high as it may lie: below limit (exclusive) and RAM's end,
 * not below floor, where the kernel ends.
 */
int boot_load_initrd(struct boot *b, uint64_t floor, uint64_t limit, struct err *err);

/* Copy the command line to LAYOUT_CMDLINE; max bytes without the NUL. */
int boot_write_cmdline(struct boot *b, uint64_t max, struct err *err);

/* What to give instead of a file that is no kernel. Returns err's code. */
int boot_hint_kernel(struct err *err);
/* In words: the kernel wants RAM up to end. -ENOSPC, or -EINVAL where no guest has RAM. */
int boot_too_large(const struct boot *b, uint64_t end, struct err *err);
/* -EINVAL in words: the file ends before what it announces. */
int boot_truncated(const struct boot *b, uint64_t need, struct err *err);

int boot_bzimage(struct boot *b, struct x86_entry *ret, struct err *err);
int boot_pvh(struct boot *b, struct x86_entry *ret, struct err *err);

#endif
