/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network device that a vDPA device of the host is behind (vhost-vdpa): what the guest says of rings and
 * features is handed on to it, its configuration is the guest's, and no packet comes to us.
 */
#ifndef VMM_VIRTIO_VDPA_H
#define VMM_VIRTIO_VDPA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct virtio_vdpa;
struct vm;
struct vmm_nic;

struct virtio_vdpa_state {
	uint8_t mac[6]; /* what the device says, as the next two; 0: nothing */
	uint16_t mtu;
	bool link;
	bool driven;
	unsigned pairs; /* of queues that it has */
	unsigned used;	/* whose rings a driver has given it */
};

/*
 * nic, with the descriptor in it, is borrowed and outlives it; so does RAM, which must be there. Before
 * pci_assign(). index is its place among the machine's network devices. -EOPNOTSUPP: it is not modern;
 * -ERANGE: RAM is not where it reaches; -ENOMEM: it may not be pinned; -errno.
 */
int virtio_vdpa_new(struct vm *vm, const struct vmm_nic *nic, unsigned index,
		    struct virtio_vdpa **ret, struct err *err);
struct virtio_vdpa *virtio_vdpa_free(struct virtio_vdpa *vdpa); /* NULL is fine */

void virtio_vdpa_get_state(const struct virtio_vdpa *vdpa, struct virtio_vdpa_state *ret);

#endif
