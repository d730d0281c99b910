/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pools of hugepages of each NUMA node, and the journal row that changes one:
 *
 *	"hugepages"  how many pages a pool keeps, used or free; dev is the pool,
 *		     "node0/2048kB"
 *
 * What a pool keeps is nr_hugepages without surplus_hugepages: pages that were
 * allocated beyond it, or are still used after it was made smaller, leave by
 * themselves. It is what the kernel takes a written nr_hugepages to mean, so a
 * pool in use can be made smaller, and undone, at once.
 */
#ifndef HOST_HUGEPAGES_H
#define HOST_HUGEPAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/journal.h"

struct hugepage_pool {
	unsigned node;
	uint64_t page_kb; /* KiB: 2048, 1048576 */
	uint64_t total, free, surplus;
};

struct hugepage_pools {
	struct hugepage_pool *pools; /* by node, then by size; malloced */
	size_t count;
};

#define HUGEPAGE_POOLS_INIT { NULL, 0 }

/* Every pool of the host; none on a kernel without hugepages. 0 or -ENOMEM. */
int hugepages_read(int root, struct hugepage_pools *ret);
void hugepages_fini(struct hugepage_pools *pools);

/* One pool. 0; -ENODEV: no such node; -EOPNOTSUPP: no pages of that size. */
int hugepages_read_pool(int root, unsigned node, uint64_t page_kb, struct hugepage_pool *ret);

/* The journal's name of a pool, for journal_restore(). buf takes STEP_DEV_MAX. Returns buf. */
char *hugepages_dev(unsigned node, uint64_t page_kb, char *buf);

extern const struct step_ops hugepages_step_ops;

/*
 * Append the step that makes a pool keep `pages`. While it is applied the kernel's
 * memory is compacted and the write repeated, for at most HUGEPAGES_LIMIT_S and as
 * long as that gains anything. A shortage is -ENOMEM and says what was had and what
 * is missing; the journal puts the pool back. 0 or -errno: as hugepages_read_pool(),
 * err set.
 */
int hugepages_plan(int root, unsigned node, uint64_t page_kb, uint64_t pages, struct plan *plan,
		   struct err *err);

#define HUGEPAGES_LIMIT_S 60

/* A process that has pages of a pool mapped. */
struct hugepage_user {
	pid_t pid;
	char comm[24];
	unsigned node;
	uint64_t page_kb;
	uint64_t pages;
};

/*
 * Who maps pages of which pool; *ret is malloced. Of other users' processes only root
 * is told. 0 or -ENOMEM.
 */
int hugepages_users(int root, struct hugepage_user **ret, size_t *ret_count);

#endif
