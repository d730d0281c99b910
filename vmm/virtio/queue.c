// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Split rings as the device sees them (2.7). The guest may write anything there at any
 * time: each field is copied once and checked then, each chain is bounded by the size of
 * its ring, and what does not fit the rules stops the device until the guest resets it.
 */
#include "vmm/virtio/virtio.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/le.h"
#include "vmm/mem.h"
#include "vmm/vm.h"

#define DESC_SIZE 16u

struct desc {
	gpa_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static int broken(struct virtio_dev *dev, const char *what)
{
	virtio_broken(dev, what);
	return -EPROTO;
}

/* A field of 16 bits, read and written as one. */
static int get16(const struct virtio_dev *dev, gpa_t at, uint16_t *ret)
{
	uint8_t b[2];
	int r = gmem_read(dev->vm->mem, at, b, sizeof(b));

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*ret = r < 0 ? 0 : get_le16(b);
	return r;
}

static int put16(const struct virtio_dev *dev, gpa_t at, uint16_t value)
{
	uint8_t b[2];

	put_le16(b, value);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return gmem_write(dev->vm->mem, at, b, sizeof(b));
}

static int read_desc(struct virtio_dev *dev, gpa_t table, unsigned i, struct desc *ret)
{
	uint8_t b[DESC_SIZE];

	if (gmem_read(dev->vm->mem, table + (uint64_t)i * DESC_SIZE, b, sizeof(b)) < 0)
		return broken(dev, "a descriptor is not in RAM");
	*ret = (struct desc){ get_le64(b), get_le32(b + 8), get_le16(b + 12), get_le16(b + 14) };
	return 0;
}

/* --- chains --- */

static int add_seg(struct virtio_dev *dev, struct virtq_chain *c, const struct desc *d)
{
	unsigned n = c->nread + c->nwrite;

	if (c->ends && (d->flags & VRING_DESC_F_WRITE ? c->nwrite : c->nread || c->nwrite))
		return 0;
	if (n == VIRTQ_SEGS_MAX)
		return broken(dev, "a chain has too many buffers");
	if (d->flags & VRING_DESC_F_WRITE)
		c->nwrite++;
	else if (c->nwrite)
		return broken(dev, "a buffer to read stands behind one to write"); /* 2.7.4.2 */
	else
		c->nread++;
	c->seg[n] = (struct virtq_seg){ d->addr, d->len };
	return 0;
}

/* A table of its own (2.7.5.3), as long as the guest says. */
static int walk_indirect(struct virtio_dev *dev, const struct virtq *q, const struct desc *from,
			 struct virtq_chain *c)
{
	unsigned n = from->len / DESC_SIZE, i = 0;
	struct desc d;
	int r;

	if (!virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC) || from->flags & VRING_DESC_F_NEXT)
		return broken(dev, "an indirect descriptor where there may be none");
	if (!n || from->len % DESC_SIZE || n > q->size)
		return broken(dev, "an indirect table of a wrong size");
	for (unsigned steps = 0; steps < n; steps++) {
		r = read_desc(dev, from->addr, i, &d);
		if (r == 0 && d.flags & VRING_DESC_F_INDIRECT)
			r = broken(dev, "an indirect table inside another");
		if (r == 0)
			r = add_seg(dev, c, &d);
		if (r < 0 || !(d.flags & VRING_DESC_F_NEXT))
			return r;
		i = d.next;
		if (i >= n)
			return broken(dev, "a descriptor points out of its table");
	}
	return broken(dev, "a chain of descriptors is a circle");
}

static int walk(struct virtio_dev *dev, const struct virtq *q, struct virtq_chain *c)
{
	unsigned i = c->head;
	struct desc d;
	int r;

	for (unsigned steps = 0; steps < q->size; steps++) {
		if (i >= q->size)
			return broken(dev, "a descriptor points out of its table");
		r = read_desc(dev, q->desc, i, &d);
		if (r < 0)
			return r;
		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(dev, q, &d, c);
		r = add_seg(dev, c, &d);
		if (r < 0 || !(d.flags & VRING_DESC_F_NEXT))
			return r;
		i = d.next;
	}
	return broken(dev, "a chain of descriptors is a circle");
}

/* --- the two rings --- */

bool virtq_in_ram(const struct virtio_dev *dev, unsigned i)
{
	const struct virtq *q = &dev->q[i];
	const struct mem *mem = dev->vm->mem;

	return !(q->desc % 16 || q->avail % 2 || q->used % 4) &&
	       gmem_ptr(mem, q->desc, 16ull * q->size) &&
	       gmem_ptr(mem, q->avail, 6 + 2ull * q->size) &&
	       gmem_ptr(mem, q->used, 6 + 8ull * q->size);
}

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
		return broken(dev, "its used ring is not in RAM");
	/* Before the index is looked at once more, or a kick is missed. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

static int read_avail(struct virtio_dev *dev, const struct virtq *q, uint16_t *ret)
{
	if (get16(dev, q->avail + 2, ret) < 0)
		return broken(dev, "its available ring is not in RAM");
	if ((uint16_t)(*ret - q->next_avail) > q->size)
		return broken(dev, "more is available than its queue holds");
	return 0;
}

int virtq_take(struct virtio_dev *dev, unsigned i, uint16_t *ret)
{
	struct virtq *q = &dev->q[i];
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
		r = broken(dev, "more is under way than its queue holds");
	if (r < 0)
		return r;
	if (get16(dev, q->avail + 4 + 2ull * (q->next_avail % q->size), ret) < 0)
		return broken(dev, "its available ring is not in RAM");
	q->next_avail++;
	q->taken++;
	return *ret < q->size ? 1 : broken(dev, "a descriptor points out of its table");
}

int virtq_pop(struct virtio_dev *dev, unsigned i, struct virtq_chain *ret)
{
	uint16_t head = 0;
	int r = virtq_take(dev, i, &head);

	if (r <= 0)
		return r;
	*ret = (struct virtq_chain){ .head = head };
	r = walk(dev, &dev->q[i], ret);
	return r < 0 ? r : 1;
}

int virtq_ends(struct virtio_dev *dev, unsigned i, uint16_t head, struct virtq_chain *ret)
{
	*ret = (struct virtq_chain){ .head = head, .ends = true };
	return walk(dev, &dev->q[i], ret);
}

int virtq_put(struct virtio_dev *dev, unsigned i, unsigned ahead, uint16_t head, uint32_t written)
{
	const struct virtq *q = &dev->q[i];
	uint16_t at = (uint16_t)(q->next_used + ahead);
	uint8_t elem[8];

	put_le32(elem, head);
	put_le32(elem + 4, written);
	if (gmem_write(dev->vm->mem, q->used + 4 + 8ull * (at % q->size), elem, sizeof(elem)) < 0)
		return broken(dev, "its used ring is not in RAM");
	return 0;
}

int virtq_publish(struct virtio_dev *dev, unsigned i, unsigned n)
{
	struct virtq *q = &dev->q[i];

	if (put16(dev, q->used + 2, (uint16_t)(q->next_used + n)) < 0)
		return broken(dev, "its used ring is not in RAM");
	q->next_used = (uint16_t)(q->next_used + n);
	q->taken = (uint16_t)(q->taken - n);
	return 0;
}

int virtq_push(struct virtio_dev *dev, unsigned i, const struct virtq_chain *chain, uint32_t written)
{
	int r = virtq_put(dev, i, 0, chain->head, written);

	return r < 0 ? r : virtq_publish(dev, i, 1);
}

void virtq_unpop(struct virtio_dev *dev, unsigned i, unsigned n)
{
	struct virtq *q = &dev->q[i];

	q->next_avail = (uint16_t)(q->next_avail - n);
	q->taken = (uint16_t)(q->taken - n);
}

/* 2.7.7.2, 2.7.10: whether the guest asked to hear of what came since it was last told. */
static bool wants_signal(struct virtio_dev *dev, const struct virtq *q)
{
	uint16_t flags, event;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->told_used == q->next_used)
		return false;
	if (!virtio_has(dev, VIRTIO_RING_F_EVENT_IDX))
		return get16(dev, q->avail, &flags) == 0 && !(flags & VRING_AVAIL_F_NO_INTERRUPT);
	if (get16(dev, q->avail + 4 + 2ull * q->size, &event) < 0)
		return false;
	return (uint16_t)(q->next_used - event - 1) < (uint16_t)(q->next_used - q->told_used);
}

void virtq_flush(struct virtio_dev *dev, unsigned i)
{
	struct virtq *q = &dev->q[i];

	if (wants_signal(dev, q))
		virtio_signal(dev, i);
	q->told_used = q->next_used;
}

/* --- contents --- */

static uint64_t total(const struct virtq_seg *seg, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += seg[i].len;
	return sum;
}

uint64_t virtq_readable(const struct virtq_chain *c)
{
	return total(c->seg, c->nread);
}

uint64_t virtq_writable(const struct virtq_chain *c)
{
	return total(c->seg + c->nread, c->nwrite);
}

typedef int (*copy_fn)(const struct mem *mem, gpa_t gpa, void *buf, uint64_t len);

static int copy_out(const struct mem *mem, gpa_t gpa, void *buf, uint64_t len)
{
	return gmem_write(mem, gpa, buf, len);
}

static int64_t copy(struct virtio_dev *dev, const struct virtq_seg *seg, unsigned n, uint64_t off,
		    uint8_t *buf, uint64_t len, copy_fn fn)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		uint64_t part;

		if (off >= seg[i].len) {
			off -= seg[i].len;
			continue;
		}
		part = seg[i].len - off < len - done ? seg[i].len - off : len - done;
		if (fn(dev->vm->mem, seg[i].addr + off, buf + done, part) < 0)
			return -EFAULT;
		done += part;
		off = 0;
	}
	return (int64_t)done;
}

int64_t virtq_read(struct virtio_dev *dev, const struct virtq_chain *c, uint64_t off, void *buf,
		   uint64_t len)
{
	return copy(dev, c->seg, c->nread, off, buf, len, gmem_read);
}

int64_t virtq_write(struct virtio_dev *dev, const struct virtq_chain *c, uint64_t off,
		    const void *buf, uint64_t len)
{
	/* copy() gives it to copy_out() alone, which only reads. */
	return copy(dev, c->seg + c->nread, c->nwrite, off, (uint8_t *)(uintptr_t)buf, len, copy_out);
}
