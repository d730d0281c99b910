/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network device among its own files: net.c (features, configuration, start and stop), net_ctrl.c
 * (the control queue), net_filter.c (what the guest wants to receive), net_pairs.c (which pairs of
 * queues carry packets), net_tap.c (the host's interface) and the three that move packets, net_vhost.c
 * (the kernel does), net_user.c (we do) and net_backend.c (another process does, by vhost-user).
 */
#ifndef VMM_VIRTIO_NET_INTERNAL_H
#define VMM_VIRTIO_NET_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/filter.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "vmm/handover.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/vhost_user.h"
#include "vmm/virtio/virtio.h"

/* The header of virtio 1.0, whether buffers are merged or not (5.1.6). */
#define NET_HEADER 12

/* Linux 6.2; for the headers of older systems. */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO	 56

/* --- what the guest wants to receive (5.1.6.5.1 to 3) --- */

#define NET_MACS_MAX	64 /* of both tables together */
#define NET_VLANS_MAX	64 /* of more, all */
#define NET_PROGRAM_MAX 512

struct net_filter {
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
	bool by_vlan;		   /* the guest says which */
	bool many_uni, many_multi; /* more than there is room for: all */
	unsigned uni, multi;
	uint8_t mac[NET_MACS_MAX][6]; /* uni of them, then multi */
	uint64_t vlan[4096 / 64];
};

/* All that comes, as after a reset. */
void net_filter_reset(struct net_filter *f);

/* As a classic BPF program. Its length; 0: there is nothing to filter. */
unsigned net_filter_program(const struct net_filter *f, const uint8_t mac[6],
			    struct sock_filter ret[NET_PROGRAM_MAX]);

/* --- the device --- */

struct net_pair {
	int tap_fd;	    /* borrowed */
	struct vhost vhost; /* fd -1: we move its packets */
	bool attached;	    /* one of the interface's queues */
	bool live;	    /* packets go */
	bool begun;	    /* vhost knows its rings */
	bool told;	    /* a backend was told of them since the driver began, this one or one before */
	bool polled;	    /* the event loop waits for the tap */
	uint32_t held;	    /* bytes in buf, of a packet that found no room in the guest */
	uint8_t *buf;
};

struct virtio_net {
	struct virtio_dev dev;
	struct virtio_ops ops;	   /* of so many queues */
	const struct vmm_nic *nic; /* borrowed */
	struct virtio_net_owner owner;
	unsigned index;
	unsigned pairs; /* that the guest has asked for */
	uint64_t pairs_free_ms; /* of the monotonic clock: so far it has changed them */
	bool down;	/* the link */
	struct vhost_user vu; /* of nic->vhost_user; the next three are, too */
	int unheard;	      /* what it writes to while nobody is interrupted; else -1 */
	int socket;	      /* vu's, while the loop waits for it; else -1 */
	bool lost;	      /* nobody serves it */
	uint8_t mac[6];
	uint64_t offloads; /* of what it receives, as bits of features */
	struct net_filter filter;
	struct sock_filter *program; /* NULL: none yet */
	bool filtered;		     /* the tap has it */
	struct net_pair pair[VMM_NIC_PAIRS_MAX];
};

/* Packets go, where there is a driver. */
static inline bool net_has_link(const struct virtio_net *net)
{
	return !net->down && !net->lost;
}

/* As the guest sees it: where it is to reset the device none go before it has. */
static inline bool net_shows_link(const struct virtio_net *net)
{
	return net_has_link(net) && !(net->dev.status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static inline bool net_has_vhost(const struct virtio_net *net)
{
	return net->pair[0].vhost.fd >= 0;
}

/* --- net_ctrl.c --- */

/* The number of the control queue, which follows from what was agreed on (5.1.2). */
unsigned net_ctrl_queue(const struct virtio_net *net);

/* The guest has put commands into it. */
void net_ctrl_kick(struct virtio_net *net);

/* --- net_pairs.c --- */

/*
 * So many pairs carry packets from now on, if the link is up and the device runs. -EINVAL: there are not
 * so many, or their rings are not ready; -errno: the kernel refuses, and it is as before.
 */
int net_pairs_set(struct virtio_net *net, unsigned pairs);

/* The first one, as it was given to us; of a device that does not run any more. */
void net_pairs_stop(struct virtio_net *net);

/* --- net_tap.c --- */

/* What the interface may hand us, by bits of features. 0 or -errno. */
int net_tap_offloads(const struct virtio_net *net, uint64_t features);
int net_tap_set_up(const struct virtio_net *net);
/* It can cut UDP into packets (Linux 6.2). */
bool net_tap_has_uso(const struct virtio_net *net);
/* Pair i is one of the interface's queues, or none. */
int net_tap_attach(struct virtio_net *net, unsigned i, bool on);
/* What the guest wants to receive, or all. */
void net_tap_filter(struct virtio_net *net, bool on);
/* Whether the other side sees a cable. */
void net_tap_carrier(const struct virtio_net *net, bool on);
/* What came while nobody listened is gone. */
void net_tap_drain(const struct net_pair *p);

/* --- who moves the packets of pair i --- */

int net_vhost_begin(struct virtio_net *net, unsigned i);
void net_vhost_end(struct virtio_net *net, unsigned i);

int net_user_begin(struct virtio_net *net, unsigned i);
void net_user_end(struct virtio_net *net, unsigned i);
void net_user_kick(struct virtio_net *net, unsigned q);

/* What a guest may have of a backend's: checksums, packets larger than the wire's, merged buffers. */
#define NET_BACKEND_FEATURES                                                                          \
	(1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 | \
	 1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN |                            \
	 1ull << VIRTIO_NET_F_GUEST_UFO | 1ull << VIRTIO_NET_F_HOST_TSO4 |                             \
	 1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_HOST_ECN |                              \
	 1ull << VIRTIO_NET_F_HOST_UFO | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << NET_F_GUEST_USO4 |   \
	 1ull << NET_F_GUEST_USO6 | 1ull << NET_F_HOST_USO)

/* Take the socket. -EOPNOTSUPP: it lacks what it must have; else as vhost_user_open(). */
int net_backend_meet(struct virtio_net *net, int fd);
void net_backend_free(struct virtio_net *net);
/* A driver is ready, then pair by pair; one that fails in this is lost, and only that. */
void net_backend_start(struct virtio_net *net);
int net_backend_begin(struct virtio_net *net, unsigned i);
void net_backend_end(struct virtio_net *net, unsigned i);
void net_backend_stop(struct virtio_net *net);
void net_backend_call(struct virtio_net *net, unsigned q, int fd);
/* What it has for this, it does. */
void net_backend_announce(struct virtio_net *net);

#endif
