// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control queue (5.1.6.5): a command is a class, a number and data of a fixed length, and a byte for
 * the answer. What is not of its length, was not agreed on, or makes no sense changes nothing and is answered
 * with VIRTIO_NET_ERR; a chain without room for that breaks the device.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_net.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/virtio/net_internal.h"

/* Of one turn of the event loop; each may keep the kernel busy. */
#define BUDGET 32
/* Changes of the number of pairs: one in so many ms, after some that come at once. */
#define CHANGE_MS	100u
#define CHANGES_AT_ONCE 32u
/* Class and number. */
#define HEAD 2
/* Data of any length, which run() looks at. */
#define ANY 0xffff
#define DATA_MAX 8

/* What is being served. */
struct request {
	struct virtio_net *net;
	const struct virtq_chain *chain;
	uint8_t command;
	uint64_t len;		/* of the data, which begins at HEAD */
	uint8_t data[DATA_MAX]; /* as far as it goes */
	bool filter;		/* the tap's is to change */
};

/* True: done. */
typedef bool (*run_fn)(struct request *q);

static bool *rx_flag(struct net_filter *f, uint8_t command)
{
	switch (command) {
	case VIRTIO_NET_CTRL_RX_PROMISC: return &f->promisc;
	case VIRTIO_NET_CTRL_RX_ALLMULTI: return &f->allmulti;
	case VIRTIO_NET_CTRL_RX_ALLUNI: return &f->alluni;
	case VIRTIO_NET_CTRL_RX_NOMULTI: return &f->nomulti;
	case VIRTIO_NET_CTRL_RX_NOUNI: return &f->nouni;
	default: return &f->nobcast;
	}
}

static bool set_rx(struct request *q)
{
	bool *flag = rx_flag(&q->net->filter, q->command);

	q->filter |= *flag != !!q->data[0];
	*flag = q->data[0];
	return true;
}

/* --- addresses --- */

/* Where a table's addresses begin and how many there are. False: the data ends before it does. */
static bool find_table(const struct request *q, uint64_t *off, uint32_t *ret_n)
{
	uint8_t n[4];

	if (*off + sizeof(n) > q->len ||
	    virtq_read(&q->net->dev, q->chain, HEAD + *off, n, sizeof(n)) != sizeof(n))
		return false;
	*ret_n = get_le32(n);
	*off += sizeof(n);
	return true;
}

/* As many as there is room for, to where they belong; more are not told apart. */
static bool read_table(const struct request *q, uint64_t off, uint32_t n, struct net_filter *f,
		       unsigned first, unsigned *ret_n, bool *ret_many)
{
	*ret_many = n > NET_MACS_MAX - first;
	*ret_n = *ret_many ? 0 : n;
	return virtq_read(&q->net->dev, q->chain, HEAD + off, f->mac[first], 6ull * *ret_n) ==
	       6ll * *ret_n;
}

static bool set_tables(struct request *q)
{
	struct net_filter f = q->net->filter;
	uint64_t off = 0, uni_at, multi_at;
	uint32_t uni, multi;

	if (!find_table(q, &off, &uni))
		return false;
	uni_at = off;
	off += 6ull * uni;
	if (!find_table(q, &off, &multi))
		return false;
	multi_at = off;
	if (off + 6ull * multi != q->len ||
	    !read_table(q, uni_at, uni, &f, 0, &f.uni, &f.many_uni) ||
	    !read_table(q, multi_at, multi, &f, f.uni, &f.multi, &f.many_multi))
		return false;
	q->net->filter = f;
	q->filter = true;
	return true;
}

/* A macvtap's is the host's to give: it is an address of the network outside. */
static bool set_mac(struct request *q)
{
	struct virtio_net *net = q->net;
	static const uint8_t none[6];

	if (net->nic->macvtap || q->data[0] & 1 || memcmp(q->data, none, sizeof(none)) == 0)
		return false;
	if (memcmp(net->mac, q->data, sizeof(net->mac)) == 0)
		return true;
	memcpy(net->mac, q->data, sizeof(net->mac));
	q->filter = true;
	if (net->owner.mac_changed)
		net->owner.mac_changed(net->owner.opaque, net->index, net->mac);
	return true;
}

/* --- the others --- */

static bool set_vlan(struct request *q)
{
	uint64_t *word = q->net->filter.vlan;
	uint16_t id = get_le16(q->data);

	if (id >= 4096)
		return false;
	if (q->command == VIRTIO_NET_CTRL_VLAN_ADD)
		word[id / 64] |= 1ull << id % 64;
	else
		word[id / 64] &= ~(1ull << id % 64);
	q->filter = true;
	return true;
}

/*
 * For a queue that is detached the kernel interrupts every CPU of the host, with the lock held that all
 * network configuration needs: a guest that does nothing else would be felt by others.
 */
static bool may_change_pairs(struct virtio_net *net)
{
	struct timespec now;
	uint64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (net->pairs_free_ms + CHANGES_AT_ONCE * CHANGE_MS < ms)
		net->pairs_free_ms = ms - CHANGES_AT_ONCE * CHANGE_MS;
	if (net->pairs_free_ms + CHANGE_MS > ms)
		return false;
	net->pairs_free_ms += CHANGE_MS;
	return true;
}

static bool set_pairs(struct request *q)
{
	unsigned n = get_le16(q->data);

	if (n == q->net->pairs)
		return true;
	return may_change_pairs(q->net) && net_pairs_set(q->net, n) == 0;
}

/* Some of those that were agreed on. */
static bool set_offloads(struct request *q)
{
	static const uint64_t known = 1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |
				      1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN |
				      1ull << NET_F_GUEST_USO4 | 1ull << NET_F_GUEST_USO6;
	uint64_t want = get_le64(q->data);

	if (want & ~(known & q->net->dev.driver_features) || net_tap_offloads(q->net, want) < 0)
		return false;
	q->net->offloads = want;
	return true;
}

static const struct command {
	uint8_t class, first, last;
	uint8_t feature; /* that must have been agreed on */
	uint16_t len;	 /* of the data */
	run_fn run;
} commands[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_CTRL_RX_ALLMULTI,
	  VIRTIO_NET_F_CTRL_RX, 1, set_rx },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, VIRTIO_NET_CTRL_RX_NOBCAST,
	  VIRTIO_NET_F_CTRL_RX_EXTRA, 1, set_rx },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_CTRL_MAC_TABLE_SET,
	  VIRTIO_NET_F_CTRL_RX, ANY, set_tables },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_CTRL_MAC_ADDR_SET,
	  VIRTIO_NET_F_CTRL_MAC_ADDR, 6, set_mac },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, VIRTIO_NET_CTRL_VLAN_DEL,
	  VIRTIO_NET_F_CTRL_VLAN, 2, set_vlan },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
	  VIRTIO_NET_F_MQ, 2, set_pairs },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
	  VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, 8, set_offloads },
};

static const struct command *find(const struct virtio_net *net, const uint8_t head[HEAD], uint64_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (c->class == head[0] && head[1] >= c->first && head[1] <= c->last)
			return virtio_has(&net->dev, c->feature) && (c->len == ANY || c->len == len) ? c : NULL;
	}
	return NULL;
}

static bool serve(struct request *q)
{
	uint64_t total = virtq_readable(q->chain), n;
	const struct command *c;
	uint8_t head[HEAD];

	if (virtq_read(&q->net->dev, q->chain, 0, head, HEAD) != HEAD)
		return false;
	q->command = head[1];
	q->len = total - HEAD;
	n = q->len < DATA_MAX ? q->len : DATA_MAX;
	if (virtq_read(&q->net->dev, q->chain, HEAD, q->data, n) != (int64_t)n)
		return false;
	c = find(q->net, head, q->len);
	return c && c->run(q);
}

/* True: there may be another. */
static bool serve_next(struct virtio_net *net, unsigned ctrl, bool *filter)
{
	struct virtio_dev *dev = &net->dev;
	struct virtq_chain chain;
	struct request q = { .net = net, .chain = &chain };
	uint8_t answer;

	if (virtq_pop(dev, ctrl, &chain) != 1)
		return false;
	if (virtq_readable(&chain) < HEAD || virtq_writable(&chain) < 1) {
		virtio_broken(dev, "a command of its control queue lacks a part");
		return false;
	}
	answer = serve(&q) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	*filter |= q.filter;
	(void)virtq_write(dev, &chain, 0, &answer, 1);
	return virtq_push(dev, ctrl, &chain, 1) == 0;
}

unsigned net_ctrl_queue(const struct virtio_net *net)
{
	return virtio_has(&net->dev, VIRTIO_NET_F_MQ) ? 2 * net->nic->pairs : 2;
}

void net_ctrl_kick(struct virtio_net *net)
{
	unsigned ctrl = net_ctrl_queue(net), n = 0;
	bool filter = false;

	while (n < BUDGET && serve_next(net, ctrl, &filter))
		n++;
	if (!net->dev.running)
		return;
	/* Once for all of them, and before the guest hears. */
	if (filter)
		net_tap_filter(net, true);
	virtq_flush(&net->dev, ctrl);
	if (n == BUDGET)
		virtio_kick_again(&net->dev, ctrl);
}
