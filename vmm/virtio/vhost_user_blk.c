// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vhost_user_blk.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/virtio/served.h"

#define SECTOR	   512u
#define QUEUE_SIZE 128u
#define CONFIG_LEN 60u /* struct virtio_blk_config to its end of 1.2's second part */

#define BIT(n)	   (1ull << (n))
/* Not whether writes are cached, which a guest would change in one backend and not in the next. */
#define FEATURES                                                                              \
	(BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_GEOMETRY) | \
	 BIT(VIRTIO_BLK_F_RO) | BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) |         \
	 BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_MQ) | BIT(VIRTIO_BLK_F_DISCARD) |       \
	 BIT(VIRTIO_BLK_F_WRITE_ZEROES))

struct vhost_user_blk {
	struct served served;
	uint8_t config[CONFIG_LEN]; /* the backend's, but for what is ours */
};

static struct vhost_user_blk *to_blk(struct served *s)
{
	return container_of(s, struct vhost_user_blk, served);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	const struct vhost_user_blk *blk = to_blk(container_of(dev, struct served, dev));

	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < CONFIG_LEN ? blk->config[off + i] : 0;
}

/* A chain, with its header and its status, is at most as long as the ring. */
static void limit_segments(uint8_t *config)
{
	uint8_t *seg_max = config + offsetof(struct virtio_blk_config, seg_max);

	if (get_le32(seg_max) > QUEUE_SIZE - 2)
		put_le32(seg_max, QUEUE_SIZE - 2);
}

static int met(struct served *s)
{
	struct vhost_user_blk *blk = to_blk(s);
	uint8_t config[CONFIG_LEN];
	int r = vhost_user_config(&s->vu, config, sizeof(config));

	if (r < 0)
		return r;
	limit_segments(config);
	put_le16(config + offsetof(struct virtio_blk_config, num_queues), (uint16_t)s->ops.nqueues);
	if (memcmp(config, blk->config, sizeof(config)) == 0)
		return 0;
	memcpy(blk->config, config, sizeof(config));
	if (s->dev.ops) /* the guest has it already */
		virtio_config_changed(&s->dev);
	return 0;
}

static const struct served_kind kind = {
	.option = "--disk",
	.features = FEATURES,
	.met = met,
};

int vhost_user_blk_new(struct vm *vm, const struct vmm_disk *disk, unsigned index,
		       struct vhost_user_blk **ret, struct err *err)
{
	const struct virtio_ops ops = {
		.id = VIRTIO_ID_BLOCK,
		.class_rev = 0x01000000,
		.nqueues = disk->queues,
		.queue_size = QUEUE_SIZE,
		.config_read = config_read,
	};
	struct vhost_user_blk *blk = calloc(1, sizeof(*blk));
	char name[32];
	int r;

	if (!blk)
		return err_set(err, -ENOMEM, "cannot make the disk");
	snprintf(name, sizeof(name), "virtio-blk %u", index);
	blk->served.what = VM_BACKEND_DISK;
	blk->served.index = index;
	r = served_add(&blk->served, vm, &kind, &ops, disk->fd, name, err);
	if (r < 0) {
		vhost_user_blk_free(blk);
		return r;
	}
	*ret = blk;
	return 0;
}

struct vhost_user_blk *vhost_user_blk_free(struct vhost_user_blk *blk)
{
	if (blk)
		served_remove(&blk->served);
	free(blk);
	return NULL;
}

void vhost_user_blk_return(struct vhost_user_blk *blk, int fd)
{
	served_return(&blk->served, fd);
}

int vhost_user_blk_resize(struct vhost_user_blk *blk)
{
	return served_ask_again(&blk->served);
}

void vhost_user_blk_get_state(const struct vhost_user_blk *blk, struct vhost_user_blk_state *ret)
{
	bool sized = blk->served.dev.features & BIT(VIRTIO_BLK_F_BLK_SIZE);

	*ret = (struct vhost_user_blk_state){
		.bytes = get_le64(blk->config + offsetof(struct virtio_blk_config, capacity)) * SECTOR,
		.block_size = sized ? get_le32(blk->config + offsetof(struct virtio_blk_config, blk_size)) :
				      SECTOR,
		.readonly = blk->served.dev.features & BIT(VIRTIO_BLK_F_RO),
		.there = blk->served.there,
	};
}
