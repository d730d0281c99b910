// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/le.h"
#include "base/log.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/virtio.h"

#define RX 0u
#define TX 1u
/* The header of virtio 1.0, whether buffers are merged or not (5.1.6). */
#define HEADER 12

#define BIT(n) (1ull << (n))

/* What a tap does for us, when the guest takes it: checksums, and packets larger than the wire's. */
#define TAP_FEATURES                                                                               \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |    \
	 BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_HOST_TSO4) | \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN))

struct virtio_net {
	struct virtio_dev dev;
	struct vhost vhost;
	int tap_fd; /* borrowed */
	uint8_t config[12]; /* struct virtio_net_config as far as mtu */
};

static struct virtio_net *to_net(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_net, dev);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	const struct virtio_net *net = to_net(dev);

	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < sizeof(net->config) ? net->config[off + i] : 0;
}

/* What the guest takes decides what the tap may hand it. */
static int set_up_tap(const struct virtio_net *net)
{
	static const struct {
		unsigned feature, offload;
	} rows[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	};
	unsigned offload = 0;
	int size = HEADER, r;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (virtio_has(&net->dev, rows[i].feature))
			offload |= rows[i].offload;
	r = SIZED_IOCTL(net->tap_fd, TUNSETVNETHDRSZ, &size);
	if (r >= 0)
		r = VALUE_IOCTL(net->tap_fd, TUNSETOFFLOAD, offload);
	return r < 0 ? r : 0;
}

static void stop(struct virtio_dev *dev)
{
	struct virtio_net *net = to_net(dev);

	for (unsigned q = RX; q <= TX; q++)
		if (dev->q[q].ready)
			(void)vhost_net_backend(&net->vhost, q, -1);
}

static int start(struct virtio_dev *dev)
{
	struct virtio_net *net = to_net(dev);
	int r;

	if (!dev->q[RX].ready || !dev->q[TX].ready)
		return -EINVAL;
	r = set_up_tap(net);
	if (r == 0)
		r = vhost_start(&net->vhost, dev, RX, 2);
	for (unsigned q = RX; r == 0 && q <= TX; q++)
		r = vhost_net_backend(&net->vhost, q, net->tap_fd);
	if (r < 0)
		stop(dev);
	return r;
}

static void call_changed(struct virtio_dev *dev, unsigned q, int fd)
{
	int r = vhost_set_call(&to_net(dev)->vhost, q, fd);

	if (r < 0)
		log_warn_limited("%s: no interrupts of queue %u: %s", dev->pci.name, q, strerror(-r));
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_NET,
	.class_rev = 0x02000000,
	.nqueues = 2,
	.queue_size = 256,
	.start = start,
	.stop = stop,
	.config_read = config_read,
	.call_changed = call_changed,
};

int virtio_net_new(struct vm *vm, const struct vmm_nic *nic, unsigned index, struct virtio_net **ret,
		   struct err *err)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	uint64_t can = 0;
	char name[32];
	int r;

	if (!net)
		return err_set(err, -ENOMEM, "cannot make the network device");
	net->vhost.fd = nic->vhost_fd;
	net->tap_fd = nic->tap_fd;
	memcpy(net->config, nic->mac, sizeof(nic->mac));
	put_le16(net->config + 6, VIRTIO_NET_S_LINK_UP);
	put_le16(net->config + 8, 1); /* pairs of queues */
	r = vhost_features(&net->vhost, &can);
	if (r < 0) {
		free(net);
		return err_set(err, r, "vhost-net does not answer");
	}
	net->dev.features = TAP_FEATURES | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
			    (can & BIT(VIRTIO_NET_F_MRG_RXBUF));
	snprintf(name, sizeof(name), "virtio-net %u", index);
	r = virtio_add(vm, &net->dev, &ops, name, 0, err);
	if (r < 0) {
		virtio_net_free(net);
		return r;
	}
	*ret = net;
	return 0;
}

struct virtio_net *virtio_net_free(struct virtio_net *net)
{
	if (net)
		virtio_remove(&net->dev);
	free(net);
	return NULL;
}
