/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio device with one queue that does nothing by itself: what becomes of its requests is the test's. */
#ifndef TESTS_FAKE_VIRTIO_HAND_H
#define TESTS_FAKE_VIRTIO_HAND_H

#include "tests/fake/virtio_guest.h"
#include "vmm/virtio/virtio.h"

#define HAND_SIZE_MAX 64u

struct hand {
	struct virtio_dev dev;
	unsigned kicks, stops;
};
extern struct hand hand;

/* Plugged in, with packed rings on offer; then from reset to DRIVER_OK, the queue there. */
void hand_begin(void);
void hand_drive(uint64_t features, unsigned size, gpa_t desc, gpa_t avail, gpa_t used);
void hand_end(void);

/* Since it was last asked. */
bool hand_interrupted(void);

#endif
