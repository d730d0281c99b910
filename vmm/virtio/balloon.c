// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/balloon.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtio.h"
#include "vmm/vm.h"

#define INFLATE 0u
#define DEFLATE 1u
#define PAGE	4096u
/* Page numbers that are copied at a time. */
#define CHUNK	256u
/* Pages, or buffers without any, in one turn, before others get theirs. Linux sends 256 pages in a buffer. */
#define TURN	4096u

struct virtio_balloon {
	struct virtio_dev dev;
	struct balloon_owner owner;
	uint32_t asked, given; /* pages */
};

static struct virtio_balloon *to_balloon(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_balloon, dev);
}

/* 5.5.6: a page that is not RAM, or not the guest's to give, is left alone. */
static void take(struct virtio_balloon *b, const uint8_t *numbers, uint64_t bytes)
{
	for (uint64_t i = 0; i + 4 <= bytes; i += 4) {
		gpa_t gpa = (gpa_t)get_le32(numbers + i) * PAGE;

		(void)mem_discard(b->dev.vm->mem, gpa, PAGE);
	}
}

/* Of a buffer with more pages than a turn has the rest stays the guest's. How many there were. */
static unsigned inflate(struct virtio_balloon *b, const struct virtq_chain *chain)
{
	uint64_t total = virtq_readable(chain);
	unsigned pages = 0;
	uint8_t numbers[4 * CHUNK];

	for (uint64_t off = 0; off < total && pages < TURN; off += sizeof(numbers)) {
		int64_t n = virtq_read(&b->dev, chain, off, numbers, sizeof(numbers));

		if (n <= 0)
			break;
		take(b, numbers, (uint64_t)n);
		pages += (unsigned)n / 4;
	}
	return pages;
}

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct virtio_balloon *b = to_balloon(dev);
	struct virtq_chain chain;
	unsigned done = 0;

	while (done < TURN && virtq_pop(dev, q, &chain) == 1) {
		/* What comes out of the balloon is there again when it is touched. */
		if (q == INFLATE && b->owner.may_take(b->owner.opaque))
			done += inflate(b, &chain);
		if (virtq_push(dev, q, &chain, 0) < 0)
			return;
		done++;
	}
	if (!dev->running)
		return;
	virtq_flush(dev, q);
	if (done >= TURN)
		virtio_kick_again(dev, q);
}

/* 5.5.4: num_pages, actual. */
static void image(const struct virtio_balloon *b, uint8_t ret[8])
{
	put_le32(ret, b->asked);
	put_le32(ret + 4, b->given);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t bytes[8];

	image(to_balloon(dev), bytes);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < sizeof(bytes) ? bytes[off + i] : 0;
}

static void config_write(struct virtio_dev *dev, unsigned off, const uint8_t *data, unsigned len)
{
	struct virtio_balloon *b = to_balloon(dev);
	uint8_t bytes[8];

	image(b, bytes);
	for (unsigned i = 0; i < len; i++)
		if (off + i >= 4 && off + i < sizeof(bytes))
			bytes[off + i] = data[i];
	b->given = get_le32(bytes + 4);
}

/* A guest that begins anew has all of its RAM. */
static void stop(struct virtio_dev *dev)
{
	to_balloon(dev)->given = 0;
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_BALLOON,
	.class_rev = 0xff000000,
	.nqueues = 2,
	.queue_size = 128,
	.kick = kick,
	.stop = stop,
	.config_read = config_read,
	.config_write = config_write,
};

int virtio_balloon_new(struct vm *vm, const struct balloon_owner *owner,
		       struct virtio_balloon **ret, struct err *err)
{
	struct virtio_balloon *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_set(err, -ENOMEM, "cannot make the memory balloon");
	b->owner = *owner;
	b->dev.features = 1ull << VIRTIO_BALLOON_F_MUST_TELL_HOST |
			  1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	r = virtio_add(vm, &b->dev, &ops, "virtio-balloon", 0, err);
	if (r < 0) {
		virtio_balloon_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

struct virtio_balloon *virtio_balloon_free(struct virtio_balloon *b)
{
	if (b)
		virtio_remove(&b->dev);
	free(b);
	return NULL;
}

void virtio_balloon_ask(struct virtio_balloon *b, uint64_t bytes)
{
	uint64_t pages = bytes / PAGE;

	b->asked = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
	virtio_config_changed(&b->dev);
}

uint64_t virtio_balloon_asked(const struct virtio_balloon *b)
{
	return (uint64_t)b->asked * PAGE;
}

uint64_t virtio_balloon_given(const struct virtio_balloon *b)
{
	return (uint64_t)b->given * PAGE;
}
