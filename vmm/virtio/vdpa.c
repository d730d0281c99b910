// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vdpa.h"

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
#include "base/loop.h"
#include "base/range.h"
#include "irq/irqfd.h"
#include "vmm/handover.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/vhost_vdpa.h"
#include "vmm/virtio/virtio.h"
#include "vmm/vm.h"

#define BIT(n) (1ull << (n))

/* struct virtio_net_config as far as the MTU. */
#define STATUS_OFF 6
#define PAIRS_OFF  8
#define MTU_OFF	   10
#define FACTS_LEN  12

/* A pair, and the queue of commands behind it. */
#define SIMPLE_QUEUES 3u

_Static_assert(2 * VMM_NIC_PAIRS_MAX + 1 <= VIRTIO_QUEUES_MAX, "room for all");

/* Bits of the device's kind (2.2), without what only a failover of ours would know to use. */
#define KIND_FEATURES (((BIT(24) - 1) | ~(BIT(50) - 1)) & ~BIT(VIRTIO_NET_F_STANDBY))
#define PAIRS_FEATURES (BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_RSS) | BIT(VIRTIO_NET_F_HASH_REPORT))
#define RING_FEATURES  (BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))

struct virtio_vdpa {
	struct virtio_dev dev;
	struct virtio_ops ops; /* of so many queues */
	struct vhost_vdpa vdpa;
	int config_fd; /* its configuration changed; -1: none */
};

static struct virtio_vdpa *to_vdpa(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_vdpa, dev);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	const struct vhost_vdpa *v = &to_vdpa(dev)->vdpa;
	unsigned n = off < v->config_size ? v->config_size - off : 0;
	int r;

	memset(data, 0, len);
	if (n > len)
		n = len;
	r = n ? vhost_vdpa_config(v, off, data, n) : 0;
	if (r < 0)
		log_warn_limited("%s: its configuration cannot be read: %s", dev->pci.name, strerror(-r));
}

static void stop(struct virtio_dev *dev)
{
	struct virtio_vdpa *vdpa = to_vdpa(dev);
	int r = vhost_vdpa_reset(&vdpa->vdpa);

	(void)vhost_vdpa_config_call(&vdpa->vdpa, -1);
	(void)irqfd_drain(vdpa->config_fd);
	if (r < 0)
		log_warn_limited("%s: the device cannot be reset: %s", dev->pci.name, strerror(-r));
}

static int start(struct virtio_dev *dev)
{
	struct virtio_vdpa *vdpa = to_vdpa(dev);
	int r = vhost_vdpa_config_call(&vdpa->vdpa, vdpa->config_fd);

	if (r == 0)
		r = vhost_vdpa_start(&vdpa->vdpa, dev);
	if (r < 0) {
		stop(dev);
		return r;
	}
	/* A kick from before it ran is forgotten. */
	for (unsigned q = 0; q < dev->ops->nqueues; q++)
		if (dev->q[q].ready)
			virtio_kick_again(dev, q);
	return 0;
}

static void call_changed(struct virtio_dev *dev, unsigned q, int fd)
{
	const struct vhost vhost = { .fd = to_vdpa(dev)->vdpa.fd };
	int r = vhost_set_call(&vhost, q, fd);

	if (r < 0)
		log_warn_limited("%s: no interrupts of queue %u: %s", dev->pci.name, q, strerror(-r));
}

static const struct virtio_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.class_rev = 0x02000000,
	.start = start,
	.stop = stop,
	.config_read = config_read,
	.call_changed = call_changed,
};

static void on_config(void *opaque, int fd)
{
	struct virtio_vdpa *vdpa = opaque;
	struct virtio_dev *dev = &vdpa->dev;

	if (!irqfd_drain(fd) || !dev->running)
		return;
	if (vhost_vdpa_has_status(&vdpa->vdpa, VIRTIO_CONFIG_S_NEEDS_RESET) &&
	    !(dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)) {
		log_warn_limited("%s: the device has failed, until the guest resets it", dev->pci.name);
		dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	}
	virtio_config_changed(dev);
}

/*
 * The queue of commands is behind as many pairs as the device says it has. Where that is more than fit, the
 * guest is not told of others than the first, and looks for commands behind that.
 */
static void choose_queues(struct virtio_vdpa *vdpa)
{
	struct vhost_vdpa *v = &vdpa->vdpa;
	bool fits = v->rings <= 2 * VMM_NIC_PAIRS_MAX + 1;
	uint16_t size = VIRTIO_QUEUE_SIZE_MAX;

	while (size > v->ring_size)
		size /= 2;
	vdpa->ops = net_ops;
	vdpa->ops.queue_size = size;
	vdpa->ops.nqueues = fits ? v->rings : SIMPLE_QUEUES;
	vdpa->dev.features = v->features & (KIND_FEATURES | BIT(VIRTIO_F_ORDER_PLATFORM));
	if (!fits)
		vdpa->dev.features &= ~PAIRS_FEATURES;
	vdpa->dev.withheld = RING_FEATURES & ~v->features;
}

static int meet(struct virtio_vdpa *vdpa, int fd, struct err *err)
{
	int r = vhost_vdpa_meet(fd, &vdpa->vdpa);

	if (r == 0 && (!(vdpa->vdpa.features & BIT(VIRTIO_F_VERSION_1)) || vdpa->vdpa.rings < 2 ||
		       !vdpa->vdpa.ring_size))
		r = -EOPNOTSUPP;
	if (r == -EOPNOTSUPP)
		return err_plain(err, r, "--nic: the vDPA device lacks what a guest needs: virtio 1.0, a pair of "
					 "queues, and the messages of Linux 5.19 to map memory");
	if (r < 0)
		return err_set(err, r, "--nic: the vDPA device does not answer");
	vdpa->config_fd = irqfd_eventfd();
	if (vdpa->config_fd < 0)
		return err_set(err, vdpa->config_fd, "--nic: cannot watch the vDPA device");
	return 0;
}

static int set_up(struct virtio_vdpa *vdpa, struct vm *vm, unsigned index, struct err *err)
{
	char name[32];
	int r = vhost_vdpa_map(&vdpa->vdpa, vm->mem, err);

	if (r < 0)
		return r;
	choose_queues(vdpa);
	snprintf(name, sizeof(name), "virtio-net %u", index);
	r = virtio_add(vm, &vdpa->dev, &vdpa->ops, name, 0, err);
	if (r < 0)
		return r;
	r = loop_add(vm->loop, vdpa->config_fd, on_config, vdpa);
	return r < 0 ? err_set(err, r, "--nic: cannot watch the vDPA device") : 0;
}

int virtio_vdpa_new(struct vm *vm, const struct vmm_nic *nic, unsigned index,
		    struct virtio_vdpa **ret, struct err *err)
{
	struct virtio_vdpa *vdpa = calloc(1, sizeof(*vdpa));
	int r;

	if (!vdpa)
		return err_set(err, -ENOMEM, "cannot make the network device");
	vdpa->config_fd = -1;
	vdpa->dev.vm = vm;
	r = meet(vdpa, nic->backend_fd, err);
	if (r == 0)
		r = set_up(vdpa, vm, index, err);
	if (r < 0) {
		virtio_vdpa_free(vdpa);
		return r;
	}
	*ret = vdpa;
	return 0;
}

struct virtio_vdpa *virtio_vdpa_free(struct virtio_vdpa *vdpa)
{
	if (!vdpa)
		return NULL;
	virtio_remove(&vdpa->dev);
	if (vdpa->config_fd >= 0)
		loop_del(vdpa->dev.vm->loop, vdpa->config_fd);
	close_fdp(&vdpa->config_fd);
	vhost_vdpa_unmap(&vdpa->vdpa, vdpa->dev.vm->mem);
	free(vdpa);
	return NULL;
}

void virtio_vdpa_get_state(const struct virtio_vdpa *vdpa, struct virtio_vdpa_state *ret)
{
	const struct vhost_vdpa *v = &vdpa->vdpa;
	uint8_t b[FACTS_LEN] = { 0 };
	unsigned n = v->config_size < FACTS_LEN ? v->config_size : FACTS_LEN;
	unsigned pairs = vdpa->ops.nqueues / 2;

	*ret = (struct virtio_vdpa_state){ .driven = vdpa->dev.running };
	if (vhost_vdpa_config(v, 0, b, n) < 0)
		return;
	if (v->features & BIT(VIRTIO_NET_F_MAC))
		memcpy(ret->mac, b, sizeof(ret->mac));
	if (v->features & BIT(VIRTIO_NET_F_MTU))
		ret->mtu = get_le16(b + MTU_OFF);
	ret->link = !(v->features & BIT(VIRTIO_NET_F_STATUS)) ||
		    get_le16(b + STATUS_OFF) & VIRTIO_NET_S_LINK_UP;
	ret->pairs = vdpa->dev.features & BIT(VIRTIO_NET_F_MQ) ? get_le16(b + PAIRS_OFF) : 1;
	if (ret->pairs > pairs)
		ret->pairs = pairs;
	if (!ret->pairs) /* it may say anything */
		ret->pairs = 1;
	for (unsigned i = 0; ret->driven && i < ret->pairs; i++)
		ret->used += vdpa->dev.q[2 * i].ready;
}
