// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"

#define HUGEPAGES     "sys/kernel/mm/hugepages/hugepages-%llukB/"
#define NODE	      "sys/devices/system/node/node%u/"
#define NODE_HUGE     NODE "hugepages/hugepages-%llukB/"
#define THP	      "sys/kernel/mm/transparent_hugepage/"
#define MAX_HOST_NODE (MEM_NODE_WORDS * 64)

/* What a mapping of RAM rounds up, and what a VMM pins beside it. */
#define LOCKED_SLACK (16 * MiB)

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

/* Of a pool of hugepages, else 0. */
static uint64_t page_of(const struct mem_node *m)
{
	return m->kind == MEM_HUGETLB_1G ? GiB : m->kind == MEM_HUGETLB_2M ? 2 * MiB : 0;
}

static uint64_t pages(int root, uint64_t kib, const char *which)
{
	uint64_t n;

	return hostfs_read_u64(root, &n, HUGEPAGES "%s", (unsigned long long)kib, which) < 0 ? 0 : n;
}

/* Of pages that are there, and promised to nobody. */
static uint64_t free_in_pool(int root, uint64_t page)
{
	uint64_t have = pages(root, page / KiB, "free_hugepages");
	uint64_t taken = pages(root, page / KiB, "resv_hugepages"); /* promised, not yet touched */

	return have > taken ? have - taken : 0;
}

/* A pool that has as much as does not fit beside it. */
static bool hint_pool(int root, uint64_t bytes, struct err *err)
{
	static const uint64_t sizes[] = { 2 * MiB, GiB };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t room = free_in_pool(root, sizes[i]) * sizes[i];

		if (bytes > room)
			continue;
		err_hint(err, "give it less (--memory): all of it is populated at start; or take it from "
			      "the %llu MiB of free hugepages (backend=hugetlb-%s)",
			 (unsigned long long)(room / MiB), sizes[i] == GiB ? "1G" : "2M");
		return true;
	}
	return false;
}

static int check_small(int root, uint64_t bytes, bool pinned, struct err *err)
{
	uint64_t available, total = 0, swap = 0, margin = bytes / MARGIN_SHARE;
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
	err_plain(err, -ENOMEM,
		  "a guest with %s of RAM does not fit this host: of its %llu MiB %llu are available",
		  SIZE_STR(bytes), (unsigned long long)(total / MiB),
		  (unsigned long long)((available + swap) / MiB));
	if (hint_pool(root, bytes, err))
		return -ENOMEM;
	return err_hint(err, "give it less (--memory): all of it is populated at start and stays, and "
			     "%llu MiB are left for the host", (unsigned long long)(margin / MiB));
}

/* --- of one host node ----------------------------------------------------------------------------- */

static bool same_nodes(const struct mem_node *a, const struct mem_node *b)
{
	return memcmp(a->host_nodes, b->host_nodes, sizeof(a->host_nodes)) == 0;
}

static bool has(const struct mem_node *m, unsigned node)
{
	return m->host_nodes[node / 64] >> (node % 64) & 1;
}

/*
 * What guest nodes of this one's kind of pages are to have of the same host nodes; `strict`: only those
 * that get it nowhere else.
 */
static uint64_t need_of(const struct mem_node *nodes, unsigned count, const struct mem_node *m,
			uint64_t page, bool strict)
{
	uint64_t need = 0;

	for (unsigned i = 0; i < count; i++)
		if ((strict ? nodes[i].policy == MEM_STRICT : nodes[i].policy != MEM_UNBOUND) &&
		    same_nodes(&nodes[i], m) && page_of(&nodes[i]) == page)
			need += nodes[i].size;
	return need;
}

static const char *name_nodes(const struct mem_node *m, char *buf, unsigned size)
{
	struct cpulist list = { 0 };

	memcpy(list.bits, m->host_nodes, sizeof(m->host_nodes));
	if (cpulist_format(&list, buf, size) < 0)
		buf[0] = '\0';
	return buf;
}
#define NODES_STR(m) name_nodes((m), (char[128]){ 0 }, 128)

/*
 * Free, and what the kernel gets by dropping file pages: MemAvailable's sum (its source:
 * si_mem_available()), without the watermarks, which the margin covers. The lines begin with
 * "Node N ".
 */
static uint64_t available_on(int root, unsigned node)
{
	static const char *const names[] = { "MemFree", "Active(file)", "Inactive(file)",
					     "SReclaimable" };
	char text[8192], name[64];
	uint64_t sum = 0, n;

	if (hostfs_read(root, text, sizeof(text), NODE "meminfo", node) < 0)
		return UINT64_MAX;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), "Node %u %s", node, names[i]);
		if (field(text, name, &n))
			sum += i == 0 ? n : n / 2; /* part of it is in use */
	}
	return sum;
}

static int check_small_on(int root, const struct mem_node *m, uint64_t need, struct err *err)
{
	uint64_t have = 0, margin = need / MARGIN_SHARE;

	for (unsigned i = 0; i < MAX_HOST_NODE; i++) {
		uint64_t n = has(m, i) ? available_on(root, i) : 0;

		if (n == UINT64_MAX)
			return 0;
		have += n;
	}
	if (need + margin <= have)
		return 0;
	err_plain(err, -ENOMEM,
		  "%s of guest RAM do not fit node %s of this host, of whose memory %llu MiB are "
		  "available", SIZE_STR(need), NODES_STR(m), (unsigned long long)(have / MiB));
	return err_hint(err, "give the guest less, or policy=preferred, which takes the rest from other "
			     "nodes");
}

static uint64_t pages_on(int root, unsigned node, uint64_t kib, const char *which)
{
	uint64_t n;

	return hostfs_read_u64(root, &n, NODE_HUGE "%s", node, (unsigned long long)kib, which) < 0 ?
		       0 : n;
}

/* The command that would have been enough, for the first of the nodes. */
static int hint_reserve_on(int root, const struct mem_node *m, uint64_t page, uint64_t missing,
			   struct err *err)
{
	unsigned node = 0;

	while (node < MAX_HOST_NODE && !has(m, node))
		node++;
	return err_hint(err, "thruway hugepages reserve %llu --page %s --node %u",
			(unsigned long long)(pages_on(root, node, page / KiB, "nr_hugepages") + missing),
			page == GiB ? "1G" : "2M", node);
}

static int check_huge_on(int root, const struct mem_node *m, uint64_t bytes, uint64_t page,
			 struct err *err)
{
	uint64_t need = bytes / page, have = 0;

	for (unsigned i = 0; i < MAX_HOST_NODE; i++)
		if (has(m, i))
			have += pages_on(root, i, page / KiB, "free_hugepages");
	if (need <= have)
		return 0;
	err_plain(err, -ENOMEM,
		  "%s of guest RAM take %llu hugepages of %s on node %s, which has %llu free: %llu are "
		  "missing", SIZE_STR(bytes), (unsigned long long)need, SIZE_STR(page), NODES_STR(m),
		  (unsigned long long)have, (unsigned long long)(need - have));
	return hint_reserve_on(root, m, page, need - have, err);
}

/* Of hugepages, or of the others. */
static int check_strict(int root, const struct mem_node *nodes, unsigned count, bool huge,
			struct err *err)
{
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		const struct mem_node *m = &nodes[i];
		uint64_t page = page_of(m), need;

		if (m->policy != MEM_STRICT || (page != 0) != huge)
			continue;
		need = need_of(nodes, count, m, page, true);
		r = page ? check_huge_on(root, m, need, page, err) : check_small_on(root, m, need, err);
	}
	return r;
}

/* --- of the whole host ---------------------------------------------------------------------------- */

static int hint_reserve(int root, uint64_t page, uint64_t missing, const char *or_else, struct err *err)
{
	uint64_t total = pages(root, page / KiB, "nr_hugepages") + missing;
	const char *size = page == GiB ? "1G" : "2M";

	/* It wants to be told where, on a host with several. */
	if (hostfs_exists(root, NODE, 1u))
		return err_hint(err, "thruway hugepages reserve COUNT --page %s --node N, on all nodes "
				     "together %llu%s", size, (unsigned long long)total, or_else);
	return err_hint(err, "thruway hugepages reserve %llu --page %s%s", (unsigned long long)total, size,
			or_else);
}

static int check_huge(int root, uint64_t bytes, uint64_t page, const char *or_else, struct err *err)
{
	uint64_t kib = page / KiB, need, have, more, surplus;

	/* A page of no size is of no pool. */
	if (!page || !hostfs_exists(root, "sys/kernel/mm/hugepages"))
		return 0;
	need = bytes / page;
	have = free_in_pool(root, page);
	more = pages(root, kib, "nr_overcommit_hugepages");
	surplus = pages(root, kib, "surplus_hugepages");
	have += more > surplus ? more - surplus : 0;
	if (need <= have)
		return 0;
	err_plain(err, -ENOMEM,
		  "a guest with %s of RAM takes %llu hugepages of %s, and this host has %llu free",
		  SIZE_STR(bytes), (unsigned long long)need, SIZE_STR(page),
		  (unsigned long long)have);
	return hint_reserve(root, page, need - have, or_else, err);
}

/* --- transparent huge pages ----------------------------------------------------------------------- */

/* The word in brackets of such a file is this one. */
static bool set_to(int root, const char *file, const char *word)
{
	char text[256], want[32];

	snprintf(want, sizeof(want), "[%s]", word);
	return hostfs_read(root, text, sizeof(text), THP "%s", file) > 0 && strstr(text, want);
}

static int check_shmem(int root, struct err *err)
{
	if (!set_to(root, "shmem_enabled", "deny"))
		return 0;
	err_plain(err, -EOPNOTSUPP,
		  "backend=memfd-thp: this host denies huge pages to shared memory, which would "
		  "silently be of 4 KiB");
	return err_hint(err, "write never, advise or within_size to "
			     "/sys/kernel/mm/transparent_hugepage/shmem_enabled, or choose "
			     "backend=memfd or hugetlb-2M");
}

int vm_memory_check_thp(int root, struct err *err)
{
	if (!set_to(root, "enabled", "never"))
		return 0;
	err_plain(err, -EOPNOTSUPP, "thp=on: this host has transparent huge pages switched off");
	return err_hint(err, "write madvise to /sys/kernel/mm/transparent_hugepage/enabled, or leave "
			     "thp=on out");
}

/* --- all of it ------------------------------------------------------------------------------------ */

#define OR_ELSE ", or choose another backend"

bool vm_memory_has_pool(int root, uint64_t page)
{
	return hostfs_exists(root, HUGEPAGES, (unsigned long long)(page / KiB));
}

int vm_memory_check_pool(int root, const struct mem_node *nodes, unsigned count, uint64_t page,
			 struct err *err)
{
	uint64_t bytes = 0;
	int r = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += page_of(&nodes[i]) == page ? nodes[i].size : 0;
	/* Of one node more is told than of the host. */
	for (unsigned i = 0; i < count && r == 0; i++)
		if (page_of(&nodes[i]) == page && nodes[i].policy != MEM_UNBOUND)
			r = check_huge_on(root, &nodes[i], need_of(nodes, count, &nodes[i], page, false),
					  page, err);
	return r < 0 ? r : check_huge(root, bytes, page, "", err);
}

int vm_memory_check(int root, const struct mem_node *nodes, unsigned count, bool pinned,
		    struct err *err)
{
	uint64_t small = 0, of_2m = 0, of_1g = 0;
	bool thp = false;
	int r;

	for (unsigned i = 0; i < count; i++) {
		uint64_t page = page_of(&nodes[i]);

		*(page == GiB ? &of_1g : page ? &of_2m : &small) += nodes[i].size;
		thp |= nodes[i].kind == MEM_MEMFD_THP;
	}
	/* Where a node is named, its pool and the command that fills it say more than the host's sum. */
	r = check_strict(root, nodes, count, true, err);
	if (r == 0 && small)
		r = check_small(root, small, pinned, err);
	if (r == 0 && of_2m)
		r = check_huge(root, of_2m, 2 * MiB, OR_ELSE, err);
	if (r == 0 && of_1g)
		r = check_huge(root, of_1g, GiB, OR_ELSE, err);
	if (r == 0 && thp)
		r = check_shmem(root, err);
	return r < 0 ? r : check_strict(root, nodes, count, false, err);
}

uint64_t vm_memory_locked(const struct mem_node *nodes, unsigned count, bool pinned)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += nodes[i].size * ((pinned ? 1u : 0u) + (nodes[i].lock ? 1u : 0u));
	return bytes ? bytes + LOCKED_SLACK : 0;
}
