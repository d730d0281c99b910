// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Without vhost-net: the event loop moves the packets, by one read or write of the tap each.
 *
 * A packet to send goes out of the guest's buffers; one that is received comes into a buffer of
 * ours, since how many of the guest's it takes is known only then. Without room for it there, it waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/mem.h"
#include "vmm/virtio/net_internal.h"
#include "vmm/vm.h"

/* 64 KiB of IP, its Ethernet header with two tags, ours. */
#define PACKET_MAX (65536 + 22 + NET_HEADER)
#define ETHERNET_MIN 14
/* Packets of one turn of the event loop, so that others have theirs. */
#define BUDGET 128
/* Where the header says over how many buffers a packet goes (5.1.6). */
#define NUM_BUFFERS 10

/* --- to the guest --- */

/* Chains that one packet has taken. */
struct taken {
	unsigned n;
	struct virtq_chain first; /* with the header */
	struct virtq_head head[VIRTQ_SEGS_MAX];
	uint32_t len[VIRTQ_SEGS_MAX];
};

/*
 * One more chain of queue q, with as much of the packet as it takes, the last one with all that is left
 * of it. 1; 0: there is none; -EMSGSIZE: too small for that; -EPROTO.
 */
static int take_chain(struct virtio_net *net, unsigned q, const struct net_pair *p, uint32_t *done,
		      struct taken *t, bool last)
{
	struct virtq_chain other, *chain = t->n ? &other : &t->first;
	uint64_t room, len = p->held - *done;
	int r = virtq_pop(&net->dev, q, chain);

	if (r != 1)
		return r;
	room = virtq_writable(chain);
	if (room < NET_HEADER) {
		virtio_broken(&net->dev, "a buffer to receive into is too small");
		return -EPROTO;
	}
	t->head[t->n] = chain->head;
	t->len[t->n] = (uint32_t)(len < room ? len : room);
	t->n++;
	if (len > room && last)
		return -EMSGSIZE;
	/* What is not in RAM is skipped, as a device on a bus would. */
	(void)virtq_write(&net->dev, chain, 0, p->buf + *done, t->len[t->n - 1]);
	*done += t->len[t->n - 1];
	return 1;
}

/* All at once: a guest that sees the first looks for the others. */
static int give_back(struct virtio_net *net, unsigned q, const struct taken *t)
{
	int r = 0;

	for (unsigned i = 0; i < t->n && r == 0; i++)
		r = virtq_put(&net->dev, q, &t->head[i], t->len[i]);
	return r < 0 ? r : virtq_publish(&net->dev, q);
}

/* 1: the guest has the packet, or it cannot be given; 0: there is no room; -EPROTO. */
static int deliver(struct virtio_net *net, unsigned q, const struct net_pair *p)
{
	bool merge = virtio_has(&net->dev, VIRTIO_NET_F_MRG_RXBUF);
	struct taken t;
	uint32_t done = 0;
	uint8_t number[2];
	int r;

	t.n = 0;
	do
		r = take_chain(net, q, p, &done, &t, !merge || t.n == VIRTQ_SEGS_MAX - 1);
	while (r == 1 && done < p->held);
	if (r == -EPROTO)
		return r;
	if (r != 1) {
		while (t.n)
			virtq_unpop(&net->dev, q, &t.head[--t.n]);
		return r == -EMSGSIZE ? 1 : r;
	}
	put_le16(number, (uint16_t)t.n);
	(void)virtq_write(&net->dev, &t.first, NUM_BUFFERS, number, sizeof(number));
	r = give_back(net, q, &t);
	return r < 0 ? r : 1;
}

static int poll_tap(struct virtio_net *net, struct net_pair *p, bool on);

/* 1: there is a packet in buf; 0: none. */
static int read_packet(struct virtio_net *net, struct net_pair *p)
{
	ssize_t n;

	if (p->held)
		return 1;
	n = read(p->tap_fd, p->buf, PACKET_MAX);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO) {
		/* An interface that is gone would wake us for ever. */
		log_warn_limited("%s: nothing more comes from %s: %s", net->dev.pci.name, net->nic->host,
				 strerror(errno));
		(void)poll_tap(net, p, false);
	}
	if (n < NET_HEADER + ETHERNET_MIN)
		return 0;
	p->held = (uint32_t)n;
	return 1;
}

static void receive(struct virtio_net *net, unsigned i)
{
	struct net_pair *p = &net->pair[i];
	unsigned n = 0;
	int r = 1;

	while (n < BUDGET && read_packet(net, p) == 1) {
		r = deliver(net, 2 * i, p);
		if (r != 1)
			break;
		p->held = 0;
		n++;
	}
	if (!net->dev.running)
		return;
	virtq_flush(&net->dev, 2 * i);
	/* Until the guest has room again, and kicks. */
	if (r == 0)
		(void)poll_tap(net, p, false);
}

static void on_tap(void *opaque, int fd)
{
	struct virtio_net *net = opaque;

	for (unsigned i = 0; i < net->pairs && net->dev.running; i++)
		if (net->pair[i].tap_fd == fd && net->pair[i].live)
			receive(net, i);
}

static int poll_tap(struct virtio_net *net, struct net_pair *p, bool on)
{
	int r = 0;

	if (p->polled == on)
		return 0;
	if (on)
		r = loop_add(net->dev.vm->loop, p->tap_fd, on_tap, net);
	else
		loop_del(net->dev.vm->loop, p->tap_fd);
	if (r == 0)
		p->polled = on;
	return r;
}

/* --- from the guest --- */

/* The buffers of a packet as they lie here. Their number; 0: it is no packet. */
static int map(const struct virtio_net *net, const struct virtq_chain *c, struct iovec iov[VIRTQ_SEGS_MAX])
{
	uint64_t len = virtq_readable(c);
	int n = 0;

	if (len < NET_HEADER + ETHERNET_MIN || len > PACKET_MAX)
		return 0;
	for (unsigned i = 0; i < c->nread; i++) {
		if (!c->seg[i].len)
			continue;
		iov[n].iov_base = gmem_ptr(net->dev.vm->mem, c->seg[i].addr, c->seg[i].len);
		iov[n].iov_len = c->seg[i].len;
		if (!iov[n].iov_base)
			return 0;
		n++;
	}
	return n;
}

static void send_all(struct virtio_net *net, unsigned i)
{
	struct iovec iov[VIRTQ_SEGS_MAX];
	struct virtq_chain chain;
	unsigned q = 2 * i + 1, n = 0;

	while (n < BUDGET && virtq_pop(&net->dev, q, &chain) == 1) {
		int segs = map(net, &chain, iov);

		/* What the kernel does not take is lost, as on a wire. */
		if (segs && writev(net->pair[i].tap_fd, iov, segs) < 0 && errno == EBADFD)
			log_warn_limited("%s: %s is gone", net->dev.pci.name, net->nic->host);
		if (virtq_push(&net->dev, q, &chain, 0) < 0)
			return;
		n++;
	}
	if (!net->dev.running)
		return;
	virtq_flush(&net->dev, q);
	if (n == BUDGET)
		virtio_kick_again(&net->dev, q);
}

/* --- both --- */

void net_user_kick(struct virtio_net *net, unsigned q)
{
	unsigned i = q / 2;

	if (i >= net->pairs || !net->pair[i].live)
		return;
	if (q % 2) {
		send_all(net, i);
	} else if (poll_tap(net, &net->pair[i], true) == 0 && net->pair[i].held) {
		receive(net, i);
	}
}

int net_user_begin(struct virtio_net *net, unsigned i)
{
	struct net_pair *p = &net->pair[i];
	int r = 0;

	if (!p->buf)
		p->buf = malloc(PACKET_MAX);
	if (!p->buf)
		return -ENOMEM;
	for (unsigned q = 2 * i; r == 0 && q < 2 * i + 2; q++) {
		r = virtio_hear(&net->dev, q, true);
		/* What was put in while nobody heard. */
		if (r == 0)
			virtio_kick_again(&net->dev, q);
	}
	if (r == 0)
		r = poll_tap(net, p, true);
	if (r < 0)
		net_user_end(net, i);
	return r;
}

void net_user_end(struct virtio_net *net, unsigned i)
{
	(void)poll_tap(net, &net->pair[i], false);
	for (unsigned q = 2 * i; q < 2 * i + 2; q++)
		(void)virtio_hear(&net->dev, q, false);
}
