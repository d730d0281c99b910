// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"

#define HUGEPAGES "sys/kernel/mm/hugepages/hugepages-%llukB/"

/*
 * What populating takes beside the pages: page tables of the VMM, of KVM and of the
 * IOMMU (1/512 each at worst), and some for the host to stay alive with.
 */
#define MARGIN_MIN   (64 * MiB)
#define MARGIN_SHARE 128

/* A line "NAME:   N kB", in bytes. False when it is not there (MemAvailable: Linux 3.14). */
static bool field(const char *meminfo, const char *name, uint64_t *ret)
{
	const char *line = meminfo;
	unsigned long long kib;
	size_t len = strlen(name);

	while (line && (strncmp(line, name, len) != 0 || line[len] != ':')) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line || sscanf(line + len + 1, " %llu kB", &kib) != 1)
		return false;
	*ret = kib * KiB;
	return true;
}

/* In one read, which gives all of it (seq_file's single_open()). */
static bool read_meminfo(int root, char *text, size_t size)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY, "proc/meminfo");
	ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);

	if (len < 0)
		return false;
	text[len] = '\0';
	return true;
}

static int check_small(int root, uint64_t bytes, bool pinned, struct err *err)
{
	uint64_t available, total = 0, swap = 0, pools = 0, margin = bytes / MARGIN_SHARE;
	char text[8192];

	if (!read_meminfo(root, text, sizeof(text)) ||
	    !field(text, "MemAvailable", &available))
		return 0; /* the kernel will say it */
	if (!pinned)
		(void)field(text, "SwapFree", &swap);
	if (margin < MARGIN_MIN)
		margin = MARGIN_MIN;
	if (bytes + margin <= available + swap)
		return 0;
	(void)field(text, "MemTotal", &total);
	(void)field(text, "Hugetlb", &pools);
	err_plain(err, -ENOMEM,
		  "a guest with %s of RAM does not fit this host: of its %llu MiB %llu are available",
		  SIZE_STR(bytes), (unsigned long long)(total / MiB),
		  (unsigned long long)((available + swap) / MiB));
	if (pools)
		return err_hint(err, "give it less (--memory): all of it is populated at start; or "
				     "take it from the %llu MiB of hugepages (backend=hugetlb-2M or -1G)",
				(unsigned long long)(pools / MiB));
	return err_hint(err, "give it less (--memory): all of it is populated at start and stays, and "
			     "%llu MiB are left for the host", (unsigned long long)(margin / MiB));
}

static uint64_t pages(int root, uint64_t kib, const char *which)
{
	uint64_t n;

	return hostfs_read_u64(root, &n, HUGEPAGES "%s", (unsigned long long)kib, which) < 0 ? 0 : n;
}

static int check_huge(int root, uint64_t bytes, uint64_t page, struct err *err)
{
	uint64_t kib = page / KiB, need = bytes / page, have, taken, more, surplus;

	if (!hostfs_exists(root, "sys/kernel/mm/hugepages"))
		return 0;
	have = pages(root, kib, "free_hugepages");
	taken = pages(root, kib, "resv_hugepages"); /* promised, not yet touched */
	more = pages(root, kib, "nr_overcommit_hugepages");
	surplus = pages(root, kib, "surplus_hugepages");
	have = have > taken ? have - taken : 0;
	have += more > surplus ? more - surplus : 0;
	if (need <= have)
		return 0;
	err_plain(err, -ENOMEM,
		  "a guest with %s of RAM takes %llu hugepages of %s, and this host has %llu free",
		  SIZE_STR(bytes), (unsigned long long)need, SIZE_STR(page),
		  (unsigned long long)have);
	return err_hint(err, "thruway hugepages shows the pools and reserves more, or choose another "
			     "backend");
}

int vm_memory_check(int root, uint64_t bytes, enum mem_kind kind, bool pinned, struct err *err)
{
	switch (kind) {
	case MEM_HUGETLB_2M: return check_huge(root, bytes, 2 * MiB, err);
	case MEM_HUGETLB_1G: return check_huge(root, bytes, GiB, err);
	default: return check_small(root, bytes, pinned, err);
	}
}
