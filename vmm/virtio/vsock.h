/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets between host and guest (5.10), which the kernel serves (vhost-vsock). The guest has the
 * address that the supervisor gave the descriptor.
 */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include <stdint.h>

#include "base/err.h"

struct virtio_vsock;
struct vm;

/* Before pci_assign(). fd, of /dev/vhost-vsock, is borrowed. */
int virtio_vsock_new(struct vm *vm, int fd, uint64_t cid, struct virtio_vsock **ret,
		     struct err *err);
struct virtio_vsock *virtio_vsock_free(struct virtio_vsock *vsock); /* NULL is fine */

#endif
