// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <linux/memfd.h>

#include "base/fd.h"
#include "base/range.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem_bind.h"
#include "vmm/mem_populate.h"

/* Linux 5.14 and 6.1; Debian 12's libc knows the first. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
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
	[MEM_MEMFD_THP] = { "2 MiB", 2 * MiB, 2 * MiB, .shared = true },
	[MEM_HUGETLB_2M] = { "2 MiB", 2 * MiB, 2 * MiB, .shared = true,
			     .memfd_flags = MFD_HUGETLB | MFD_HUGE_2MB },
	[MEM_HUGETLB_1G] = { "1 GiB", GiB, GiB, .shared = true,
			     .memfd_flags = MFD_HUGETLB | MFD_HUGE_1GB },
};

uint64_t mem_backend_page(enum mem_kind kind)
{
	return (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind].page : 0;
}

/* " on host node 0 or 2", "" where any will do. */
static const char *where(const struct mem_node *node, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; node->policy == MEM_STRICT && i < MEM_NODE_WORDS * 64; i++) {
		if (node->host_nodes[i / 64] >> (i % 64) & 1 && len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%u",
						len ? " or " : " on host node ", i);
	}
	return buf;
}
#define WHERE(node) where(node, (char[128]){ 0 }, 128)

/* Says which pages are missing: strerror(ENOMEM) alone helps nobody with 4 of 1 GiB. */
static int shortage(const struct mem_node *node, int code, uint64_t size, struct err *err)
{
	const struct kind *k = &kinds[node->kind];
	unsigned long long pages = size / k->page;

	err_set(err, code, "cannot have %s of guest memory: it takes %llu free pages of %s%s",
		SIZE_STR(size), pages, k->name, WHERE(node));
	if (k->memfd_flags)
		return err_hint(err, "reserve them with 'thruway hugepages reserve', or choose "
				     "another backend");
	return err_hint(err, "give the guest less memory, or free some on the host");
}

int mem_backend_open(enum mem_kind kind, uint64_t size, int *ret_fd, struct err *err)
{
	const struct kind *k = &kinds[kind];
	int fd, r;

	if (!k->shared) {
		*ret_fd = -1;
		return 0;
	}
	fd = memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING | k->memfd_flags);
	if (fd < 0)
		return err_set(err, -errno, "cannot create guest memory of %s pages", k->name);
	if (ftruncate(fd, (off_t)size) < 0) {
		int code = -errno;

		close(fd);
		return shortage(&(struct mem_node){ .kind = kind }, code, size, err);
	}
	r = fd_seal_size(fd); /* other processes get it (vhost-user) */
	if (r < 0) {
		close(fd);
		return err_set(err, r, "cannot create guest memory of %s pages", k->name);
	}
	*ret_fd = fd;
	return 0;
}

/*
 * KVM and the IOMMU use huge pages only where both addresses agree modulo 2 MiB: more
 * is mapped than is needed. The rest is never touched and costs nothing; where there
 * is a file it stays without access, and guards it.
 */
static int map(const struct kind *k, struct mem_bank *b)
{
	bool anon = b->fd < 0;
	uint8_t *base;

	b->mapping_size = b->size + k->align;
	base = mmap(NULL, b->mapping_size, anon ? PROT_READ | PROT_WRITE : PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (anon ? 0 : MAP_NORESERVE), -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	b->mapping = base;
	b->hva = base + (align_up((uintptr_t)base, k->align) - (uintptr_t)base);
	if (!anon && mmap(b->hva, b->size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, b->fd,
			  (off_t)b->fd_offset) == MAP_FAILED)
		return -errno;
	return 0;
}

static int bind_error(const struct mem_node *node, int code, struct err *err)
{
	err_set(err, code, "cannot take guest memory%s", *WHERE(node) ? WHERE(node) : " from its host nodes");
	if (code == -EINVAL)
		return err_hint(err, "the cpuset that thruway runs in may not have that node's memory, or "
				     "it has none; /proc/self/status says Mems_allowed_list");
	return err->code;
}

/* What is to be said of a mapping before its first page is there. */
static int advise(const struct mem_node *node, const struct mem_bank *b, struct err *err)
{
	/* Best effort: without huge pages the guest is slower, nothing else. */
	if (node->kind == MEM_ANON || node->kind == MEM_MEMFD_THP)
		(void)madvise(b->hva, b->size, node->small_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	if (!node->dump && madvise(b->hva, b->size, MADV_DONTDUMP) < 0)
		return err_set(err, -errno, "cannot keep guest memory out of core dumps");
	if (node->merge && madvise(b->hva, b->size, MADV_MERGEABLE) < 0) {
		err_set(err, -errno, "cannot let KSM merge guest memory");
		return err_hint(err, "leave merge=on out: this kernel has no KSM");
	}
	return 0;
}

int mem_backend_map(const struct mem_node *node, struct mem_bank *bank, struct err *err)
{
	int r = map(&kinds[node->kind], bank);

	if (r < 0)
		return shortage(node, r, bank->size, err);
	r = mem_bind(node, bank->hva, bank->size);
	if (r < 0)
		return bind_error(node, r, err);
	return advise(node, bank, err);
}

static int populate(const struct mem_node *node, uint8_t *hva, uint64_t size)
{
	if (madvise(hva, size, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == EINVAL) { /* before Linux 5.14 */
		for (uint64_t off = 0; off < size; off += kinds[node->kind].page)
			*(volatile uint8_t *)(hva + off) = 0;
		return 0;
	}
	/* EFAULT: a hugetlb page that the reservation promised is on another node. */
	return errno == EFAULT ? -ENOMEM : -errno;
}

/* ENOENT stands for it among the results of populating. */
#define NOT_HUGE (-ENOENT)

/*
 * MADV_COLLAPSE does what shmem_enabled=never would not let a fault do. It makes a huge page out of
 * small ones, on the node where most of them are: they have to be there first.
 */
static int collapse(const struct mem_node *node, uint8_t *hva, uint64_t size)
{
	int r = populate(node, hva, size);

	if (r < 0)
		return r;
	if (madvise(hva, size, MADV_COLLAPSE) < 0)
		return errno == EINVAL ? NOT_HUGE : -errno;
	return populate(node, hva, size);
}

static int fill(const struct mem_node *node, uint8_t *hva, uint64_t size)
{
	return node->kind == MEM_MEMFD_THP ? collapse(node, hva, size) : populate(node, hva, size);
}

static int fill_error(const struct mem_node *node, int code, uint64_t size, struct err *err)
{
	if (node->kind != MEM_MEMFD_THP || code == -ENOMEM)
		return shortage(node, code, size, err);
	if (code == NOT_HUGE) {
		err_plain(err, -EOPNOTSUPP,
			  "the kernel makes no transparent huge pages of shared memory, and "
			  "backend=memfd-thp is not to end up with small ones");
		return err_hint(err, "write advise to /sys/kernel/mm/transparent_hugepage/shmem_enabled "
				     "(deny forbids it; before Linux 6.1 it takes that word); or choose "
				     "backend=memfd or hugetlb-2M");
	}
	err_set(err, code, "cannot have %s of shared memory in transparent huge pages", SIZE_STR(size));
	return err_hint(err, "memory is in pieces: backend=hugetlb-2M with pages reserved at boot has "
			     "them for certain");
}

static int lock(const struct mem_node *nodes, const struct mem_bank *b, struct err *err)
{
	/* Huge pages of a pool are never swapped out. */
	if (!nodes[b->node].lock || kinds[nodes[b->node].kind].memfd_flags)
		return 0;
	if (mlock(b->hva, b->size) == 0)
		return 0;
	err_set(err, -errno, "cannot lock %s of guest memory", SIZE_STR(b->size));
	return err_hint(err, "RLIMIT_MEMLOCK has to allow the guest's RAM, twice with devices");
}

int mem_backend_fill(const struct mem_node *nodes, const struct mem_bank *banks, unsigned count,
		     struct err *err)
{
	struct mem_area areas[MEM_MAX_BANKS];
	int r;

	for (unsigned i = 0; i < count; i++)
		areas[i] = (struct mem_area){ &nodes[banks[i].node], banks[i].hva, banks[i].size, 0 };
	r = mem_populate(areas, count, fill);
	for (unsigned i = 0; i < count && r < 0; i++)
		if (areas[i].fill_error == r)
			return fill_error(areas[i].node, r, areas[i].size, err);
	if (r < 0)
		return err_set(err, r, "cannot populate guest memory");
	for (unsigned i = 0; i < count && r == 0; i++)
		r = lock(nodes, &banks[i], err);
	return r;
}

void mem_backend_unmap(const struct mem_bank *bank)
{
	if (bank->mapping)
		munmap(bank->mapping, bank->mapping_size);
}

int mem_backend_discard(const struct mem_bank *bank, uint64_t off, uint64_t len)
{
	if (bank->fd < 0)
		return madvise(bank->hva + off, len, MADV_DONTNEED) < 0 ? -errno : 0;
	return fallocate(bank->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(bank->fd_offset + off), (off_t)len) < 0 ?
		       -errno :
		       0;
}
