// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process of the host moves the packets (vhost-user), in the guest's own rings, so that none comes to
 * us. When it is gone, the link is down until another is there. That one begins where the guest was
 * last told that something was used: what was under way then is sent again, or received into. Where that is
 * a packed ring does not say, only who served it knew: so there the link stays down until the guest's driver
 * begins anew.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/shared.h"
#include "irq/irqfd.h"
#include "vmm/virtio/net_internal.h"

#define BIT(n) (1ull << (n))

#define RING_FEATURES \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))

/* Of what the guest took, that which is the backend's to do. The link, the MAC and commands are ours. */
static uint64_t concern(const struct virtio_net *net)
{
	return net->dev.driver_features &
	       (NET_BACKEND_FEATURES | RING_FEATURES | BIT(VIRTIO_F_RING_PACKED));
}

/* What guests were told of, which the next backend must have as well as the first; and what was asked for. */
static uint64_t promised(const struct virtio_net *net)
{
	uint64_t asked = net->nic->packed ? BIT(VIRTIO_F_RING_PACKED) : 0;

	return net->dev.ops ? (net->dev.features & NET_BACKEND_FEATURES) | asked |
				      (RING_FEATURES & ~net->dev.withheld) :
			      asked;
}

static void tell(const struct virtio_net *net)
{
	if (net->dev.vm->on_backend)
		net->dev.vm->on_backend(net->dev.vm->on_event_opaque, VM_BACKEND_NIC, net->index,
					!net->lost);
}

static void part(struct virtio_net *net)
{
	if (net->socket >= 0)
		loop_del(net->dev.vm->loop, net->socket);
	net->socket = -1;
	vhost_user_close(&net->vu);
	for (unsigned i = 0; i < net->nic->pairs; i++)
		net->pair[i].live = net->pair[i].begun = false;
}

void net_backend_free(struct virtio_net *net)
{
	part(net);
	close_fdp(&net->unheard);
}

static void lose(struct virtio_net *net, int why)
{
	if (net->lost)
		return;
	net->lost = true;
	part(net);
	log_warn("%s: its backend %s", net->dev.pci.name,
		 why == -EPIPE	   ? "is gone" :
		 why == -ETIMEDOUT ? "does not answer, and is left" :
		 why == -EPROTO	   ? "does not keep to the protocol, and is left" :
				     strerror(-why));
	virtio_config_changed(&net->dev); /* the link is down */
	tell(net);
}

static void on_socket(void *opaque, int fd)
{
	struct virtio_net *net = opaque;
	int r = vhost_user_listen(&net->vu);

	(void)fd;
	if (r < 0)
		lose(net, r);
}

int net_backend_meet(struct virtio_net *net, int fd)
{
	int r = vhost_user_open(&net->vu, fd);
	unsigned rings = 2 * net->nic->pairs;

	/* It counts queues of both directions. */
	if (r == 0 && (!(net->vu.features & BIT(VIRTIO_F_VERSION_1)) ||
		       (net->nic->pairs > 1 && net->vu.rings < rings / 2) ||
		       promised(net) & ~net->vu.features))
		r = -EOPNOTSUPP;
	if (r == 0 && net->unheard < 0) {
		net->unheard = irqfd_eventfd();
		r = net->unheard < 0 ? net->unheard : 0;
	}
	if (r == 0)
		r = loop_add(net->dev.vm->loop, net->vu.fd, on_socket, net);
	if (r == 0)
		net->socket = net->vu.fd;
	else
		part(net);
	net->lost = r < 0;
	return r;
}

static int set_up(struct virtio_net *net)
{
	vhost_user_patience(&net->vu);
	return vhost_user_set_up(&net->vu, concern(net), net->dev.vm->mem, NULL);
}

void net_backend_start(struct virtio_net *net)
{
	int r = net->lost ? 0 : set_up(net);

	if (r < 0)
		lose(net, r);
}

/* There are backends that end themselves when they have nothing to write to. */
static int call_of(const struct virtio_net *net, int fd)
{
	return fd >= 0 ? fd : net->unheard;
}

static int describe(const struct virtio_net *net, unsigned i, struct vhost_user_ring *ret)
{
	const struct virtq *q = &net->dev.q[i];
	struct virtq_parts parts;
	int r = virtq_parts(&net->dev, i, &parts);

	if (r < 0)
		return r;
	*ret = (struct vhost_user_ring){
		.size = q->size,
		.base = virtio_has(&net->dev, VIRTIO_F_RING_PACKED) ? VHOST_USER_PACKED_BASE :
								      shared_get16(parts.used + 2),
		.desc = parts.desc,
		.avail = parts.avail,
		.used = parts.used,
		.kick = q->kick_fd,
		.call = call_of(net, virtio_call_fd(&net->dev, i)),
	};
	return 0;
}

static int begin_rings(struct virtio_net *net, unsigned i)
{
	struct vhost_user_ring ring;
	int r = 0;

	net->pair[i].told = true;
	for (unsigned q = 2 * i; q < 2 * i + 2 && r == 0; q++) {
		r = describe(net, q, &ring);
		if (r == 0)
			r = vhost_user_start_ring(&net->vu, q, &ring);
		/* What was put in while nobody served. */
		if (r == 0)
			(void)eventfd_write(ring.kick, 1);
	}
	net->pair[i].begun = r == 0;
	return r;
}

/* A backend that fails is lost, and that is no failure of the guest's. */
int net_backend_begin(struct virtio_net *net, unsigned i)
{
	int r = 0;

	vhost_user_patience(&net->vu);
	if (!net->pair[i].begun)
		r = begin_rings(net, i);
	for (unsigned q = 2 * i; q < 2 * i + 2 && r == 0; q++)
		r = vhost_user_enable(&net->vu, q, true);
	if (r == -EFAULT)
		return r;
	if (r < 0)
		lose(net, r);
	return 0;
}

void net_backend_end(struct virtio_net *net, unsigned i)
{
	int r = 0;

	vhost_user_patience(&net->vu);
	for (unsigned q = 2 * i; q < 2 * i + 2 && r == 0 && !net->lost; q++)
		r = vhost_user_enable(&net->vu, q, false);
	if (r < 0)
		lose(net, r);
}

void net_backend_stop(struct virtio_net *net)
{
	int r = 0;

	vhost_user_patience(&net->vu);
	for (unsigned q = 0; q < 2 * net->nic->pairs && r == 0 && !net->lost; q++)
		if (net->pair[q / 2].begun)
			r = vhost_user_stop_ring(&net->vu, q, NULL);
	for (unsigned i = 0; i < net->nic->pairs; i++)
		net->pair[i].live = false; /* there is nothing more to say of it */
	if (r < 0)
		lose(net, r);
}

void net_backend_call(struct virtio_net *net, unsigned q, int fd)
{
	int r = net->lost ? 0 : vhost_user_set_call(&net->vu, q, call_of(net, fd));

	if (r < 0)
		lose(net, r);
	/* It may have had something while nobody was interrupted. */
	if (fd >= 0)
		(void)eventfd_write(fd, 1);
}

void net_backend_announce(struct virtio_net *net)
{
	int r = net->lost ? 0 : vhost_user_announce(&net->vu, net->nic->mac);

	if (r < 0 && r != -EOPNOTSUPP)
		lose(net, r);
}

/* Of what the one before had: nobody can say where it had come to. */
static bool is_lost_track_of(const struct virtio_net *net)
{
	bool told = false;

	for (unsigned i = 0; i < net->nic->pairs; i++)
		told |= net->pair[i].told;
	return told && virtio_has(&net->dev, VIRTIO_F_RING_PACKED);
}

static void go_on(struct virtio_net *net)
{
	int r;

	if (is_lost_track_of(net)) {
		log_warn("%s: with packed rings its link stays down until the guest's driver resets it",
			 net->dev.pci.name);
		virtio_needs_reset(&net->dev);
		return;
	}
	net_backend_start(net);
	r = net->lost ? 0 : net_pairs_set(net, net->pairs);
	if (r < 0)
		log_warn("%s: its queues do not start: %s", net->dev.pci.name, strerror(-r));
}

void virtio_net_return(struct virtio_net *net, int fd)
{
	int r;

	if (!net->nic->vhost_user || !net->lost) {
		close_fdp(&fd);
		return;
	}
	r = net_backend_meet(net, fd);
	if (r < 0)
		log_warn_limited("%s: its backend is there again and cannot be used: %s",
				 net->dev.pci.name,
				 r == -EOPNOTSUPP ? "it lacks what the guest was told of" :
						    strerror(-r));
	else
		log_note("%s: its backend is there again", net->dev.pci.name);
	tell(net);
	if (net->lost)
		return;
	if (net->dev.running)
		go_on(net);
	virtio_config_changed(&net->dev); /* the link is up */
}
