// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's interface: a tap (drivers/net/tun.c) or a macvtap (tap.c). None of this takes a privilege. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/log.h"
#include "vmm/virtio/net_internal.h"

/* Linux 6.2. */
#define USO4 0x20
#define USO6 0x40

/* What follows does nothing for a device of a backend, which has no interface. */
static bool none(const struct virtio_net *net)
{
	return net->nic->vhost_user;
}

/* More than any interface's queue is long. */
#define DRAIN_MAX 10000

/* Each queue of a macvtap has its own; a tap's others do no harm. */
int net_tap_set_up(const struct virtio_net *net)
{
	int size = NET_HEADER, r = 0;

	for (unsigned i = 0; r >= 0 && i < net->nic->pairs && !none(net); i++)
		if (!i || net->nic->macvtap)
			r = SIZED_IOCTL(net->pair[i].tap_fd, TUNSETVNETHDRSZ, &size);
	return r < 0 ? r : 0;
}

int net_tap_offloads(const struct virtio_net *net, uint64_t features)
{
	static const struct {
		unsigned feature, offload;
	} rows[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
		{ NET_F_GUEST_USO4, USO4 },
		{ NET_F_GUEST_USO6, USO6 },
	};
	unsigned offload = 0;
	int r;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (features >> rows[i].feature & 1)
			offload |= rows[i].offload;
	r = none(net) ? 0 : VALUE_IOCTL(net->pair[0].tap_fd, TUNSETOFFLOAD, offload);
	return r < 0 ? r : 0;
}

bool net_tap_has_uso(const struct virtio_net *net)
{
	if (none(net) || VALUE_IOCTL(net->pair[0].tap_fd, TUNSETOFFLOAD, TUN_F_CSUM | USO4 | USO6) < 0)
		return false;
	(void)VALUE_IOCTL(net->pair[0].tap_fd, TUNSETOFFLOAD, 0);
	return true;
}

int net_tap_attach(struct virtio_net *net, unsigned i, bool on)
{
	struct net_pair *p = &net->pair[i];
	struct ifreq req = { .ifr_flags = (short)(on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE) };
	int r;

	if (p->attached == on || none(net))
		return 0;
	r = sys_ioctl(p->tap_fd, TUNSETQUEUE, &req);
	if (r < 0)
		return r;
	p->attached = on;
	return 0;
}

static void detach_filter(struct virtio_net *net)
{
	struct sock_fprog none = { 0 };

	(void)SIZED_IOCTL(net->pair[0].tap_fd, TUNDETACHFILTER, &none);
	net->filtered = false;
}

/* Of filters the best effort is asked for: what cannot be filtered comes (5.1.6.5.1). */
static int attach_filter(struct virtio_net *net)
{
	struct sock_fprog prog;
	int r;

	if (!net->program)
		net->program = calloc(NET_PROGRAM_MAX, sizeof(*net->program));
	if (!net->program)
		return -ENOMEM;
	prog.filter = net->program;
	prog.len = (unsigned short)net_filter_program(&net->filter, net->mac, net->program);
	if (!prog.len) {
		if (net->filtered)
			detach_filter(net);
		return 0;
	}
	r = SIZED_IOCTL(net->pair[0].tap_fd, TUNATTACHFILTER, &prog);
	net->filtered |= r >= 0;
	return r;
}

void net_tap_filter(struct virtio_net *net, bool on)
{
	int r = 0;

	if (net->nic->macvtap || none(net))
		return;
	if (on && !net->filter.promisc)
		r = attach_filter(net);
	else if (net->filtered) /* what never was filtered costs no call */
		detach_filter(net);
	if (r < 0) {
		detach_filter(net);
		log_warn_limited("%s: what its guest receives is not filtered: %s",
				 net->dev.pci.name, strerror(-r));
	}
}

void net_tap_carrier(const struct virtio_net *net, bool on)
{
	int carrier = on;

	if (!net->nic->macvtap && !none(net))
		(void)SIZED_IOCTL(net->pair[0].tap_fd, TUNSETCARRIER, &carrier);
}

void net_tap_drain(const struct net_pair *p)
{
	uint8_t bytes[64]; /* what does not fit is cut off */

	for (unsigned i = 0; i < DRAIN_MAX && p->tap_fd >= 0; i++)
		if (read(p->tap_fd, bytes, sizeof(bytes)) < 0)
			return;
}
