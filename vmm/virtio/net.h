/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network device (5.1): packets go between the guest and a tap or macvtap, by the kernel's vhost-net
 * or by us, or another process takes care of them (vhost-user).
 */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/handover.h"

struct virtio_net;
struct vm;

/* Who hears of what a guest does with it. */
struct virtio_net_owner {
	void (*mac_changed)(void *opaque, unsigned index, const uint8_t mac[6]); /* NULL: nobody */
	void *opaque;
};

struct virtio_net_state {
	uint8_t mac[6]; /* the guest's */
	bool driven;	/* by a driver */
	bool link;  /* packets go, for all we know */
	bool cable; /* it is in; without a backend there is no link all the same */
	unsigned pairs; /* in use */
	const char *receives; /* "all"; "filtered", as the guest wants; "macvtap", "backend", as that does */
};

/*
 * The descriptors in nic, and what owner has, are borrowed and outlive it; but a backend's is taken, also
 * on failure. Before pci_assign().
 * index is its place among the machine's.
 */
int virtio_net_new(struct vm *vm, const struct vmm_nic *nic, unsigned index,
		   const struct virtio_net_owner *owner, struct virtio_net **ret, struct err *err);
struct virtio_net *virtio_net_free(struct virtio_net *net); /* NULL is fine */

/* The cable is in, or out: no packets, and the guest is told. */
void virtio_net_set_link(struct virtio_net *net, bool up);

/* Another process moves its packets from now on; fd, a connected socket, is taken. */
void virtio_net_return(struct virtio_net *net, int fd);

/*
 * The network is told that the guest is behind this device now: one RARP frame with its MAC into the tap, or the backend
 * is asked for one. One that has no such message, or nobody being there, is no error: the guest's next
 * frame tells. 0 or -errno.
 */
int virtio_net_announce(struct virtio_net *net);

void virtio_net_get_state(const struct virtio_net *net, struct virtio_net_state *ret);

#endif
