/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Half-open address ranges [start, start + size), and the types of addresses. */
#ifndef BASE_RANGE_H
#define BASE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t gpa_t;	 /* guest physical address */
typedef uint64_t iova_t; /* what a device puts on the bus */

struct range {
	uint64_t start;
	uint64_t size; /* bytes; 0: empty */
};

/* start + size does not pass 2^64 (ending exactly there is allowed). */
static inline bool range_valid(uint64_t start, uint64_t size)
{
	return size == 0 || start + (size - 1) >= start;
}

/* The last byte; the range must be valid and not empty. */
static inline uint64_t range_last(struct range r)
{
	return r.start + (r.size - 1);
}

/* Touching ranges and empty ones do not overlap. */
bool range_overlaps(struct range a, struct range b);

/* inner lies wholly in outer; an empty inner never does. */
bool range_contains(struct range outer, struct range inner);

static inline bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* align is a power of two. Saturates to 0 when it would wrap: callers check. */
static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

#endif
