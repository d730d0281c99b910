/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entropy device (5.4): the host's random numbers for a guest that has few at its start. */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include "base/err.h"

struct vm;
struct virtio_rng;

int virtio_rng_new(struct vm *vm, struct virtio_rng **ret, struct err *err);
struct virtio_rng *virtio_rng_free(struct virtio_rng *rng); /* NULL is fine */

#endif
