// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What having guest RAM costs, for each backend and for 1 and 2 threads: mem_new() as the VMM
 * calls it, in this process and without a guest. Prints a line each (docs/measure.md).
 *
 *	populate SIZE [BACKEND…]
 *	populate --once SIZE BACKEND	one thread, one run: where that is exact, or traced
 *
 * Elapsed and CPU time are per GiB, each the least of three runs; CPU is user and system of all
 * threads. A row that this machine cannot have says why.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/size.h"
#include "vmm/mem.h"

#define RUNS 3

static const struct row {
	const char *name;
	enum mem_kind kind;
	bool small_pages;
} rows[] = {
	{ "anon,thp=off", MEM_ANON, true },	 { "anon", MEM_ANON, false },
	{ "memfd", MEM_MEMFD, true },		 { "memfd-thp", MEM_MEMFD_THP, false },
	{ "hugetlb-2M", MEM_HUGETLB_2M, false }, { "hugetlb-1G", MEM_HUGETLB_1G, false },
};

struct cost {
	double elapsed, cpu; /* seconds */
};

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct cost now(void)
{
	struct timespec t;
	struct rusage u;

	clock_gettime(CLOCK_MONOTONIC, &t);
	getrusage(RUSAGE_SELF, &u);
	return (struct cost){ (double)t.tv_sec + (double)t.tv_nsec / 1e9,
			      seconds(u.ru_utime) + seconds(u.ru_stime) };
}

static struct cost since(struct cost start)
{
	struct cost end = now();

	return (struct cost){ end.elapsed - start.elapsed, end.cpu - start.cpu };
}

static void print(const char *name, unsigned threads, struct cost c, uint64_t size)
{
	double gib = (double)size / (double)GiB;

	printf("%-14s %7u %16.1f %16.1f\n", name, threads, c.elapsed * 1000 / gib, c.cpu * 1000 / gib);
	fflush(stdout);
}

/* The yardstick: RAM that is there, zeroed once more. */
static void zero_once(uint64_t size)
{
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct cost start, best = { 0, 0 };

	if (p == MAP_FAILED)
		return;
	madvise(p, size, MADV_HUGEPAGE);
	memset(p, 1, size);
	for (unsigned i = 0; i < RUNS; i++) {
		start = now();
		memset(p, 0, size);
		__asm__ volatile("" : : "r"(p) : "memory");
		start = since(start);
		best = i == 0 || start.cpu < best.cpu ? start : best;
	}
	print("memset", 1, best, size);
	munmap(p, size);
}

/* 0, or what mem_new() said. */
static int fill(const struct row *row, uint64_t size, unsigned threads, struct cost *ret,
		struct err *err)
{
	struct mem_node node = { .size = size, .kind = row->kind, .threads = threads,
				 .small_pages = row->small_pages };
	struct mem_config config = { .nodes = 1, .node = &node };
	struct mem *mem = NULL;
	struct cost start = now();
	int r = mem_new(&config, &mem, err);

	*ret = since(start);
	mem_free(mem);
	return r;
}

/* The least of some runs: the machine is never alone with it. */
static void measure(const struct row *row, uint64_t size, unsigned threads)
{
	struct cost best = { 0, 0 };

	for (unsigned i = 0; i < RUNS; i++) {
		struct err err = ERR_INIT;
		struct cost cost;

		if (fill(row, size, threads, &cost, &err) < 0) {
			printf("%-14s %7u  %s\n", row->name, threads, err.text);
			return;
		}
		if (i == 0 || cost.elapsed < best.elapsed)
			best.elapsed = cost.elapsed;
		if (i == 0 || cost.cpu < best.cpu)
			best.cpu = cost.cpu;
	}
	print(row->name, threads, best, size);
}

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	while (*names)
		if (strcmp(*names++, name) == 0)
			return true;
	return false;
}

static int once(uint64_t size, const char *name)
{
	struct err err = ERR_INIT;
	struct cost cost;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		if (fill(&rows[i], size, 1, &cost, &err) == 0) {
			print(name, 1, cost, size);
			return 0;
		}
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t size;

	if (argc == 4 && strcmp(argv[1], "--once") == 0 && size_parse(argv[2], &size) == 0)
		return once(size, argv[3]);
	if (argc < 2 || size_parse(argv[1], &size) < 0) {
		fprintf(stderr, "usage: populate SIZE [BACKEND]...\n");
		return 2;
	}
	printf("%-14s %7s %16s %16s\n", "backend", "threads", "elapsed ms/GiB", "CPU ms/GiB");
	zero_once(size);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!wanted(rows[i].name, argv + 2))
			continue;
		for (unsigned threads = 1; threads <= 2; threads++)
			measure(&rows[i], size, threads);
	}
	return 0;
}
