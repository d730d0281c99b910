// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem_populate.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/size.h"
#include "vmm/layout.h"

/* What a thread takes at a time: any huge page whole, small enough that all end together. */
#define PART	    (64 * MiB)
#define STACK_SIZE  (64 * KiB)

/* The areas of one guest node, and how far its threads have come. */
struct work {
	const struct mem_node *node;
	struct mem_area *areas;
	unsigned count;
	mem_fill fill;
	uint64_t next; /* the part to be taken, counted over all areas; atomic */
	bool failed;   /* atomic: no part is taken any more */
};

/* Who is alone takes an area at a time. */
static uint64_t part_size(const struct mem_node *node)
{
	if (node->threads <= 1)
		return 1ull << 63;
	return node->kind == MEM_HUGETLB_1G ? GiB : PART;
}

static uint64_t parts_of(const struct mem_area *a, uint64_t size)
{
	return a->size / size + (a->size % size != 0);
}

/* Part n of the node's RAM; false behind the last. */
static bool take(struct work *w, struct mem_area **ret, uint64_t *ret_off)
{
	uint64_t size = part_size(w->node), n = __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < w->count; i++) {
		if (w->areas[i].node != w->node)
			continue;
		if (n < parts_of(&w->areas[i], size)) {
			*ret = &w->areas[i];
			*ret_off = n * size;
			return true;
		}
		n -= parts_of(&w->areas[i], size);
	}
	return false;
}

static void *fill_parts(void *opaque)
{
	struct work *w = opaque;
	struct mem_area *a;
	uint64_t off;

	while (!__atomic_load_n(&w->failed, __ATOMIC_RELAXED) && take(w, &a, &off)) {
		uint64_t size = part_size(w->node);
		int r = w->fill(w->node, a->hva + off, size < a->size - off ? size : a->size - off);

		if (r == 0)
			continue;
		__atomic_store_n(&a->fill_error, r, __ATOMIC_RELAXED);
		__atomic_store_n(&w->failed, true, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Best effort: a cpuset may have none of these CPUs. */
static void go_to_node(const struct mem_node *node)
{
	cpu_set_t set;

	_Static_assert(sizeof(set) == sizeof(node->host_cpus), "both are 1024 bits");
	memcpy(&set, node->host_cpus, sizeof(set));
	if (CPU_COUNT(&set))
		(void)sched_setaffinity(0, sizeof(set), &set);
}

static void *thread(void *opaque)
{
	const struct work *w = opaque;

	go_to_node(w->node);
	return fill_parts(opaque);
}

struct crew {
	pthread_t threads[MEM_MAX_THREADS];
	unsigned count;
};

static bool has_cpus(const struct mem_node *node)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < MEM_CPU_WORDS; i++)
		any |= node->host_cpus[i];
	return any != 0;
}

/*
 * One of several nodes has a thread at least, so that they are filled at the same time, and so has
 * one that is to be filled in some place. 0: the caller fills it.
 */
static unsigned threads_of(const struct mem_node *node, unsigned nodes)
{
	if (node->threads > 1)
		return node->threads < MEM_MAX_THREADS ? node->threads : MEM_MAX_THREADS;
	return nodes > 1 || has_cpus(node);
}

static void start(struct crew *crew, struct work *w, unsigned threads)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (unsigned i = 0; i < threads; i++) {
		if (pthread_create(&crew->threads[crew->count], &attr, thread, w) != 0)
			break;
		crew->count++;
	}
	pthread_attr_destroy(&attr);
}

static bool first_of_its_node(const struct mem_area *areas, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (areas[k].node == areas[i].node)
			return false;
	return true;
}

/* Whose areas these are, each once. */
static unsigned divide(struct work *works, struct mem_area *areas, unsigned count, mem_fill fill)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (first_of_its_node(areas, i) && n < VMM_MAX_NODES)
			works[n++] = (struct work){ areas[i].node, areas, count, fill, 0, false };
	return n;
}

/* A small guest needs none, and no memory for one. NULL then, and when there is no memory. */
static struct crew *crews_for(const struct work *works, unsigned n)
{
	bool any = false;

	for (unsigned i = 0; i < n; i++)
		any |= threads_of(works[i].node, n) > 0;
	return any ? calloc(n, sizeof(struct crew)) : NULL;
}

int mem_populate(struct mem_area *areas, unsigned count, mem_fill fill)
{
	struct work works[VMM_MAX_NODES];
	unsigned n = divide(works, areas, count, fill);
	struct crew *crews = crews_for(works, n);

	for (unsigned i = 0; i < count; i++)
		areas[i].fill_error = 0;
	for (unsigned i = 0; i < n && crews; i++)
		start(&crews[i], &works[i], threads_of(works[i].node, n));
	/* What has no threads, while the others' work. */
	for (unsigned i = 0; i < n; i++)
		if (!crews || !crews[i].count)
			fill_parts(&works[i]);
	for (unsigned i = 0; i < n && crews; i++)
		for (unsigned k = 0; k < crews[i].count; k++)
			pthread_join(crews[i].threads[k], NULL);
	free(crews);
	for (unsigned i = 0; i < count; i++)
		if (areas[i].fill_error)
			return areas[i].fill_error;
	return 0;
}
