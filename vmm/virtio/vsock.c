// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/virtio.h"

#define RX 0u
#define TX 1u
/*
 * And one for events. The only one there is tells of a guest that went to another host (5.10.6.6.1):
 * what the guest puts into that queue stays there.
 */
#define QUEUES 3u
#define SERVED 2u /* by the kernel */

struct virtio_vsock {
	struct virtio_dev dev;
	struct vhost vhost;
	uint64_t cid;
};

static struct virtio_vsock *to_vsock(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_vsock, dev);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t bytes[8]; /* struct virtio_vsock_config */

	put_le64(bytes, to_vsock(dev)->cid);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < sizeof(bytes) ? bytes[off + i] : 0;
}

/* Connections end with it, on both sides. */
static void stop(struct virtio_dev *dev)
{
	(void)vhost_vsock_run(&to_vsock(dev)->vhost, false);
}

static int start(struct virtio_dev *dev)
{
	struct virtio_vsock *vsock = to_vsock(dev);
	int r;

	if (!dev->q[RX].ready || !dev->q[TX].ready)
		return -EINVAL;
	r = vhost_start(&vsock->vhost, dev, RX, SERVED);
	/* Before they run: what one has for the guest at once must reach it. */
	for (unsigned q = RX; r == 0 && q < SERVED; q++)
		r = vhost_set_call(&vsock->vhost, q, virtio_call_fd(dev, q));
	return r < 0 ? r : vhost_vsock_run(&vsock->vhost, true);
}

static void call_changed(struct virtio_dev *dev, unsigned q, int fd)
{
	int r = q < SERVED ? vhost_set_call(&to_vsock(dev)->vhost, q, fd) : 0;

	if (r < 0)
		log_warn_limited("%s: no interrupts of queue %u: %s", dev->pci.name, q, strerror(-r));
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_VSOCK,
	.class_rev = 0x07800000, /* communication controller, other */
	.nqueues = QUEUES,
	.queue_size = 128,
	.start = start,
	.stop = stop,
	.config_read = config_read,
	.call_changed = call_changed,
};

int virtio_vsock_new(struct vm *vm, int fd, uint64_t cid, struct virtio_vsock **ret,
		     struct err *err)
{
	struct virtio_vsock *vsock = calloc(1, sizeof(*vsock));
	uint64_t can = 0;
	int r;

	if (!vsock)
		return err_set(err, -ENOMEM, "cannot make the vsock device");
	vsock->vhost.fd = fd;
	vsock->cid = cid;
	r = vhost_features(&vsock->vhost, &can);
	if (r == 0)
		r = vhost_own(&vsock->vhost);
	if (r < 0) {
		free(vsock);
		return err_set(err, r, "vhost-vsock does not answer");
	}
	vsock->dev.features = can & 1ull << VIRTIO_VSOCK_F_SEQPACKET;
	r = virtio_add(vm, &vsock->dev, &ops, "virtio-vsock", 0, err);
	if (r < 0) {
		virtio_vsock_free(vsock);
		return r;
	}
	*ret = vsock;
	return 0;
}

struct virtio_vsock *virtio_vsock_free(struct virtio_vsock *vsock)
{
	if (vsock)
		virtio_remove(&vsock->dev);
	free(vsock);
	return NULL;
}
