// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings as devices have them, whatever their format. The guest may write anything there at any time:
 * each field is copied once and checked then, each chain is bounded by the size of its ring, and what
 * does not fit the rules stops the device until the guest resets it.
 */
#include "vmm/virtio/queue_internal.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "base/shared.h"
#include "vmm/mem.h"
#include "vmm/vm.h"

static const struct virtq_format *format_of(const struct virtio_dev *dev)
{
	return virtio_has(dev, VIRTIO_F_RING_PACKED) ? &virtq_packed : &virtq_split;
}

/* --- where they are --- */

bool virtq_size_fits(const struct virtio_dev *dev, unsigned size)
{
	return format_of(dev)->size_fits(size);
}

int virtq_parts(const struct virtio_dev *dev, unsigned i, struct virtq_parts *ret)
{
	return format_of(dev)->parts(dev, &dev->q[i], ret) ? 0 : -EFAULT;
}

const char *virtq_fault(const struct virtio_dev *dev, unsigned i)
{
	struct virtq_parts parts;

	if (!virtq_size_fits(dev, dev->q[i].size)) /* what it was given before the features */
		return "a ring is of a size that none has";
	return virtq_parts(dev, i, &parts) < 0 ? "a ring is not in RAM" : NULL;
}

/* --- chains --- */

int virtq_add_seg(struct virtio_dev *dev, struct virtq_chain *c, gpa_t addr, uint32_t len, bool write)
{
	unsigned n = c->nread + c->nwrite;

	if (c->ends && (write ? c->nwrite : c->nread || c->nwrite))
		return 0;
	if (n == VIRTQ_SEGS_MAX)
		return virtq_broken(dev, "a chain has too many buffers");
	if (write)
		c->nwrite++;
	else if (c->nwrite)
		return virtq_broken(dev, "a buffer to read stands behind one to write"); /* 2.7.4.2 */
	else
		c->nread++;
	c->seg[n] = (struct virtq_seg){ addr, len };
	return 0;
}

int virtq_pop(struct virtio_dev *dev, unsigned i, struct virtq_chain *ret)
{
	return format_of(dev)->pop(dev, &dev->q[i], ret);
}

void virtq_unpop(struct virtio_dev *dev, unsigned i, const struct virtq_head *head)
{
	struct virtq *q = &dev->q[i];

	format_of(dev)->unpop(q, head);
	q->taken = (uint16_t)(q->taken - head->entries);
}

int virtq_put(struct virtio_dev *dev, unsigned i, const struct virtq_head *head, uint32_t written)
{
	struct virtq *q = &dev->q[i];
	int r = format_of(dev)->put(dev, q, head, written);

	if (r == 0)
		q->put = (uint16_t)(q->put + head->entries);
	return r;
}

int virtq_publish(struct virtio_dev *dev, unsigned i)
{
	struct virtq *q = &dev->q[i];
	int r = q->put ? format_of(dev)->publish(dev, q) : 0;

	if (r < 0)
		return r;
	q->taken = (uint16_t)(q->taken - q->put);
	q->untold += q->put;
	q->put = 0;
	return 0;
}

int virtq_give(struct virtio_dev *dev, unsigned i, const struct virtq_head *head, uint32_t written)
{
	int r = virtq_put(dev, i, head, written);

	return r < 0 ? r : virtq_publish(dev, i);
}

int virtq_push(struct virtio_dev *dev, unsigned i, const struct virtq_chain *chain, uint32_t written)
{
	return virtq_give(dev, i, &chain->head, written);
}

void virtq_flush(struct virtio_dev *dev, unsigned i)
{
	struct virtq *q = &dev->q[i];

	if (!q->untold)
		return;
	/* Before it is looked at what the guest wants, or an interrupt is missed. */
	shared_fence();
	if (format_of(dev)->wants_signal(dev, q))
		virtio_signal(dev, i);
	q->untold = 0;
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
		gpa_t at;

		if (off >= seg[i].len) {
			off -= seg[i].len;
			continue;
		}
		part = seg[i].len - off < len - done ? seg[i].len - off : len - done;
		/* A buffer behind whose first bytes addresses begin anew is nowhere, not at 0. */
		if (__builtin_add_overflow(seg[i].addr, off, &at) ||
		    fn(dev->vm->mem, at, buf + done, part) < 0)
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
