/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network device (5.1): packets go between the guest and a tap by the kernel's vhost-net. */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include "base/err.h"
#include "vmm/handover.h"

struct virtio_net;
struct vm;

/* The descriptors in nic are borrowed and outlive it. Before pci_assign(). */
int virtio_net_new(struct vm *vm, const struct vmm_nic *nic, unsigned index, struct virtio_net **ret,
		   struct err *err);
struct virtio_net *virtio_net_free(struct virtio_net *net); /* NULL is fine */

#endif
