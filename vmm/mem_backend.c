// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem_backend.h"

#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include <linux/memfd.h>

#include "base/fd.h"
#include "base/range.h"
#include "base/size.h"

/* Linux 5.14; Debian 12's libc knows it, older ones do not. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static const struct kind {
	const char *name;
	uint64_t page;
	uint64_t align; /* of the mapping: what a guest's huge page can be made of */
	bool shared;
	unsigned memfd_flags;
} kinds[] = {
	[MEM_ANON] = { "4 KiB", 4 * KiB, 2 * MiB },
	[MEM_MEMFD] = { "4 KiB", 4 * KiB, 2 * MiB, .shared = true },
	[MEM_HUGETLB_2M] = { "2 MiB", 2 * MiB, 2 * MiB, .shared = true,
			     .memfd_flags = MFD_HUGETLB | MFD_HUGE_2MB },
	[MEM_HUGETLB_1G] = { "1 GiB", GiB, GiB, .shared = true,
			     .memfd_flags = MFD_HUGETLB | MFD_HUGE_1GB },
};

uint64_t mem_backend_page(enum mem_kind kind)
{
	return (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind].page : 0;
}

/* Says which pages are missing: strerror(ENOMEM) alone helps nobody with 4 of 1 GiB. */
static int shortage(const struct kind *k, int code, uint64_t size, struct err *err)
{
	err_set(err, code, "cannot have %s of guest memory: it takes %llu free pages of %s",
		SIZE_STR(size), (unsigned long long)(size / k->page), k->name);
	if (k->memfd_flags)
		return err_hint(err, "reserve huge pages first (nr_hugepages of that size), "
				     "or choose another page size");
	return err_hint(err, "give the guest less memory, or free some on the host");
}

int mem_backend_open(enum mem_kind kind, uint64_t size, int *ret_fd, struct err *err)
{
	const struct kind *k = &kinds[kind];
	int fd;

	if (!k->shared) {
		*ret_fd = -1;
		return 0;
	}
	fd = memfd_create("guest-memory", MFD_CLOEXEC | k->memfd_flags);
	if (fd < 0)
		return err_set(err, -errno, "cannot create guest memory of %s pages", k->name);
	if (ftruncate(fd, (off_t)size) < 0) {
		int code = -errno;

		close(fd);
		return shortage(k, code, size, err);
	}
	*ret_fd = fd;
	return 0;
}

/*
 * Reserve more than is needed and give back what lies outside the aligned part:
 * KVM and the IOMMU use huge pages only where both addresses agree modulo 2 MiB.
 */
static uint8_t *reserve(uint64_t size, uint64_t align)
{
	uint8_t *base, *start;
	uint64_t head;

	base = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	head = align_up((uintptr_t)base, align) - (uintptr_t)base;
	start = base + head;
	if (head)
		munmap(base, head);
	if (head < align)
		munmap(start + size, align - head);
	return start;
}

/*
 * Before anything maps the RAM: a page missing later would be a SIGBUS in the
 * guest's middle, and pinning page by page is slower than populating at once.
 */
static int populate(const struct kind *k, uint8_t *hva, uint64_t size)
{
	if (madvise(hva, size, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == EINVAL) { /* before Linux 5.14 */
		for (uint64_t off = 0; off < size; off += k->page)
			*(volatile uint8_t *)(hva + off) = 0;
		return 0;
	}
	/* EFAULT: a hugetlb page that the reservation promised is on another node. */
	return errno == EFAULT ? -ENOMEM : -errno;
}

int mem_backend_map(enum mem_kind kind, int fd, uint64_t offset, uint64_t size, uint8_t **ret,
		    struct err *err)
{
	const struct kind *k = &kinds[kind];
	uint8_t *hva = reserve(size, k->align);
	int r;

	if (!hva)
		return shortage(k, -ENOMEM, size, err);
	if (mmap(hva, size, PROT_READ | PROT_WRITE,
		 MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), fd,
		 (off_t)offset) == MAP_FAILED) {
		r = -errno;
		mem_backend_unmap(hva, size);
		return shortage(k, r, size, err);
	}
	if (fd < 0)
		/* Best effort: without huge pages the guest is slower, nothing else. */
		(void)madvise(hva, size, MADV_HUGEPAGE);
	r = populate(k, hva, size);
	if (r < 0) {
		mem_backend_unmap(hva, size);
		return shortage(k, r, size, err);
	}
	*ret = hva;
	return 0;
}

void mem_backend_unmap(uint8_t *hva, uint64_t size)
{
	munmap(hva, size);
}
