// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packed rings (2.8): one ring of descriptors, which the driver makes available and the device writes over
 * when they are used, and two words by which each side says what it wants to hear. Whose turn a descriptor
 * is, two of its flags say, which change their meaning each time that a side comes round (its wrap counter).
 *
 * A chain is written over by whatever is used while it is under way, so nothing of it is looked at twice:
 * it is all read, and bounded by the entries that are not under way, when it is taken.
 */
#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/le.h"
#include "base/shared.h"
#include "vmm/mem.h"
#include "vmm/virtio/queue_internal.h"
#include "vmm/vm.h"

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP  (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

/* Both of its words (2.8.10): offset and wrap counter, then flags. */
#define EVENT_SIZE 4u
#define EVENT_FLAGS(event) ((event) >> 16 & 3u)

struct desc {
	gpa_t addr;
	uint32_t len;
	uint16_t id, flags;
};

static bool size_fits(unsigned size)
{
	return size > 0;
}

static bool parts(const struct virtio_dev *dev, const struct virtq *q, struct virtq_parts *ret)
{
	const struct mem *mem = dev->vm->mem;

	ret->desc = gmem_ptr(mem, q->desc, (uint64_t)VIRTQ_DESC_SIZE * q->size);
	ret->avail = gmem_ptr(mem, q->avail, EVENT_SIZE);
	ret->used = gmem_ptr(mem, q->used, EVENT_SIZE);
	return !(q->desc % 16 || q->avail % 4 || q->used % 4) && ret->desc && ret->avail && ret->used;
}

/* --- places in the ring --- */

/* n entries on, at most all. */
static void advance(const struct virtq *q, uint16_t *at, bool *wrap, unsigned n)
{
	unsigned next = *at + n;

	if (next >= q->size) {
		next -= q->size;
		*wrap = !*wrap;
	}
	*at = (uint16_t)next;
}

static uint8_t *entry(const struct virtio_dev *dev, const struct virtq *q, unsigned i)
{
	return gmem_ptr(dev->vm->mem, q->desc + (uint64_t)i * VIRTQ_DESC_SIZE, VIRTQ_DESC_SIZE);
}

/* --- what is available --- */

/* The flags were read before, and are the ones that count. */
static void copy_desc(const uint8_t *from, uint16_t flags, struct desc *ret)
{
	uint8_t b[VIRTQ_DESC_SIZE - 2];

	memcpy(b, from, sizeof(b));
	*ret = (struct desc){ get_le64(b), get_le32(b + 8), get_le16(b + 12), flags };
}

/* 1; 0: the next entry is not available; -EPROTO. */
static int read_head(struct virtio_dev *dev, const struct virtq *q, struct desc *ret)
{
	const uint8_t *p = entry(dev, q, q->next_avail);
	uint16_t flags;

	if (!p)
		return virtq_broken(dev, "a descriptor is not in RAM");
	flags = shared_get16(p + 14);
	if (!(flags & AVAIL) == q->avail_wrap || !(flags & USED) != q->avail_wrap)
		return 0;
	copy_desc(p, flags, ret);
	return 1;
}

/* Those behind the head of a chain became available with it. */
static int read_next(struct virtio_dev *dev, const struct virtq *q, unsigned n, struct desc *ret)
{
	unsigned i = q->next_avail + n;
	const uint8_t *p = entry(dev, q, i < q->size ? i : i - q->size);

	if (!p)
		return virtq_broken(dev, "a descriptor is not in RAM");
	copy_desc(p, shared_get16(p + 14), ret);
	return 0;
}

/* From where on a kick is wanted (2.8.10): from the next entry, or always. */
static int want_kick(struct virtio_dev *dev, const struct virtq *q)
{
	uint32_t event = VRING_PACKED_EVENT_FLAG_ENABLE << 16;
	uint8_t *p = gmem_ptr(dev->vm->mem, q->used, EVENT_SIZE);

	if (!p)
		return virtq_broken(dev, "its device event area is not in RAM");
	if (virtio_has(dev, VIRTIO_RING_F_EVENT_IDX))
		event = q->next_avail | (q->avail_wrap ? WRAP : 0) | VRING_PACKED_EVENT_FLAG_DESC << 16;
	shared_put32(p, event);
	/* Before the entry is looked at once more, or a kick is missed. */
	shared_fence();
	return 0;
}

/* --- chains --- */

/* A table (2.8.8): all of it, in its order; of flags only whether it is written to means something. */
static int walk_table(struct virtio_dev *dev, const struct virtq *q, const struct desc *from,
		      struct virtq_chain *c)
{
	unsigned n = from->len / VIRTQ_DESC_SIZE;
	uint8_t b[VIRTQ_DESC_SIZE];
	int r = 0;

	if (!n || from->len % VIRTQ_DESC_SIZE || n > q->size)
		return virtq_broken(dev, "an indirect table of a wrong size");
	for (unsigned i = 0; i < n && r == 0; i++) {
		if (gmem_read(dev->vm->mem, from->addr + (uint64_t)i * VIRTQ_DESC_SIZE, b, sizeof(b)) < 0)
			return virtq_broken(dev, "a descriptor is not in RAM");
		r = virtq_add_seg(dev, c, get_le64(b), get_le32(b + 8), get_le16(b + 14) & VRING_DESC_F_WRITE);
	}
	return r;
}

/* The chain that begins with d. */
static int walk(struct virtio_dev *dev, const struct virtq *q, struct desc *d, struct virtq_chain *c)
{
	unsigned n = 1;
	int r;

	if (q->taken >= q->size)
		return virtq_broken(dev, "more is under way than its queue holds");
	if (d->flags & VRING_DESC_F_INDIRECT) {
		c->head = (struct virtq_head){ d->id, 1 };
		if (!virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC) || d->flags & VRING_DESC_F_NEXT)
			return virtq_broken(dev, "an indirect descriptor where there may be none");
		return walk_table(dev, q, d, c);
	}
	for (;;) {
		r = virtq_add_seg(dev, c, d->addr, d->len, d->flags & VRING_DESC_F_WRITE);
		if (r < 0 || !(d->flags & VRING_DESC_F_NEXT))
			break;
		if (n == (unsigned)(q->size - q->taken))
			return virtq_broken(dev, "a chain is longer than what is left of its queue");
		r = read_next(dev, q, n++, d);
		if (r == 0 && d->flags & VRING_DESC_F_INDIRECT)
			r = virtq_broken(dev, "an indirect descriptor where there may be none");
		if (r < 0)
			break;
	}
	c->head = (struct virtq_head){ d->id, (uint16_t)n };
	return r;
}

static int pop(struct virtio_dev *dev, struct virtq *q, struct virtq_chain *ret)
{
	struct desc d;
	int r = read_head(dev, q, &d);

	if (r == 0) {
		r = want_kick(dev, q);
		if (r == 0)
			r = read_head(dev, q, &d);
	}
	if (r <= 0)
		return r;
	ret->ends = false;
	ret->nread = ret->nwrite = 0;
	r = walk(dev, q, &d, ret);
	if (r < 0)
		return r;
	advance(q, &q->next_avail, &q->avail_wrap, ret->head.entries);
	q->taken = (uint16_t)(q->taken + ret->head.entries);
	return 1;
}

static void unpop(struct virtq *q, const struct virtq_head *head)
{
	/* Back is the same as on to where one came from, a round earlier. */
	advance(q, &q->next_avail, &q->avail_wrap, (unsigned)(q->size - head->entries));
	q->avail_wrap = !q->avail_wrap;
}

/* --- what was used --- */

/*
 * The first of several is shown by publish(): the guest looks at no other before. A chain is one entry,
 * and those that it took beside it are skipped.
 */
static int put(struct virtio_dev *dev, struct virtq *q, const struct virtq_head *head, uint32_t written)
{
	uint16_t at = q->next_used, flags;
	bool wrap = q->used_wrap;
	uint8_t *p;

	advance(q, &at, &wrap, q->put);
	p = entry(dev, q, at);
	if (!p)
		return virtq_broken(dev, "a descriptor is not in RAM");
	put_le32(p + 8, written);
	put_le16(p + 12, head->id);
	flags = (uint16_t)((wrap ? AVAIL | USED : 0) | (written ? VRING_DESC_F_WRITE : 0));
	if (q->put)
		shared_put16(p + 14, flags);
	else
		q->first_flags = flags;
	return 0;
}

static int publish(struct virtio_dev *dev, struct virtq *q)
{
	uint8_t *p = entry(dev, q, q->next_used);

	if (!p)
		return virtq_broken(dev, "a descriptor is not in RAM");
	shared_put16(p + 14, q->first_flags);
	advance(q, &q->next_used, &q->used_wrap, q->put);
	return 0;
}

/* Entries from there to the next that will be used, counted over two rounds. */
static unsigned distance(const struct virtq *q, unsigned from, bool wrap)
{
	unsigned now = q->next_used + (q->used_wrap ? 0u : q->size);
	unsigned then = from + (wrap ? 0u : q->size);

	return now >= then ? now - then : now + 2u * q->size - then;
}

/* 2.8.10. What makes no sense is taken for a wish to hear: one interrupt too many is none too few. */
static bool wants_signal(const struct virtio_dev *dev, const struct virtq *q)
{
	const uint8_t *p = gmem_ptr(dev->vm->mem, q->avail, EVENT_SIZE);
	unsigned from, gone;
	uint32_t event;

	if (!p)
		return false;
	event = shared_get32(p);
	if (EVENT_FLAGS(event) == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	from = event & (WRAP - 1);
	if (EVENT_FLAGS(event) != VRING_PACKED_EVENT_FLAG_DESC ||
	    !virtio_has(dev, VIRTIO_RING_F_EVENT_IDX) || from >= q->size || q->untold > q->size)
		return true;
	gone = distance(q, from, event & WRAP);
	return gone && gone <= q->untold;
}

const struct virtq_format virtq_packed = {
	.size_fits = size_fits,
	.parts = parts,
	.pop = pop,
	.unpop = unpop,
	.put = put,
	.publish = publish,
	.wants_signal = wants_signal,
};
