/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traditional memory balloon (5.5): the guest gives pages back as long as it is asked to.
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
};

/* Before pci_assign(). */
int virtio_balloon_new(struct vm *vm, const struct balloon_owner *owner,
		       struct virtio_balloon **ret, struct err *err);
struct virtio_balloon *virtio_balloon_free(struct virtio_balloon *b); /* NULL is fine */

/* Bytes that the guest is to give back, in whole pages of 4 KiB; it does so when it comes to it. */
void virtio_balloon_ask(struct virtio_balloon *b, uint64_t bytes);
/* What it was asked for, and what it says it has given back. */
uint64_t virtio_balloon_asked(const struct virtio_balloon *b);
uint64_t virtio_balloon_given(const struct virtio_balloon *b);

#endif
