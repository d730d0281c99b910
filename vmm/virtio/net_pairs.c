// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which pairs of queues carry packets (5.1.6.5.5): as many as the guest asked for. An interface
 * spreads what it receives over the queues that are attached to it, so those of other pairs are not.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "vmm/virtio/net_internal.h"

static int begin(struct virtio_net *net, unsigned i)
{
	int r = 0;

	if (net->pair[i].live)
		return 0;
	if (net->nic->vhost_user)
		r = net_backend_begin(net, i);
	else
		r = net_has_vhost(net) ? net_vhost_begin(net, i) : net_user_begin(net, i);
	net->pair[i].live = r == 0 && !net->lost;
	return r;
}

static void end(struct virtio_net *net, unsigned i)
{
	if (!net->pair[i].live)
		return;
	net->pair[i].live = false;
	if (net->nic->vhost_user)
		net_backend_end(net, i);
	else if (net_has_vhost(net))
		net_vhost_end(net, i);
	else
		net_user_end(net, i);
}

/* Nobody takes what comes to one that is not in use. */
static int change(struct virtio_net *net, unsigned pairs)
{
	int r = 0;

	for (unsigned i = net->nic->pairs; i-- > pairs;) {
		end(net, i);
		(void)net_tap_attach(net, i, false);
	}
	for (unsigned i = 0; i < pairs && r == 0; i++)
		r = net_tap_attach(net, i, true);
	for (unsigned i = 0; i < pairs && r == 0; i++) {
		if (net_has_link(net))
			r = begin(net, i);
		else
			end(net, i);
	}
	return r;
}

/*
 * Without its filter: tun_attach() of Linux, which this is written against, leaves a queue out that it
 * has given the filter of the others, and one that is not attached would keep its own.
 */
static int change_unfiltered(struct virtio_net *net, unsigned pairs)
{
	int r;

	net_tap_filter(net, false);
	r = change(net, pairs);
	net_tap_filter(net, true);
	return r;
}

static bool rings_ready(const struct virtio_net *net, unsigned pairs)
{
	for (unsigned q = 0; q < 2 * pairs; q++)
		if (!net->dev.q[q].ready || virtq_fault(&net->dev, q))
			return false;
	return true;
}

int net_pairs_set(struct virtio_net *net, unsigned pairs)
{
	unsigned before = net->pairs;
	int r;

	if (pairs < 1 || pairs > net->nic->pairs || !rings_ready(net, pairs))
		return -EINVAL;
	r = change_unfiltered(net, pairs);
	if (r == 0)
		net->pairs = pairs;
	else if (before && change_unfiltered(net, before) < 0)
		log_warn("%s: its queues cannot be had back", net->dev.pci.name);
	return r;
}

void net_pairs_stop(struct virtio_net *net)
{
	net_tap_filter(net, false);
	if (net->nic->vhost_user)
		net_backend_stop(net);
	for (unsigned i = net->nic->pairs; i-- > 0;) {
		end(net, i);
		net->pair[i].begun = net->pair[i].told = false;
		net->pair[i].held = 0;
		if (i)
			(void)net_tap_attach(net, i, false);
	}
	net->pairs = 0;
}
