/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk that a process of the host serves (vhost-user-blk), such as qemu-storage-daemon. */
#ifndef VMM_VIRTIO_VHOST_USER_BLK_H
#define VMM_VIRTIO_VHOST_USER_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/handover.h"

struct vhost_user_blk;
struct vm;

struct vhost_user_blk_state {
	uint64_t bytes;
	unsigned block_size;
	bool readonly, there; /* there: it is served */
};

/* disk outlives it; its descriptor, a connected socket, is taken. Before pci_assign(). err is set. */
int vhost_user_blk_new(struct vm *vm, const struct vmm_disk *disk, unsigned index,
		       struct vhost_user_blk **ret, struct err *err);
struct vhost_user_blk *vhost_user_blk_free(struct vhost_user_blk *blk); /* NULL is fine */

/* Another one serves it from now on; fd is taken. */
void vhost_user_blk_return(struct vhost_user_blk *blk, int fd);

/* Ask how large it is now, and tell the guest where that has changed. */
int vhost_user_blk_resize(struct vhost_user_blk *blk);

void vhost_user_blk_get_state(const struct vhost_user_blk *blk, struct vhost_user_blk_state *ret);

#endif
