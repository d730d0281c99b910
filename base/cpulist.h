/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's list format: "0-3,8,10-11". Used for CPUs and for NUMA nodes. */
#ifndef BASE_CPULIST_H
#define BASE_CPULIST_H

#include <stdbool.h>
#include <stdint.h>

#define CPULIST_MAX 4096

struct cpulist {
	uint64_t bits[CPULIST_MAX / 64];
};

/* 0; -EINVAL for a malformed list or a falling range; -ERANGE for a number >= CPULIST_MAX. */
int cpulist_parse(const char *s, struct cpulist *ret);

bool cpulist_has(const struct cpulist *l, unsigned n);
unsigned cpulist_count(const struct cpulist *l);

/* The first 64 * count numbers as the kernel's bit sets. 0; -ERANGE when there is one beyond. */
int cpulist_words(const struct cpulist *l, uint64_t *words, unsigned count);

/* Write the shortest list; returns its length, or -ENOSPC. */
int cpulist_format(const struct cpulist *l, char *buf, unsigned size);

#endif
