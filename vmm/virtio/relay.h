/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings between us and who serves a device (vhost-user), and a list of all that it was given and has not
 * given back. Descriptors and buffers stay the guest's; of a request only its number passes through
 * here, twice. So when the one who served dies, another is given the same requests again, in their
 * order, whether or not he has ever heard of that; and nobody but us writes into the guest's rings.
 *
 * What lies in the shared memory may be anything at any time, as in a guest's.
 */
#ifndef VMM_VIRTIO_RELAY_H
#define VMM_VIRTIO_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/vhost_user.h"
#include "vmm/virtio/virtio.h"

struct relay_link {
	uint16_t prev, next;
	bool listed;
};

struct relay_queue {
	struct relay_link *list; /* of the heads that were given, oldest first; its end is at [size_max] */
	unsigned given;
	uint8_t *avail, *used; /* in shared memory; NULL: nobody serves */
	uint16_t next_avail, next_used;
	int kick, call;
	bool runs;
};

struct relay {
	struct virtio_dev *dev; /* borrowed */
	unsigned count;
	uint16_t size_max;
	/* Something was put into ring q. */
	void (*called)(void *opaque, unsigned q);
	void *opaque;
	int fd; /* of what is shared with the one who serves; -1: none */
	uint8_t *map;
	struct relay_queue q[VIRTIO_QUEUES_MAX];
};

/* called() is run by the event loop when something was put into ring q. 0 or -ENOMEM. */
int relay_init(struct relay *r, struct virtio_dev *dev, unsigned count, uint16_t size_max,
	       void (*called)(void *opaque, unsigned q), void *opaque);
void relay_fini(struct relay *r);

/*
 * Memory and eventfds for one who comes, shared with nobody before. 0 or -errno. relay_close() leaves the
 * list as it is.
 */
int relay_open(struct relay *r);
void relay_close(struct relay *r);
void relay_region(const struct relay *r, struct vhost_user_region *ret);

/* Ring q anew, with all that is on its list; what the one who serves it is to be told. */
void relay_begin(struct relay *r, unsigned q, struct vhost_user_ring *ret);
/* Nothing more goes in. */
void relay_end(struct relay *r, unsigned q);

/* -EPROTO: the guest gave this head before, and it was not given back (virtio_broken() was called). */
int relay_give(struct relay *r, unsigned q, uint16_t head);
/* Who serves hears of what was given. */
void relay_kick(const struct relay *r, unsigned q);
/* What came goes to the guest. -EBADMSG: what cannot be; -EPROTO: the guest's ring is broken. */
int relay_take_back(struct relay *r, unsigned q);
/* The same, and the guest, which waits for its device to stop, is told nothing. */
int relay_discard(struct relay *r, unsigned q);
/* That something was put in was heard. */
void relay_hush(const struct relay *r);

/* The oldest that was given; false: there is none. */
bool relay_oldest(const struct relay *r, unsigned q, uint16_t *ret);
/* It is not waited for any more. */
void relay_strike(struct relay *r, unsigned q, uint16_t head);
/* None is. */
void relay_forget(struct relay *r);
unsigned relay_given(const struct relay *r);

#endif
