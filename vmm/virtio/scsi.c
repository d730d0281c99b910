// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/scsi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_scsi.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "vmm/handover.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/virtio.h"

/* 5.6.2: commands about commands, events, then requests. */
#define REQUESTS   2u
#define QUEUE_SIZE 128

/* 5.6.4; the sizes are the kernel's, which takes no others (struct virtio_scsi_cmd_req). */
#define CONFIG_LEN  36u
#define SEGMENTS    (QUEUE_SIZE - 2) /* of data: a chain has the request and the answer, too */
#define MAX_SECTORS 0xffffu
#define MAX_TARGET  255
#define MAX_LUN	    16383u

_Static_assert(sizeof(struct virtio_scsi_config) == CONFIG_LEN, "as 5.6.4 has it");
_Static_assert(REQUESTS + VMM_SCSI_QUEUES_MAX <= VIRTIO_QUEUES_MAX, "room for all");

struct virtio_scsi {
	struct virtio_dev dev;
	struct virtio_ops ops; /* of so many queues */
	struct vhost vhost;
	const struct vmm_scsi *conf; /* borrowed */
};

static struct virtio_scsi *to_scsi(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_scsi, dev);
}

/* What a driver writes to sense_size and cdb_size is not taken, which it finds when it reads them. */
static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t b[CONFIG_LEN];

	put_le32(b, to_scsi(dev)->conf->queues);
	put_le32(b + 4, SEGMENTS);
	put_le32(b + 8, MAX_SECTORS);
	put_le32(b + 12, QUEUE_SIZE); /* commands that a LUN may have at once */
	put_le32(b + 16, sizeof(struct virtio_scsi_event));
	put_le32(b + 20, VIRTIO_SCSI_SENSE_DEFAULT_SIZE);
	put_le32(b + 24, VIRTIO_SCSI_CDB_DEFAULT_SIZE);
	put_le16(b + 28, 0); /* the last channel */
	put_le16(b + 30, MAX_TARGET);
	put_le32(b + 32, MAX_LUN);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < sizeof(b) ? b[off + i] : 0;
}

/* Waits for the commands that the target has, since they read and write RAM. */
static void stop(struct virtio_dev *dev)
{
	struct virtio_scsi *scsi = to_scsi(dev);
	int r = vhost_scsi_clear(&scsi->vhost, scsi->conf->wwpn);

	if (r < 0)
		log_warn_limited("%s: the target %s does not let go: %s", dev->pci.name,
				 scsi->conf->wwpn, strerror(-r));
}

static int take_target(struct virtio_scsi *scsi)
{
	int r = vhost_scsi_set(&scsi->vhost, scsi->conf->wwpn);

	if (r == -ENODEV)
		log_warn_limited("%s: the target %s is gone from this host, or something else has it",
				 scsi->dev.pci.name, scsi->conf->wwpn);
	return r;
}

static int start(struct virtio_dev *dev)
{
	struct virtio_scsi *scsi = to_scsi(dev);
	unsigned n = dev->ops->nqueues;
	int r = vhost_start(&scsi->vhost, dev, 0, n);

	for (unsigned q = 0; r == 0 && q < n; q++)
		if (dev->q[q].ready)
			r = vhost_set_call(&scsi->vhost, q, virtio_call_fd(dev, q));
	if (r == 0)
		r = take_target(scsi);
	/* It does not look at rings by itself, and forgets kicks from before it had a target. */
	for (unsigned q = 0; r == 0 && q < n; q++)
		if (dev->q[q].ready)
			virtio_kick_again(dev, q);
	return r;
}

static void call_changed(struct virtio_dev *dev, unsigned q, int fd)
{
	int r = vhost_set_call(&to_scsi(dev)->vhost, q, fd);

	if (r < 0)
		log_warn_limited("%s: no interrupts of queue %u: %s", dev->pci.name, q, strerror(-r));
}

static const struct virtio_ops scsi_ops = {
	.id = VIRTIO_ID_SCSI,
	.class_rev = 0x01000000, /* SCSI storage controller */
	.queue_size = QUEUE_SIZE,
	.start = start,
	.stop = stop,
	.config_read = config_read,
	.call_changed = call_changed,
};

int virtio_scsi_new(struct vm *vm, const struct vmm_scsi *conf, unsigned index,
		    struct virtio_scsi **ret, struct err *err)
{
	struct virtio_scsi *scsi = calloc(1, sizeof(*scsi));
	uint64_t can = 0;
	char name[32];
	int r;

	if (!scsi)
		return err_set(err, -ENOMEM, "cannot make the SCSI device");
	scsi->conf = conf;
	scsi->vhost.fd = conf->fd;
	scsi->ops = scsi_ops;
	scsi->ops.nqueues = REQUESTS + conf->queues;
	r = vhost_features(&scsi->vhost, &can);
	if (r == 0)
		r = vhost_own(&scsi->vhost);
	if (r < 0) {
		free(scsi);
		return err_set(err, r, "vhost-scsi does not answer");
	}
	scsi->dev.features = can & 1ull << VIRTIO_SCSI_F_HOTPLUG;
	snprintf(name, sizeof(name), "virtio-scsi %u", index);
	r = virtio_add(vm, &scsi->dev, &scsi->ops, name, 0, err);
	if (r < 0) {
		virtio_scsi_free(scsi);
		return r;
	}
	*ret = scsi;
	return 0;
}

struct virtio_scsi *virtio_scsi_free(struct virtio_scsi *scsi)
{
	if (scsi)
		virtio_remove(&scsi->dev);
	free(scsi);
	return NULL;
}

bool virtio_scsi_driven(const struct virtio_scsi *scsi)
{
	return scsi->dev.running;
}
