/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a network device has of its host, without one: taps that are sockets, whose far ends the test has,
 * and vhost descriptors. Both write down what they are told.
 */
#ifndef TESTS_FAKE_NET_HOST_H
#define TESTS_FAKE_NET_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/filter.h>

#include "tests/fake/virtio_guest.h"
#include "vmm/virtio/net.h"

#define NH_PAIRS 4

struct net_host {
	struct vmm_nic nic;
	struct virtio_net *net;
	int far[NH_PAIRS]; /* the other end of each pair's tap */

	bool attached[NH_PAIRS]; /* as the kernel sees it */
	bool no_uso;
	unsigned fail_attach; /* so many times */
	unsigned offload, header, carrier;
	unsigned attaches, detaches, filters;
	struct sock_filter filter[1024]; /* of the taps */
	unsigned filter_len;

	int backend[NH_PAIRS][2]; /* of vhost's rings; -1: none */
	unsigned rings[NH_PAIRS]; /* that were told of */
	unsigned owned[NH_PAIRS];
	int call[NH_PAIRS][2];
	bool fail_backend;

	unsigned macs; /* how often the guest's changed */
	uint8_t mac[6];
};

/* A machine with a network device like nic (MAC, MTU, pairs, macvtap), by vhost or not. */
void nh_begin(struct net_host *h, const struct vmm_nic *like, bool vhost);
void nh_end(struct net_host *h);

/* A driver that knows these features and sets up all queues; from reset to DRIVER_OK. */
void nh_drive(struct net_host *h, uint64_t features);

/* Where queue q lies. */
gpa_t nh_desc(unsigned q);
gpa_t nh_avail(unsigned q);
gpa_t nh_used(unsigned q);

/* Head is available in queue q, and kicked. */
void nh_offer(unsigned q, unsigned head);
unsigned nh_used_count(unsigned q);
uint32_t nh_used_len(unsigned q, unsigned i);

/* The event loop, until nothing is to be done. */
void nh_turn(void);

/* Whether the taps' filter lets it through: the kernel runs it on a socket of the test. */
bool nh_passes(const struct net_host *h, const void *frame, unsigned len);

#endif
