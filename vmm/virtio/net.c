// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "vmm/virtio/announce.h"
#include "vmm/virtio/net_internal.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/virtio.h"

#define BIT(n) (1ull << (n))
#define CONFIG_LEN 12 /* struct virtio_net_config as far as mtu */

/* What a tap does for us, when the guest takes it: checksums, and packets larger than the wire's. */
#define TAP_FEATURES                                                                               \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |    \
	 BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_HOST_TSO4) | \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN))
#define USO_FEATURES (BIT(NET_F_HOST_USO) | BIT(NET_F_GUEST_USO4) | BIT(NET_F_GUEST_USO6))
#define CTRL_FEATURES                                                                              \
	(BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
/* A macvtap receives for one address, whatever its guest would like, so these are a tap's alone. */
#define FILTER_FEATURES \
	(BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_VLAN))

static struct virtio_net *to_net(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_net, dev);
}

static void image(const struct virtio_net *net, uint8_t b[CONFIG_LEN])
{
	memcpy(b, net->mac, sizeof(net->mac));
	put_le16(b + 6, net_shows_link(net) ? VIRTIO_NET_S_LINK_UP : 0);
	put_le16(b + 8, (uint16_t)net->nic->pairs);
	put_le16(b + 10, net->nic->mtu);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t bytes[CONFIG_LEN];

	image(to_net(dev), bytes);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < CONFIG_LEN ? bytes[off + i] : 0;
}

/* All that the guest said is forgotten. */
static void forget(struct virtio_net *net)
{
	net_filter_reset(&net->filter);
	memcpy(net->mac, net->nic->mac, sizeof(net->mac));
}

static void tell(const struct virtio_net *net, enum vm_nic_event event)
{
	if (net->nic->standby && net->dev.vm->on_nic)
		net->dev.vm->on_nic(net->index, event);
}

static void stop(struct virtio_dev *dev)
{
	struct virtio_net *net = to_net(dev);

	tell(net, VM_NIC_STOPPED);
	(void)virtio_hear(dev, net_ctrl_queue(net), false);
	net_pairs_stop(net);
	forget(net);
}

static int start(struct virtio_dev *dev)
{
	struct virtio_net *net = to_net(dev);
	unsigned ctrl = net_ctrl_queue(net);
	int r = net_tap_set_up(net);

	net->filter.by_vlan = virtio_has(dev, VIRTIO_NET_F_CTRL_VLAN);
	net->offloads = dev->driver_features;
	if (r == 0)
		r = net_tap_offloads(net, net->offloads);
	if (net->nic->vhost_user)
		net_backend_start(net);
	if (r == 0)
		r = net_pairs_set(net, 1);
	if (r == 0 && virtio_has(dev, VIRTIO_NET_F_CTRL_VQ) && dev->q[ctrl].ready)
		r = virtio_hear(dev, ctrl, true);
	if (r < 0)
		stop(dev);
	else
		tell(net, virtio_has(dev, VIRTIO_NET_F_STANDBY) ? VM_NIC_ACKNOWLEDGED : VM_NIC_ALONE);
	return r;
}

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct virtio_net *net = to_net(dev);

	if (!dev->q[q].heard)
		return;
	if (virtio_has(dev, VIRTIO_NET_F_CTRL_VQ) && q == net_ctrl_queue(net))
		net_ctrl_kick(net);
	else
		net_user_kick(net, q);
}

static void call_changed(struct virtio_dev *dev, unsigned q, int fd)
{
	struct virtio_net *net = to_net(dev);
	int r;

	if (q >= 2 * net->nic->pairs || !net->pair[q / 2].begun)
		return;
	if (net->nic->vhost_user) {
		net_backend_call(net, q, fd);
		return;
	}
	r = vhost_set_call(&net->pair[q / 2].vhost, q % 2, fd);
	if (r < 0)
		log_warn_limited("%s: no interrupts of queue %u: %s", dev->pci.name, q, strerror(-r));
}

static const struct virtio_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.class_rev = 0x02000000,
	.queue_size = 256,
	.kick = kick,
	.some = true,
	.start = start,
	.stop = stop,
	.config_read = config_read,
	.call_changed = call_changed,
};

/* Of one that stands by the VF has the same, which its PF keeps; else it is the guest's to change. */
static uint64_t whose_mac(const struct virtio_net *net)
{
	return net->nic->standby ? BIT(VIRTIO_NET_F_STANDBY) : BIT(VIRTIO_NET_F_CTRL_MAC_ADDR);
}

/* The backend's, and what is ours. */
static int choose_backends(struct virtio_net *net)
{
	int r = net_backend_meet(net, net->nic->backend_fd);
	uint64_t can = net->vu.features & NET_BACKEND_FEATURES;

	if (r < 0)
		return r;
	can |= BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ) |
	       whose_mac(net);
	if (net->nic->mtu)
		can |= BIT(VIRTIO_NET_F_MTU);
	if (net->nic->pairs > 1)
		can |= BIT(VIRTIO_NET_F_MQ);
	if (net->nic->packed)
		can |= BIT(VIRTIO_F_RING_PACKED);
	net->dev.features = can;
	net->dev.withheld = (BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX)) &
			    ~net->vu.features;
	return 0;
}

/* What both ends can; the kernel's rings may lack a part of it. */
static int choose_features(struct virtio_net *net)
{
	uint64_t vhost = BIT(VIRTIO_NET_F_MRG_RXBUF), can;
	int r = net_has_vhost(net) ? vhost_features(&net->pair[0].vhost, &vhost) : 0;

	/* A guest's driver starts it by a CPU's thread; other pairs are begun by the event loop. */
	if (r == 0 && net_has_vhost(net))
		r = vhost_own(&net->pair[0].vhost);
	can = TAP_FEATURES | CTRL_FEATURES | whose_mac(net) | BIT(VIRTIO_NET_F_MAC) |
	      BIT(VIRTIO_NET_F_STATUS) | (vhost & BIT(VIRTIO_NET_F_MRG_RXBUF));
	if (!net->nic->macvtap)
		can |= FILTER_FEATURES;
	if (net->nic->mtu)
		can |= BIT(VIRTIO_NET_F_MTU);
	if (net->nic->pairs > 1)
		can |= BIT(VIRTIO_NET_F_MQ);
	if (net_tap_has_uso(net))
		can |= USO_FEATURES;
	/* vhost-net has none, whatever was asked for. */
	if (net->nic->packed && !net_has_vhost(net))
		can |= BIT(VIRTIO_F_RING_PACKED);
	net->dev.features = can;
	return r;
}

/* Of the interface's queues one is in use until the guest asks for more. */
static int take_queues(struct virtio_net *net)
{
	int r = 0;

	for (unsigned i = 0; i < net->nic->pairs; i++) {
		net->pair[i].tap_fd = net->nic->tap_fd[i];
		net->pair[i].vhost.fd = net->nic->vhost_fd[i];
		net->pair[i].attached = true;
	}
	for (unsigned i = 1; i < net->nic->pairs && r == 0; i++)
		r = net_tap_attach(net, i, false);
	return r;
}

int virtio_net_new(struct vm *vm, const struct vmm_nic *nic, unsigned index,
		   const struct virtio_net_owner *owner, struct virtio_net **ret, struct err *err)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	char name[32];
	int r;

	if (!net)
		return err_set(err, -ENOMEM, "cannot make the network device");
	net->nic = nic;
	net->index = index;
	if (owner)
		net->owner = *owner;
	net->ops = net_ops;
	net->ops.nqueues = 2 * nic->pairs + 1;
	forget(net);
	net->socket = net->unheard = -1;
	net->vu = (struct vhost_user)VHOST_USER_INIT;
	net->dev.vm = vm;
	r = take_queues(net);
	if (r < 0)
		err_set(err, r, "%s: its queues cannot be taken", nic->host);
	if (r == 0 && nic->vhost_user) {
		r = choose_backends(net);
		if (r < 0)
			vhost_user_explain("--nic", r, 2 * nic->pairs, err);
	} else if (r == 0) {
		r = choose_features(net);
		/* A guest starts the first pair by a CPU's thread; the event loop begins the others. */
		if (r == 0 && net_has_vhost(net))
			r = vhost_own(&net->pair[0].vhost);
		if (r < 0)
			err_set(err, r, "vhost-net does not answer");
	}
	snprintf(name, sizeof(name), "virtio-net %u", index);
	if (r == 0)
		r = virtio_add(vm, &net->dev, &net->ops, name, 0, err);
	if (r < 0) {
		virtio_net_free(net);
		return r;
	}
	*ret = net;
	return 0;
}

struct virtio_net *virtio_net_free(struct virtio_net *net)
{
	if (!net)
		return NULL;
	virtio_remove(&net->dev);
	if (net->nic->vhost_user)
		net_backend_free(net);
	for (unsigned i = 0; i < VMM_NIC_PAIRS_MAX; i++)
		free(net->pair[i].buf);
	free(net->program);
	free(net);
	return NULL;
}

void virtio_net_set_link(struct virtio_net *net, bool up)
{
	int r;

	if (net->down != up)
		return;
	net->down = !up;
	for (unsigned i = 0; i < net->pairs && up; i++)
		net_tap_drain(&net->pair[i]);
	if (up)
		net_tap_carrier(net, true);
	r = net->dev.running ? net_pairs_set(net, net->pairs) : 0;
	if (r < 0)
		log_warn("%s: its queues do not start: %s", net->dev.pci.name, strerror(-r));
	if (!up)
		net_tap_carrier(net, false);
	virtio_config_changed(&net->dev);
}

int virtio_net_announce(struct virtio_net *net)
{
	if (!net->nic->vhost_user)
		return net_announce(net->pair[0].tap_fd, net->nic->mac);
	net_backend_announce(net);
	return 0;
}

void virtio_net_get_state(const struct virtio_net *net, struct virtio_net_state *ret)
{
	*ret = (struct virtio_net_state){
		.driven = net->dev.running,
		.link = net_shows_link(net),
		.cable = !net->down,
		.pairs = net->dev.running ? net->pairs : 0,
		.receives = net->nic->vhost_user ? "backend" :
			    net->nic->macvtap	? "macvtap" :
			    net->filter.promisc ? "all" : "filtered",
	};
	memcpy(ret->mac, net->mac, sizeof(ret->mac));
}
