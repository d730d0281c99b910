/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block device (5.2): a file or a block device of the host, as the guest's disk. */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/handover.h"

struct virtio_blk;
struct vm;

/* disk outlives it; its descriptor stays the caller's. err is set. */
int virtio_blk_new(struct vm *vm, const struct vmm_disk *disk, unsigned index,
		   struct virtio_blk **ret, struct err *err);

/* NULL is fine; returns NULL. */
struct virtio_blk *virtio_blk_free(struct virtio_blk *blk);

/*
 * Look how large the file is now, and tell the guest where that has changed. *ret_bytes, if not NULL:
 * the disk's size. 0 or -errno.
 */
int virtio_blk_resize(struct virtio_blk *blk, uint64_t *ret_bytes);

uint64_t virtio_blk_bytes(const struct virtio_blk *blk);
/* It is read and written by a thread, since io_uring was not to be had. */
bool virtio_blk_has_thread(const struct virtio_blk *blk);

#endif
