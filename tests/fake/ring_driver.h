/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver's side of one virtqueue, split or packed, as Linux's: what it adds, whether it kicks, what it
 * gets back, and from when on it wants to be interrupted. It lies in RAM that a device may look at in another
 * thread. Of the driver's own mistakes there are none here.
 */
#ifndef TESTS_FAKE_RING_DRIVER_H
#define TESTS_FAKE_RING_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/virtio.h"

struct mem;

#define RD_SIZE_MAX 64u
#define RD_SEGS_MAX 6u

/* Where it lies, with the buffers of each request: RD_SEG_LEN bytes for each segment. */
#define RD_DESC	   0x10000u
#define RD_AVAIL   0x11000u
#define RD_USED	   0x12000u
#define RD_TABLES  0x20000u
#define RD_BUFFERS 0x40000u
#define RD_SEG_LEN 64u

struct ring_driver {
	bool packed, event_idx, indirect;
	unsigned size;
	uint8_t *desc, *avail, *used, *tables, *buffers;

	unsigned room; /* entries */
	uint16_t next_avail, next_used;
	bool avail_wrap, used_wrap;
	unsigned added; /* entries since it was last asked whether to kick */
	struct {
		bool busy;
		uint16_t id, entries;
	} request[RD_SIZE_MAX];
	uint16_t free_desc[RD_SIZE_MAX]; /* of a split ring */
};

/* Features as they were agreed on; size as the device knows it. */
void rd_init(struct ring_driver *d, const struct mem *mem, uint64_t features, unsigned size);

/* A request of so many buffers to read and to write, RD_SEGS_MAX in all: its number, -1: no room. */
int rd_add(struct ring_driver *d, unsigned nread, unsigned nwrite);
/* The k-th buffer of it. */
uint8_t *rd_buffer(const struct ring_driver *d, unsigned request, unsigned k);

/* Of what was added since the last time: the device wants to be kicked. */
bool rd_must_kick(struct ring_driver *d);

/* The next that was used: its number; -1: none; -2: the device names one that it was not given. */
int rd_get(struct ring_driver *d, uint32_t *ret_len);

enum rd_wish { RD_NEVER, RD_NEXT, RD_LATER };

/* When it is interrupted. False: there is something already, and it should look again. */
bool rd_wish(struct ring_driver *d, enum rd_wish wish);

#endif
