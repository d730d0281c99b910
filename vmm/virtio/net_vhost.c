// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's vhost-net moves the packets; no packet comes to us, in either direction. */
#include "vmm/virtio/net_internal.h"

/* The rings are told once, or a pair that was out of use would begin them anew. */
static int tell_rings(struct virtio_net *net, unsigned i)
{
	struct net_pair *p = &net->pair[i];
	int r = p->begun ? 0 : vhost_start(&p->vhost, &net->dev, 2 * i, 2);

	for (unsigned q = 0; r == 0 && !p->begun && q < 2; q++)
		r = vhost_set_call(&p->vhost, q, virtio_call_fd(&net->dev, 2 * i + q));
	p->begun |= r == 0;
	return r;
}

int net_vhost_begin(struct virtio_net *net, unsigned i)
{
	struct net_pair *p = &net->pair[i];
	int r = tell_rings(net, i);

	for (unsigned q = 0; r == 0 && q < 2; q++)
		r = vhost_net_backend(&p->vhost, q, p->tap_fd);
	if (r < 0 && p->begun)
		net_vhost_end(net, i);
	return r;
}

void net_vhost_end(struct virtio_net *net, unsigned i)
{
	for (unsigned q = 0; q < 2; q++)
		(void)vhost_net_backend(&net->pair[i].vhost, q, -1);
}
