// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the guest wants to receive (5.1.6.5.1 to 3), as a classic BPF program for its tap, which
 * the kernel asks of each packet before it takes a place in the queue: so it holds for vhost-net,,
 * too, and a packet nobody wants costs the guest nothing.
 *
 * Jumps on a condition reach 255 instructions; so each is over one that jumps further.
 */
#include <string.h>

#include <linux/if_ether.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/virtio/net_internal.h"

#define ALL  0xffffffffu
#define NONE 0u

/* Where the program keeps the first two and the last four bytes of the address. */
#define MEM_HEAD 0
#define MEM_TAIL 1

struct program {
	struct sock_filter *insn;
	unsigned len;
};

void net_filter_reset(struct net_filter *f)
{
	*f = (struct net_filter){ .promisc = true };
}

static unsigned add(struct program *p, uint16_t code, uint32_t k)
{
	p->insn[p->len] = (struct sock_filter)BPF_STMT(code, k);
	return p->len++;
}

/* If A is k, the next one, else the one behind it. */
static void unless_skip(struct program *p, uint32_t k)
{
	p->insn[p->len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
}

static void give(struct program *p, uint32_t bytes)
{
	add(p, BPF_RET | BPF_K, bytes);
}

/* An instruction that jumps to where the program ends now. */
static void land(struct program *p, unsigned jump)
{
	p->insn[jump].k = p->len - jump - 1;
}

static unsigned jump(struct program *p)
{
	return add(p, BPF_JMP | BPF_JA, 0);
}

/* --- VLANs --- */

static unsigned vlans(const struct net_filter *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(f->vlan); i++)
		n += (unsigned)__builtin_popcountll(f->vlan[i]);
	return n;
}

/* The tag is beside the packet as a rule, or in it. What has none is let through: past[]. */
static void load_vlan(struct program *p, unsigned past[2])
{
	unsigned inside, found;

	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
	unless_skip(p, 0);
	inside = jump(p);
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TPID));
	p->insn[p->len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021Q, 1, 0);
	past[0] = jump(p);
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG));
	found = jump(p);
	land(p, inside);
	add(p, BPF_LD | BPF_H | BPF_ABS, 12);
	p->insn[p->len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021Q, 1, 0);
	past[1] = jump(p);
	add(p, BPF_LD | BPF_H | BPF_ABS, 14);
	land(p, found);
}

/* VLAN 0 is none: a packet with a priority alone. */
static void check_vlan(struct program *p, const struct net_filter *f)
{
	unsigned past[2], ok[NET_VLANS_MAX + 1], n = 0;

	if (!f->by_vlan || vlans(f) > NET_VLANS_MAX)
		return;
	load_vlan(p, past);
	add(p, BPF_ALU | BPF_AND | BPF_K, 0xfff);
	for (unsigned id = 0; id < 4096; id++) {
		if (id && !(f->vlan[id / 64] >> id % 64 & 1))
			continue;
		unless_skip(p, id);
		ok[n++] = jump(p);
	}
	give(p, NONE);
	for (unsigned i = 0; i < n; i++)
		land(p, ok[i]);
	land(p, past[0]);
	land(p, past[1]);
}

/* --- addresses --- */

static void match(struct program *p, const uint8_t mac[6], uint32_t then)
{
	uint32_t head = (uint32_t)mac[0] << 8 | mac[1];
	uint32_t tail = (uint32_t)mac[2] << 24 | (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];

	add(p, BPF_LD | BPF_MEM, MEM_TAIL);
	p->insn[p->len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, tail, 0, 3);
	add(p, BPF_LD | BPF_MEM, MEM_HEAD);
	unless_skip(p, head);
	give(p, then);
}

static void check_unicast(struct program *p, const struct net_filter *f, const uint8_t mac[6])
{
	if (f->nouni || f->alluni || f->many_uni) {
		give(p, f->nouni ? NONE : ALL);
		return;
	}
	match(p, mac, ALL);
	for (unsigned i = 0; i < f->uni; i++)
		match(p, f->mac[i], ALL);
	give(p, NONE);
}

static void check_multicast(struct program *p, const struct net_filter *f)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	match(p, broadcast, f->nobcast ? NONE : ALL);
	if (f->nomulti || f->allmulti || f->many_multi) {
		give(p, f->nomulti ? NONE : ALL);
		return;
	}
	for (unsigned i = 0; i < f->multi; i++)
		match(p, f->mac[f->uni + i], ALL);
	give(p, NONE);
}

/* Five instructions for each address and two for each VLAN. */
_Static_assert(5 * (NET_MACS_MAX + 2) + 2 * (NET_VLANS_MAX + 1) + 24 <= NET_PROGRAM_MAX, "room");

unsigned net_filter_program(const struct net_filter *f, const uint8_t mac[6],
			    struct sock_filter ret[NET_PROGRAM_MAX])
{
	struct program p = { .insn = ret };
	unsigned multicast;

	if (f->promisc)
		return 0;
	check_vlan(&p, f);
	add(&p, BPF_LD | BPF_W | BPF_ABS, 2);
	add(&p, BPF_ST, MEM_TAIL);
	add(&p, BPF_LD | BPF_H | BPF_ABS, 0);
	add(&p, BPF_ST, MEM_HEAD);
	p.insn[p.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x100, 0, 1);
	multicast = jump(&p);
	check_unicast(&p, f, mac);
	land(&p, multicast);
	check_multicast(&p, f);
	return p.len;
}
