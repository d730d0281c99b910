// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/boot.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/x86/boot_internal.h"
#include "vmm/x86/boot_tables.h"

#define PAGE 4096ull

/* pread(2) all of [off, off+len), or -EIO when the file ends before. */
static int read_full(int fd, uint8_t *buf, uint64_t len, uint64_t off)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		buf += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int boot_read(const struct mem *mem, int fd, uint64_t off, gpa_t gpa, uint64_t len)
{
	while (len) {
		uint64_t have;
		uint8_t *p = gmem_span(mem, gpa, &have);
		int r;

		if (!p)
			return -EFAULT;
		if (have > len)
			have = len;
		r = read_full(fd, p, have, off);
		if (r < 0)
			return r;
		off += have;
		gpa += have;
		len -= have;
	}
	return 0;
}

int boot_clear(const struct boot *b, gpa_t gpa, uint64_t len)
{
	while (len && !b->config->fresh) {
		uint64_t have;
		uint8_t *p = gmem_span(b->mem, gpa, &have);

		if (!p)
			return -EFAULT;
		if (have > len)
			have = len;
		memset(p, 0, have);
		gpa += have;
		len -= have;
	}
	return 0;
}

int boot_hint_kernel(struct err *err)
{
	return err_hint(err, "name a kernel such as /boot/vmlinuz-$(uname -r)");
}

int boot_too_large(const struct boot *b, uint64_t end, struct err *err)
{
	if (end > LAYOUT_LOW_RAM_END) {
		err_plain(err, -EINVAL, "the kernel file asks for memory up to 0x%llx, a kernel lies "
					"below 0x%llx", (unsigned long long)end, LAYOUT_LOW_RAM_END);
		return boot_hint_kernel(err);
	}
	end = align_up(end, MiB);
	err_plain(err, -ENOSPC, "the kernel needs memory up to %s, the guest has %s",
		  SIZE_STR(end), SIZE_STR(mem_size(b->mem)));
	return err_hint(err, "give the guest more memory");
}

int boot_truncated(const struct boot *b, uint64_t need, struct err *err)
{
	err_plain(err, -EINVAL, "the kernel file is truncated: it has %llu bytes of %llu",
		  (unsigned long long)b->kernel_size, (unsigned long long)need);
	return err_hint(err, "copy or download it again");
}

int boot_load_initrd(struct boot *b, uint64_t floor, uint64_t limit, struct err *err)
{
	uint64_t top = limit < mem_low_end(b->mem) ? limit : mem_low_end(b->mem), size;
	struct stat st;
	int r;

	if (b->config->initrd_fd < 0)
		return 0;
	if (fstat(b->config->initrd_fd, &st) < 0)
		return err_set(err, -errno, "cannot read the initrd");
	if (!S_ISREG(st.st_mode))
		return err_plain(err, -EINVAL, "the initrd is not a regular file");
	size = (uint64_t)st.st_size;
	if (floor > top || size > align_down(top, PAGE) - align_up(floor, PAGE)) {
		err_plain(err, -ENOSPC, "the initrd of %s does not fit beside the kernel in %s",
			  SIZE_STR(size), SIZE_STR(mem_size(b->mem)));
		return err_hint(err, "give the guest more memory");
	}
	b->initrd = align_down(align_down(top, PAGE) - size, PAGE);
	b->initrd_size = size;
	r = boot_read(b->mem, b->config->initrd_fd, 0, b->initrd, size);
	return r < 0 ? err_set(err, r, "cannot read the initrd") : 0;
}

int boot_write_cmdline(struct boot *b, uint64_t max, struct err *err)
{
	b->cmdline_len = strlen(b->config->cmdline);
	if (b->cmdline_len > max)
		return err_plain(err, -E2BIG,
				 "the kernel command line has %llu characters, this kernel takes %llu",
				 (unsigned long long)b->cmdline_len, (unsigned long long)max);
	return gmem_write(b->mem, LAYOUT_CMDLINE, b->config->cmdline, b->cmdline_len + 1);
}

static int open_kernel(struct boot *b, struct err *err)
{
	struct stat st;
	int r;

	if (fstat(b->config->kernel_fd, &st) < 0)
		return err_set(err, -errno, "cannot read the kernel");
	if (!S_ISREG(st.st_mode))
		return err_plain(err, -EINVAL, "the kernel is not a regular file");
	b->kernel_size = (uint64_t)st.st_size;
	r = read_full(b->config->kernel_fd, b->head,
		      b->kernel_size < sizeof(b->head) ? b->kernel_size : sizeof(b->head), 0);
	return r < 0 ? err_set(err, r, "cannot read the kernel") : 0;
}

static int not_a_kernel(struct err *err)
{
	err_plain(err, -EINVAL, "the kernel file is neither a Linux bzImage nor an ELF vmlinux");
	return boot_hint_kernel(err);
}

int boot_load(const struct mem *mem, const struct boot_config *config, struct x86_entry *ret,
	      struct err *err)
{
	struct boot b = { .mem = mem, .config = config };
	int r = open_kernel(&b, err);

	if (r < 0)
		return r;
	if (mem_low_end(mem) < LAYOUT_KERNEL)
		return boot_too_large(&b, LAYOUT_KERNEL + 1, err);
	if (boot_tables_write(mem) < 0)
		return err_plain(err, -EFAULT, "no memory where the page tables belong");
	if (memcmp(b.head, ELFMAG, SELFMAG) == 0)
		return boot_pvh(&b, ret, err);
	if (get_le16(b.head + 0x1fe) == 0xaa55 && memcmp(b.head + 0x202, "HdrS", 4) == 0)
		return boot_bzimage(&b, ret, err);
	return not_a_kernel(err);
}
