/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traditional memory balloon (5.5): the guest gives pages back as long as it is asked to, tells of
 * pages that it does not use just now, and of its memory in numbers.
 * While a device of the host may write to guest RAM every page of it is pinned: one that is given
 * back then is kept, and asking for any is refused (vmm/control_balloon.c).
 */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct virtio_balloon;
struct vm;

struct balloon_owner {
	/* Whether a page that the guest gives back may be taken now. */
	bool (*may_take)(void *opaque);
	void *opaque;
	bool reporting; /* the guest is to tell of free pages: its RAM is such that they can be taken */
};

/* Before pci_assign(). */
int virtio_balloon_new(struct vm *vm, const struct balloon_owner *owner,
		       struct virtio_balloon **ret, struct err *err);
struct virtio_balloon *virtio_balloon_free(struct virtio_balloon *b); /* NULL is fine */

/* Bytes that the guest is to give back, in whole pages of 4 KiB; it does so when it comes to it. */
void virtio_balloon_ask(struct virtio_balloon *b, uint64_t bytes);

/* Numbers of 5.5.6.4, and those that Linux 6.12 tells besides, by their tags. */
#define BALLOON_STATS 16
struct balloon_stats {
	uint64_t age_ms;
	uint32_t have; /* a bit for each value that the guest told */
	uint64_t value[BALLOON_STATS];
};

struct balloon_state {
	uint64_t asked, given; /* bytes; the guest's word, as all that follows */
	bool driven;	       /* by a driver */
	bool reporting;	       /* which tells of free pages */
	uint64_t reported;     /* bytes of these, taken until now; a page counts each time */
	bool told;	       /* stats are there */
	struct balloon_stats stats;
};

/* Numbers that are older than a quarter of a second are asked for anew: who wants these asks again. */
void virtio_balloon_get_state(struct virtio_balloon *b, struct balloon_state *ret);

#endif
