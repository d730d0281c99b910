// SPDX-License-Identifier: GPL-2.0-or-later
/* Split rings (2.7): a table of descriptors, a ring of those that are available and one of those used. */
#include <errno.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/le.h"
#include "base/shared.h"
#include "vmm/mem.h"
#include "vmm/virtio/queue_internal.h"
#include "vmm/vm.h"

struct desc {
	gpa_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* The parts are aligned as virtq_parts() wants them, so no field is on an odd address. */
static int get16(const struct virtio_dev *dev, gpa_t at, uint16_t *ret)
{
	const uint8_t *p = gmem_ptr(dev->vm->mem, at, 2);

	*ret = p ? shared_get16(p) : 0;
	return p ? 0 : -EFAULT;
}

static int put16(const struct virtio_dev *dev, gpa_t at, uint16_t value)
{
	uint8_t *p = gmem_ptr(dev->vm->mem, at, 2);

	if (!p)
		return -EFAULT;
	shared_put16(p, value);
	return 0;
}

static bool size_fits(unsigned size)
{
	return is_pow2(size);
}

static bool parts(const struct virtio_dev *dev, const struct virtq *q, struct virtq_parts *ret)
{
	const struct mem *mem = dev->vm->mem;

	ret->desc = gmem_ptr(mem, q->desc, 16ull * q->size);
	ret->avail = gmem_ptr(mem, q->avail, 6 + 2ull * q->size);
	ret->used = gmem_ptr(mem, q->used, 6 + 8ull * q->size);
	return !(q->desc % 16 || q->avail % 2 || q->used % 4) && ret->desc && ret->avail && ret->used;
}

/* --- chains --- */

static int read_desc(struct virtio_dev *dev, gpa_t table, unsigned i, struct desc *ret)
{
	uint8_t b[VIRTQ_DESC_SIZE];

	if (gmem_read(dev->vm->mem, table + (uint64_t)i * VIRTQ_DESC_SIZE, b, sizeof(b)) < 0)
		return virtq_broken(dev, "a descriptor is not in RAM");
	*ret = (struct desc){ get_le64(b), get_le32(b + 8), get_le16(b + 12), get_le16(b + 14) };
	return 0;
}

static int add(struct virtio_dev *dev, struct virtq_chain *c, const struct desc *d)
{
	return virtq_add_seg(dev, c, d->addr, d->len, d->flags & VRING_DESC_F_WRITE);
}

/* A table of its own (2.7.5.3), as long as the guest says. */
static int walk_indirect(struct virtio_dev *dev, const struct virtq *q, const struct desc *from,
			 struct virtq_chain *c)
{
	unsigned n = from->len / VIRTQ_DESC_SIZE, i = 0;
	struct desc d;
	int r;

	if (!virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC) || from->flags & VRING_DESC_F_NEXT)
		return virtq_broken(dev, "an indirect descriptor where there may be none");
	if (!n || from->len % VIRTQ_DESC_SIZE || n > q->size)
		return virtq_broken(dev, "an indirect table of a wrong size");
	for (unsigned steps = 0; steps < n; steps++) {
		r = read_desc(dev, from->addr, i, &d);
		if (r == 0 && d.flags & VRING_DESC_F_INDIRECT)
			r = virtq_broken(dev, "an indirect table inside another");
		if (r == 0)
			r = add(dev, c, &d);
		if (r < 0 || !(d.flags & VRING_DESC_F_NEXT))
			return r;
		i = d.next;
		if (i >= n)
			return virtq_broken(dev, "a descriptor points out of its table");
	}
	return virtq_broken(dev, "a chain of descriptors is a circle");
}

static int walk(struct virtio_dev *dev, const struct virtq *q, struct virtq_chain *c)
{
	unsigned i = c->head.id;
	struct desc d;
	int r;

	for (unsigned steps = 0; steps < q->size; steps++) {
		if (i >= q->size)
			return virtq_broken(dev, "a descriptor points out of its table");
		r = read_desc(dev, q->desc, i, &d);
		if (r < 0)
			return r;
		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(dev, q, &d, c);
		r = add(dev, c, &d);
		if (r < 0 || !(d.flags & VRING_DESC_F_NEXT))
			return r;
		i = d.next;
	}
	return virtq_broken(dev, "a chain of descriptors is a circle");
}

/* --- the two rings --- */

static gpa_t avail_event(const struct virtq *q)
{
	return q->used + 4 + 8ull * q->size;
}

/* Tell the guest from which entry on a kick is wanted (2.7.10): from the next one. */
static int want_kick(struct virtio_dev *dev, const struct virtq *q)
{
	if (!virtio_has(dev, VIRTIO_RING_F_EVENT_IDX))
		return 0;
	if (put16(dev, avail_event(q), q->next_avail) < 0)
		return virtq_broken(dev, "its used ring is not in RAM");
	/* Before the index is looked at once more, or a kick is missed. */
	shared_fence();
	return 0;
}

static int read_avail(struct virtio_dev *dev, const struct virtq *q, uint16_t *ret)
{
	if (get16(dev, q->avail + 2, ret) < 0)
		return virtq_broken(dev, "its available ring is not in RAM");
	if ((uint16_t)(*ret - q->next_avail) > q->size)
		return virtq_broken(dev, "more is available than its queue holds");
	return 0;
}

static int take(struct virtio_dev *dev, struct virtq *q, struct virtq_head *ret)
{
	uint16_t idx;
	int r = read_avail(dev, q, &idx);

	if (r == 0 && idx == q->next_avail) {
		r = want_kick(dev, q);
		if (r == 0)
			r = read_avail(dev, q, &idx);
		if (r == 0 && idx == q->next_avail)
			return 0;
	}
	/* Each has a descriptor of its own, until it is given back. */
	if (r == 0 && q->taken >= q->size)
		r = virtq_broken(dev, "more is under way than its queue holds");
	if (r < 0)
		return r;
	ret->entries = 1;
	if (get16(dev, q->avail + 4 + 2ull * (q->next_avail % q->size), &ret->id) < 0)
		return virtq_broken(dev, "its available ring is not in RAM");
	q->next_avail++;
	q->taken++;
	return ret->id < q->size ? 1 : virtq_broken(dev, "a descriptor points out of its table");
}

static int pop(struct virtio_dev *dev, struct virtq *q, struct virtq_chain *ret)
{
	struct virtq_head head = { 0 };
	int r = take(dev, q, &head);

	if (r <= 0)
		return r;
	ret->head = head;
	ret->ends = false;
	ret->nread = ret->nwrite = 0;
	r = walk(dev, q, ret);
	return r < 0 ? r : 1;
}

static void unpop(struct virtq *q, const struct virtq_head *head)
{
	(void)head;
	q->next_avail--;
}

int virtq_take(struct virtio_dev *dev, unsigned i, struct virtq_head *ret)
{
	return take(dev, &dev->q[i], ret);
}

int virtq_ends(struct virtio_dev *dev, unsigned i, const struct virtq_head *head,
	       struct virtq_chain *ret)
{
	*ret = (struct virtq_chain){ .head = *head, .ends = true };
	return walk(dev, &dev->q[i], ret);
}

static int put(struct virtio_dev *dev, struct virtq *q, const struct virtq_head *head, uint32_t written)
{
	uint16_t at = (uint16_t)(q->next_used + q->put);
	uint8_t elem[8];

	put_le32(elem, head->id);
	put_le32(elem + 4, written);
	if (gmem_write(dev->vm->mem, q->used + 4 + 8ull * (at % q->size), elem, sizeof(elem)) < 0)
		return virtq_broken(dev, "its used ring is not in RAM");
	return 0;
}

static int publish(struct virtio_dev *dev, struct virtq *q)
{
	uint16_t next = (uint16_t)(q->next_used + q->put);

	if (put16(dev, q->used + 2, next) < 0)
		return virtq_broken(dev, "its used ring is not in RAM");
	q->next_used = next;
	return 0;
}

/* 2.7.7.2, 2.7.10 */
static bool wants_signal(const struct virtio_dev *dev, const struct virtq *q)
{
	uint16_t flags, event;

	if (!virtio_has(dev, VIRTIO_RING_F_EVENT_IDX))
		return get16(dev, q->avail, &flags) == 0 && !(flags & VRING_AVAIL_F_NO_INTERRUPT);
	if (get16(dev, q->avail + 4 + 2ull * q->size, &event) < 0)
		return false;
	return (uint16_t)(q->next_used - event - 1) < q->untold;
}

const struct virtq_format virtq_split = {
	.size_fits = size_fits,
	.parts = parts,
	.pop = pop,
	.unpop = unpop,
	.put = put,
	.publish = publish,
	.wants_signal = wants_signal,
};
