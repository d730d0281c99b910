// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/hugepages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hostfs.h"
#include "base/progress.h"
#include "base/size.h"

#define NODES "sys/devices/system/node"
#define POOL  NODES "/node%u/hugepages/hugepages-%" PRIu64 "kB"

/* --- what there is ---------------------------------------------------------------------------- */

int hugepages_read_pool(int root, unsigned node, uint64_t page_kb, struct hugepage_pool *ret)
{
	struct hugepage_pool p = { .node = node, .page_kb = page_kb };
	int r;

	if (!hostfs_exists(root, NODES "/node%u", node))
		return -ENODEV;
	r = hostfs_read_u64(root, &p.total, POOL "/nr_hugepages", node, page_kb);
	if (r == 0)
		r = hostfs_read_u64(root, &p.free, POOL "/free_hugepages", node, page_kb);
	if (r == 0)
		r = hostfs_read_u64(root, &p.surplus, POOL "/surplus_hugepages", node, page_kb);
	if (r < 0)
		return r == -ENOENT ? -EOPNOTSUPP : r;
	*ret = p;
	return 0;
}

struct scan {
	int root;
	unsigned node;
	struct hugepage_pools *ret;
};

static int scan_size(const char *name, void *opaque)
{
	struct scan *s = opaque;
	struct hugepage_pool pool, *bigger;
	uint64_t kb;

	if (sscanf(name, "hugepages-%" SCNu64 "kB", &kb) != 1 ||
	    hugepages_read_pool(s->root, s->node, kb, &pool) < 0)
		return 0;
	bigger = realloc(s->ret->pools, (s->ret->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->ret->pools = bigger;
	bigger[s->ret->count++] = pool;
	return 0;
}

static int scan_node(const char *name, void *opaque)
{
	struct scan *s = opaque;
	int end = 0, r;

	if (sscanf(name, "node%u%n", &s->node, &end) != 1 || name[end])
		return 0;
	r = hostfs_list(s->root, scan_size, s, NODES "/%s/hugepages", name);
	return r == -ENOMEM ? r : 0;
}

static int by_node_and_size(const void *a, const void *b)
{
	const struct hugepage_pool *p = a, *q = b;

	if (p->node != q->node)
		return p->node < q->node ? -1 : 1;
	return (p->page_kb > q->page_kb) - (p->page_kb < q->page_kb);
}

int hugepages_read(int root, struct hugepage_pools *ret)
{
	struct hugepage_pools all = HUGEPAGE_POOLS_INIT;
	struct scan s = { .root = root, .ret = &all };
	int r = hostfs_list(root, scan_node, &s, NODES);

	if (r == -ENOMEM) {
		hugepages_fini(&all);
		return r;
	}
	if (all.count)
		qsort(all.pools, all.count, sizeof(*all.pools), by_node_and_size);
	*ret = all;
	return 0;
}

void hugepages_fini(struct hugepage_pools *pools)
{
	free(pools->pools);
	*pools = (struct hugepage_pools)HUGEPAGE_POOLS_INIT;
}

/* --- the row ---------------------------------------------------------------------------------- */

char *hugepages_dev(unsigned node, uint64_t page_kb, char *buf)
{
	snprintf(buf, STEP_DEV_MAX, "node%u/%" PRIu64 "kB", node, page_kb);
	return buf;
}

static int read_step_pool(int root, const struct step *step, struct hugepage_pool *ret)
{
	unsigned node;
	uint64_t kb;

	if (sscanf(step->dev, "node%u/%" SCNu64 "kB", &node, &kb) != 2)
		return -EINVAL;
	return hugepages_read_pool(root, node, kb, ret);
}

static uint64_t kept(const struct hugepage_pool *p)
{
	return p->total > p->surplus ? p->total - p->surplus : 0;
}

static int pool_read(int root, const struct step *step, char *buf, size_t size)
{
	struct hugepage_pool p;
	int r = read_step_pool(root, step, &p);

	if (r == 0)
		snprintf(buf, size, "%" PRIu64, kept(&p));
	return r;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void pause_ms(unsigned ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* Free memory in one piece, if the kernel can: of this node, or an older kernel's of all. */
static void compact(int root, unsigned node, unsigned deadline_ms)
{
	if (hostfs_write(root, "1", deadline_ms, NULL, NODES "/node%u/compact", node) == -ENOENT)
		(void)hostfs_write(root, "1", deadline_ms, NULL, "proc/sys/vm/compact_memory");
}

static int write_pages(int root, const struct hugepage_pool *p, uint64_t pages, struct err *err)
{
	char text[24];
	pid_t hung = 0;
	int r;

	snprintf(text, sizeof(text), "%" PRIu64, pages);
	r = hostfs_write(root, text, HOSTFS_DEADLINE_MS, &hung, POOL "/nr_hugepages", p->node,
			 p->page_kb);
	if (r == -ETIMEDOUT) {
		err_plain(err, r, "node %u: the kernel has been making hugepages for %u s (pid %d)",
			  p->node, HOSTFS_DEADLINE_MS / 1000, (int)hung);
		return err_hint(err, "when it has ended: thruway hugepages release");
	}
	if (r < 0)
		err_set(err, r, "node %u: cannot set its number of %s pages to %" PRIu64, p->node,
			SIZE_STR(p->page_kb * KiB), pages);
	if (r == -EACCES || r == -EPERM)
		err_hint(err, "run it as root");
	else if (r == -EINVAL)
		err_hint(err, "this kernel makes pages of that size only while it boots: "
			      "hugepagesz=%" PRIu64 "K hugepages=%u:%" PRIu64, p->page_kb, p->node,
			 pages);
	return r;
}

/* The node's free memory in kB, in pieces of any size; -1: unknown. */
static int64_t free_kb(int root, unsigned node)
{
	char text[4096], *at;
	int64_t kb;

	if (hostfs_read(root, text, sizeof(text), NODES "/node%u/meminfo", node) < 0)
		return -1;
	at = strstr(text, "MemFree:");
	return at && sscanf(at, "MemFree: %" SCNd64, &kb) == 1 ? kb : -1;
}

static int shortage(int root, const struct hugepage_pool *had, uint64_t pages, struct err *err)
{
	uint64_t missing = pages - kept(had), page = had->page_kb * KiB;
	int64_t rest = free_kb(root, had->node);
	char free_text[48] = "";

	err_plain(err, -ENOMEM,
		  "node %u: only %" PRIu64 " of %" PRIu64 " pages of %s could be had, %" PRIu64
		  " (%s) are missing", had->node, kept(had), pages, SIZE_STR(page), missing,
		  SIZE_STR(missing * page));
	if (rest >= 0)
		snprintf(free_text, sizeof(free_text), " (%s more are free there, in pieces)",
			 SIZE_STR((uint64_t)rest / 1024 * MiB));
	return err_hint(err, "ask for fewer, end what fills the node's memory%s, or have them made "
			     "at boot: hugepagesz=%" PRIu64 "%c hugepages=%u:%" PRIu64, free_text,
			had->page_kb >= 1048576 ? had->page_kb >> 20 : had->page_kb >> 10,
			had->page_kb >= 1048576 ? 'G' : 'M', had->node, pages);
}

/*
 * The kernel stops at the first page it does not find. Compaction moves what is in the
 * way, in several passes, and other processes let go of memory meanwhile.
 */
static int grow(int root, const struct step *step, uint64_t pages, struct err *err)
{
	uint64_t end = now_ms() + HUGEPAGES_LIMIT_S * 1000, best = 0;
	_cleanup_(progress_end) struct progress progress = PROGRESS_INIT;
	unsigned idle = 0, pause = 10;
	struct hugepage_pool p;
	int r = read_step_pool(root, step, &p);

	if (r == 0)
		r = write_pages(root, &p, pages, err);
	while (r == 0) {
		r = read_step_pool(root, step, &p);
		if (r < 0 || kept(&p) == pages)
			break;
		idle = kept(&p) > best ? 0 : idle + 1;
		best = kept(&p);
		if (idle > 6 || now_ms() >= end)
			return shortage(root, &p, pages, err);
		progress_show(&progress, "node %u: %" PRIu64 " of %" PRIu64 " pages of %s", p.node,
			      best, pages, SIZE_STR(p.page_kb * KiB));
		compact(root, p.node, HUGEPAGES_LIMIT_S * 1000);
		pause_ms(pause);
		pause = pause < 640 ? pause * 2 : pause;
		r = write_pages(root, &p, pages, err);
	}
	return r < 0 ? err_set(err, r, "cannot change the hugepages of %s", step->dev) : 0;
}

static int pool_write(int root, const struct step *step, const char *value, struct err *err)
{
	uint64_t pages;

	if (uint_parse(value, UINT64_MAX >> 12, &pages) < 0)
		return err_plain(err, -EINVAL, "'%s' is not a number of pages", value);
	return grow(root, step, pages, err);
}

static void pool_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "keep %s hugepage%s", step->after,
		 strcmp(step->after, "1") == 0 ? "" : "s");
}

const struct step_ops hugepages_step_ops = {
	.op = "hugepages",
	.read = pool_read,
	.write = pool_write,
	.describe = pool_describe,
};

int hugepages_plan(int root, unsigned node, uint64_t page_kb, uint64_t pages, struct plan *plan,
		   struct err *err)
{
	struct step step = { .op = "hugepages" };
	struct hugepage_pool p;
	int r = hugepages_read_pool(root, node, page_kb, &p);

	if (r == -ENODEV)
		return err_plain(err, r, "this host has no NUMA node %u", node);
	if (r == -EOPNOTSUPP) {
		err_plain(err, r, "node %u has no hugepages of %s", node, SIZE_STR(page_kb * KiB));
		return err_hint(err, "thruway hugepages shows which sizes its CPU and kernel have");
	}
	if (r < 0)
		return err_set(err, r, "cannot read the hugepages of node %u", node);
	hugepages_dev(node, page_kb, step.dev);
	snprintf(step.after, sizeof(step.after), "%" PRIu64, pages);
	return plan_add(plan, &step) < 0 ? err_set(err, -ENOMEM, "cannot plan the change") : 0;
}
