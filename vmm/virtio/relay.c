// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/loop.h"
#include "base/shared.h"
#include "irq/irqfd.h"
#include "vmm/vm.h"

/* Above all RAM and windows: a descriptor of the guest's that points there reaches its own ring. */
#define REGION_GPA (1ull << 51)

static uint64_t align4k(uint64_t n)
{
	return (n + 4095) & ~4095ull;
}

/* Of one ring: the available part, then the used one. */
static uint64_t used_offset(const struct relay *r)
{
	return align4k(6 + 2ull * r->size_max);
}

static uint64_t ring_bytes(const struct relay *r)
{
	return used_offset(r) + align4k(6 + 8ull * r->size_max);
}

/* --- the list --- */

static void clear_list(const struct relay *r, struct relay_queue *q)
{
	memset(q->list, 0, (r->size_max + 1u) * sizeof(q->list[0]));
	q->list[r->size_max].prev = q->list[r->size_max].next = r->size_max;
	q->given = 0;
}

static void put_on_list(const struct relay *r, struct relay_queue *q, uint16_t head)
{
	struct relay_link *end = &q->list[r->size_max];

	q->list[head] = (struct relay_link){ end->prev, r->size_max, true };
	q->list[end->prev].next = head;
	end->prev = head;
	q->given++;
}

void relay_strike(struct relay *r, unsigned i, uint16_t head)
{
	struct relay_queue *q = &r->q[i];
	struct relay_link *link = &q->list[head];

	q->list[link->prev].next = link->next;
	q->list[link->next].prev = link->prev;
	link->listed = false;
	q->given--;
}

bool relay_oldest(const struct relay *r, unsigned i, uint16_t *ret)
{
	*ret = r->q[i].list[r->size_max].next;
	return *ret != r->size_max;
}

void relay_forget(struct relay *r)
{
	for (unsigned i = 0; i < r->count; i++)
		clear_list(r, &r->q[i]);
}

unsigned relay_given(const struct relay *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->count; i++)
		n += r->q[i].given;
	return n;
}

/* --- what is shared --- */

static void on_call(void *opaque, int fd)
{
	struct relay *r = opaque;

	if (!irqfd_drain(fd))
		return;
	for (unsigned i = 0; i < r->count; i++)
		if (r->q[i].call == fd && r->q[i].runs) {
			r->called(r->opaque, i);
			return;
		}
}

static int open_queue(struct relay *r, struct relay_queue *q, uint8_t *at)
{
	int code;

	q->kick = irqfd_eventfd();
	q->call = irqfd_eventfd();
	if (q->kick < 0 || q->call < 0)
		return -EMFILE;
	code = loop_add(r->dev->vm->loop, q->call, on_call, r);
	if (code < 0) {
		close_fdp(&q->call);
		return code;
	}
	q->avail = at;
	q->used = at + used_offset(r);
	return 0;
}

int relay_open(struct relay *r)
{
	uint64_t size = r->count * ring_bytes(r);
	void *map;
	int code = 0;

	r->fd = memfd_create("guest-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fd < 0)
		return -errno;
	code = ftruncate(r->fd, (off_t)size) < 0 ? -errno : fd_seal_size(r->fd);
	if (code < 0) {
		close_fdp(&r->fd);
		return code;
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (map == MAP_FAILED) {
		code = -errno;
		close_fdp(&r->fd);
		return code;
	}
	r->map = map;
	for (unsigned i = 0; i < r->count && code == 0; i++)
		code = open_queue(r, &r->q[i], r->map + i * ring_bytes(r));
	if (code < 0)
		relay_close(r);
	return code;
}

void relay_close(struct relay *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		struct relay_queue *q = &r->q[i];

		if (q->call >= 0)
			loop_del(r->dev->vm->loop, q->call);
		close_fdp(&q->call);
		close_fdp(&q->kick);
		q->avail = q->used = NULL;
		q->runs = false;
	}
	if (r->map)
		munmap(r->map, r->count * ring_bytes(r));
	r->map = NULL;
	close_fdp(&r->fd);
}

void relay_region(const struct relay *r, struct vhost_user_region *ret)
{
	*ret = (struct vhost_user_region){ REGION_GPA, r->count * ring_bytes(r), r->map, r->fd };
}

int relay_init(struct relay *r, struct virtio_dev *dev, unsigned count, uint16_t size_max,
	       void (*called)(void *opaque, unsigned q), void *opaque)
{
	*r = (struct relay){ .dev = dev, .count = count, .size_max = size_max, .called = called,
			     .opaque = opaque, .fd = -1 };
	for (unsigned i = 0; i < count; i++) {
		r->q[i].kick = r->q[i].call = -1;
		r->q[i].list = calloc(size_max + 1u, sizeof(r->q[i].list[0]));
		if (!r->q[i].list)
			return -ENOMEM;
		clear_list(r, &r->q[i]);
	}
	return 0;
}

void relay_fini(struct relay *r)
{
	relay_close(r);
	for (unsigned i = 0; i < r->count; i++) {
		free(r->q[i].list);
		r->q[i].list = NULL;
	}
}

/* --- requests --- */

static void put(struct relay_queue *q, uint16_t size, uint16_t head)
{
	put_le16(q->avail + 4 + 2u * (q->next_avail % size), head);
	shared_put16(q->avail + 2, ++q->next_avail);
}

void relay_begin(struct relay *r, unsigned i, struct vhost_user_ring *ret)
{
	const struct virtq *guest = &r->dev->q[i];
	struct relay_queue *q = &r->q[i];

	memset(q->avail, 0, ring_bytes(r));
	q->next_avail = q->next_used = 0;
	for (uint16_t h = q->list[r->size_max].next; h != r->size_max; h = q->list[h].next)
		put(q, guest->size, h);
	q->runs = true;
	*ret = (struct vhost_user_ring){ .size = guest->size, .avail = q->avail, .used = q->used,
					 .kick = q->kick, .call = q->call };
}

void relay_end(struct relay *r, unsigned i)
{
	r->q[i].runs = false;
}

int relay_give(struct relay *r, unsigned i, uint16_t head)
{
	struct relay_queue *q = &r->q[i];

	if (q->list[head].listed) {
		virtio_broken(r->dev, "a chain is available twice");
		return -EPROTO;
	}
	put_on_list(r, q, head);
	if (q->runs)
		put(q, r->dev->q[i].size, head);
	return 0;
}

void relay_kick(const struct relay *r, unsigned i)
{
	const struct relay_queue *q = &r->q[i];

	if (!q->runs)
		return;
	shared_fence();
	if (!(shared_get16(q->used) & VRING_USED_F_NO_NOTIFY))
		(void)eventfd_write(q->kick, 1);
}

/* The next that came, of how many there are. -EBADMSG: none that was given. */
static int next_used(struct relay *r, unsigned i, uint16_t *ret_head, uint32_t *ret_written)
{
	struct relay_queue *q = &r->q[i];
	uint16_t size = r->dev->q[i].size;
	uint8_t elem[8];

	memcpy(elem, q->used + 4 + 8u * (q->next_used % size), sizeof(elem));
	if (get_le32(elem) >= size || !q->list[get_le32(elem)].listed)
		return -EBADMSG;
	*ret_head = (uint16_t)get_le32(elem);
	*ret_written = get_le32(elem + 4);
	q->next_used++;
	return 0;
}

static int count_used(const struct relay_queue *q, uint16_t *ret)
{
	*ret = q->runs ? (uint16_t)(shared_get16(q->used + 2) - q->next_used) : 0;
	return *ret > q->given ? -EBADMSG : 0;
}

int relay_take_back(struct relay *r, unsigned i)
{
	struct virtq_head head = { .entries = 1 };
	uint16_t n, done = 0;
	uint32_t written = 0;
	int code = count_used(&r->q[i], &n), lie = code;

	while (code == 0 && done < n) {
		lie = next_used(r, i, &head.id, &written);
		if (lie < 0)
			break;
		code = virtq_put(r->dev, i, &head, written);
		if (code < 0) /* nothing of ours need be left now */
			return code;
		relay_strike(r, i, head.id);
		done++;
	}
	if (done) {
		code = virtq_publish(r->dev, i);
		if (code < 0)
			return code;
		virtq_flush(r->dev, i);
	}
	return lie;
}

int relay_discard(struct relay *r, unsigned i)
{
	uint16_t n, head = 0;
	uint32_t written;
	int code = count_used(&r->q[i], &n);

	for (; code == 0 && n; n--) {
		code = next_used(r, i, &head, &written);
		if (code == 0)
			relay_strike(r, i, head);
	}
	return code;
}

void relay_hush(const struct relay *r)
{
	for (unsigned i = 0; i < r->count; i++)
		if (r->q[i].call >= 0)
			(void)irqfd_drain(r->q[i].call);
}
