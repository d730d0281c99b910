/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a format of rings has to do (queue_split.c, queue_packed.c), and what queue.c does for both. */
#ifndef VMM_VIRTIO_QUEUE_INTERNAL_H
#define VMM_VIRTIO_QUEUE_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/virtio.h"

#define VIRTQ_DESC_SIZE 16u

/* Of a ring that is ready, of a device that runs; in their order as the functions of virtio.h. */
struct virtq_format {
	bool (*size_fits)(unsigned size);
	bool (*parts)(const struct virtio_dev *dev, const struct virtq *q, struct virtq_parts *ret);
	int (*pop)(struct virtio_dev *dev, struct virtq *q, struct virtq_chain *ret);
	void (*unpop)(struct virtq *q, const struct virtq_head *head);
	int (*put)(struct virtio_dev *dev, struct virtq *q, const struct virtq_head *head, uint32_t written);
	int (*publish)(struct virtio_dev *dev, struct virtq *q);
	/* Of what came since the guest was last told, which is something, it wants to hear. */
	bool (*wants_signal)(const struct virtio_dev *dev, const struct virtq *q);
};

extern const struct virtq_format virtq_split, virtq_packed;

static inline int virtq_broken(struct virtio_dev *dev, const char *what)
{
	virtio_broken(dev, what);
	return -EPROTO;
}

/* One more buffer of a chain. 0 or -EPROTO. */
int virtq_add_seg(struct virtio_dev *dev, struct virtq_chain *c, gpa_t addr, uint32_t len, bool write);

#endif
