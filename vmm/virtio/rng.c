// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <linux/virtio_ids.h>

#include "vmm/virtio/virtio.h"

/* Of a request no more is given at once: whoever wants more asks again. */
#define CHUNK 256u

struct virtio_rng {
	struct virtio_dev dev;
};

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct virtq_chain chain;
	uint8_t bytes[CHUNK];
	unsigned served = 0;

	/* A guest that asks for more and more leaves time to others, and is heard again. */
	while (served < dev->q[q].size && virtq_pop(dev, q, &chain) == 1) {
		uint64_t want = virtq_writable(&chain);
		ssize_t n = getrandom(bytes, want < CHUNK ? want : CHUNK, 0);
		int64_t done = n > 0 ? virtq_write(dev, &chain, 0, bytes, (uint64_t)n) : 0;

		if (virtq_push(dev, q, &chain, done > 0 ? (uint32_t)done : 0) < 0)
			return;
		served++;
	}
	if (!dev->running)
		return;
	virtq_flush(dev, q);
	if (served == dev->q[q].size)
		virtio_kick_again(dev, q);
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_RNG,
	.class_rev = 0xff000000, /* no class of its own */
	.nqueues = 1,
	.queue_size = 64,
	.kick = kick,
};

int virtio_rng_new(struct vm *vm, struct virtio_rng **ret, struct err *err)
{
	struct virtio_rng *rng = calloc(1, sizeof(*rng));
	int r;

	if (!rng)
		return err_set(err, -ENOMEM, "cannot make the entropy device");
	rng->dev.features = virtio_rings_offered(vm);
	r = virtio_add(vm, &rng->dev, &ops, "virtio-rng", 0, err);
	if (r < 0) {
		virtio_rng_free(rng);
		return r;
	}
	*ret = rng;
	return 0;
}

struct virtio_rng *virtio_rng_free(struct virtio_rng *rng)
{
	if (rng)
		virtio_remove(&rng->dev);
	free(rng);
	return NULL;
}
