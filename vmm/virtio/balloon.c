// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/balloon.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtio.h"
#include "vmm/vm.h"

#define PAGE	    4096u
/* Page numbers that are copied at a time. */
#define CHUNK	    256u

/* Pages, or buffers without any, in one turn, before others get theirs. Linux sends 256 pages in a buffer. */
#define TURN	    4096u
/* Of those a block of free pages counts as so many: it is one call, of more work. Linux's have 4 MiB at most. */
#define FREE_COST   16u
#define FREE_BLOCK  (4u << 20)

#define CHAIN_STATS 64u
#define STAT_SIZE   10u /* 5.5.6.3: tag, value */

/* A guest is not asked for numbers more often than this. */
#define STATS_FRESH_MS 250

/*
 * Queue 4 is that of free pages, behind one of hints which we do not offer (5.5.2). Linux numbers the
 * queues that there are, without a gap, and takes 3: so both are, and nothing else is.
 */
enum { INFLATE, DEFLATE, STATS, REPORT, REPORT_TOO, QUEUES };

struct virtio_balloon {
	struct virtio_dev dev;
	struct balloon_owner owner;
	uint32_t asked, given; /* pages */
	uint64_t reported;     /* bytes that were given back as free pages, each time counted */
	/* The guest's buffer for numbers about its memory: it fills it anew when it gets it back. */
	bool has_buffer;
	struct virtq_head buffer;
	bool told;
	struct timespec told_at;
	struct balloon_stats stats;
};

static struct virtio_balloon *to_balloon(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_balloon, dev);
}

/* --- pages that are given back ------------------------------------------------------------------- */

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

/* 5.5.6.7: the buffers themselves are the pages, which the guest wants no content of. What it cost. */
static unsigned take_free(struct virtio_balloon *b, const struct virtq_chain *chain)
{
	unsigned cost = 0;

	if (!virtio_has(&b->dev, VIRTIO_BALLOON_F_REPORTING))
		return 0;
	/* As above: what is more than a turn has stays the guest's. */
	for (unsigned i = chain->nread; i < chain->nread + chain->nwrite && cost < TURN; i++) {
		const struct virtq_seg *seg = &chain->seg[i];

		if (mem_discard(b->dev.vm->mem, seg->addr, seg->len) == 0)
			b->reported += seg->len;
		cost += FREE_COST * (1 + (seg->len ? (seg->len - 1) / FREE_BLOCK : 0));
	}
	return cost;
}

/* --- what the guest says of its memory ------------------------------------------------------------ */

static void read_stats(struct virtio_balloon *b, const struct virtq_chain *chain)
{
	uint8_t bytes[STAT_SIZE * CHAIN_STATS];
	uint64_t total = virtq_readable(chain);
	int64_t n = virtq_read(&b->dev, chain, 0, bytes, total < sizeof(bytes) ? total : sizeof(bytes));

	b->stats.have = 0;
	for (int64_t i = 0; i + STAT_SIZE <= n; i += STAT_SIZE) {
		unsigned tag = get_le16(bytes + i);

		if (tag >= BALLOON_STATS)
			continue;
		b->stats.value[tag] = get_le64(bytes + i + 2);
		b->stats.have |= 1u << tag;
	}
	b->told = true;
	clock_gettime(CLOCK_MONOTONIC, &b->told_at);
}

static int give_buffer(struct virtio_balloon *b)
{
	int r = b->has_buffer ? virtq_give(&b->dev, STATS, &b->buffer, 0) : 0;

	b->has_buffer = false;
	return r;
}

/* There is one buffer (5.5.6.3); of a guest that gives another the first goes back. */
static int keep_buffer(struct virtio_balloon *b, const struct virtq_chain *chain)
{
	int r = give_buffer(b);

	if (r < 0)
		return r;
	b->buffer = chain->head;
	b->has_buffer = true;
	read_stats(b, chain);
	return 0;
}

static uint64_t age_ms(const struct virtio_balloon *b)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (int64_t)(now.tv_sec - b->told_at.tv_sec) * 1000 +
	     (now.tv_nsec - b->told_at.tv_nsec) / 1000000;
	return ms < 0 ? 0 : (uint64_t)ms;
}

/* --- the queues ------------------------------------------------------------------------------------ */

/* 0, or the ring is broken. What it cost is added. */
static int serve(struct virtio_balloon *b, unsigned q, const struct virtq_chain *chain, unsigned *cost)
{
	*cost += 1;
	if (q == STATS && virtio_has(&b->dev, VIRTIO_BALLOON_F_STATS_VQ))
		return keep_buffer(b, chain);
	/* What comes out of the balloon is there again when it is touched. */
	if (q != DEFLATE && b->owner.may_take(b->owner.opaque)) {
		if (q == INFLATE)
			*cost += inflate(b, chain);
		else
			*cost += take_free(b, chain);
	}
	return virtq_push(&b->dev, q, chain, 0);
}

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct virtio_balloon *b = to_balloon(dev);
	struct virtq_chain chain;
	unsigned done = 0;

	while (done < TURN && virtq_pop(dev, q, &chain) == 1)
		if (serve(b, q, &chain, &done) < 0)
			return;
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

/* A guest that begins anew has all of its RAM, and its buffer is not there. */
static void stop(struct virtio_dev *dev)
{
	struct virtio_balloon *b = to_balloon(dev);

	b->given = 0;
	b->has_buffer = b->told = false;
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_BALLOON,
	.class_rev = 0xff000000,
	.nqueues = QUEUES,
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
	b->dev.features = virtio_rings_offered(vm) | 1ull << VIRTIO_BALLOON_F_MUST_TELL_HOST |
			  1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1ull << VIRTIO_BALLOON_F_STATS_VQ;
	if (owner->reporting)
		b->dev.features |= 1ull << VIRTIO_BALLOON_F_REPORTING;
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

/* --- for who asks ---------------------------------------------------------------------------------- */

void virtio_balloon_ask(struct virtio_balloon *b, uint64_t bytes)
{
	uint64_t pages = bytes / PAGE < UINT32_MAX ? bytes / PAGE : UINT32_MAX;

	if (pages == b->asked)
		return;
	b->asked = (uint32_t)pages;
	virtio_config_changed(&b->dev);
}

void virtio_balloon_get_state(struct virtio_balloon *b, struct balloon_state *ret)
{
	*ret = (struct balloon_state){
		.asked = (uint64_t)b->asked * PAGE,
		.given = (uint64_t)b->given * PAGE,
		.driven = b->dev.running,
		.reporting = b->dev.running && virtio_has(&b->dev, VIRTIO_BALLOON_F_REPORTING),
		.reported = b->reported,
		.told = b->told,
		.stats = b->stats,
	};
	ret->stats.age_ms = b->told ? age_ms(b) : 0;
	if (!b->dev.running || !b->has_buffer || ret->stats.age_ms < STATS_FRESH_MS)
		return;
	if (give_buffer(b) == 0)
		virtq_flush(&b->dev, STATS);
}
