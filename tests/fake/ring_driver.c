// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/ring_driver.h"

#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/le.h"
#include "base/shared.h"
#include "vmm/mem.h"

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define WRAP  (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

void rd_init(struct ring_driver *d, const struct mem *mem, uint64_t features, unsigned size)
{
	*d = (struct ring_driver){
		.packed = has(features, VIRTIO_F_RING_PACKED),
		.event_idx = has(features, VIRTIO_RING_F_EVENT_IDX),
		.indirect = has(features, VIRTIO_RING_F_INDIRECT_DESC),
		.size = size,
		.room = size,
		.desc = gmem_ptr(mem, RD_DESC, 16 * size),
		.avail = gmem_ptr(mem, RD_AVAIL, 6 + 2 * size),
		.used = gmem_ptr(mem, RD_USED, 6 + 8 * size),
		.tables = gmem_ptr(mem, RD_TABLES, 16 * RD_SEGS_MAX * size),
		.buffers = gmem_ptr(mem, RD_BUFFERS, RD_SEG_LEN * RD_SEGS_MAX * size),
		.avail_wrap = true,
		.used_wrap = true,
	};
	memset(d->desc, 0, 16 * size);
	memset(d->avail, 0, 6 + 2 * size);
	memset(d->used, 0, 6 + 8 * size);
	for (unsigned i = 0; i < size; i++)
		d->free_desc[i] = (uint16_t)i;
}

uint8_t *rd_buffer(const struct ring_driver *d, unsigned request, unsigned k)
{
	return d->buffers + (request * RD_SEGS_MAX + k) * RD_SEG_LEN;
}

static uint64_t buffer_gpa(unsigned request, unsigned k)
{
	return RD_BUFFERS + (request * RD_SEGS_MAX + k) * (uint64_t)RD_SEG_LEN;
}

/* All but the last two bytes of a packed one, which make it available. */
static void put_desc(uint8_t *at, uint64_t addr, uint32_t len, uint16_t third)
{
	put_le64(at, addr);
	put_le32(at + 8, len);
	put_le16(at + 12, third);
}

/* --- packed --- */

static void step(const struct ring_driver *d, uint16_t *at, bool *wrap, unsigned n)
{
	unsigned next = *at + n;

	if (next >= d->size) {
		next -= d->size;
		*wrap = !*wrap;
	}
	*at = (uint16_t)next;
}

static uint16_t turn(bool wrap)
{
	return (uint16_t)(wrap ? AVAIL : USED);
}

static void fill_table(const struct ring_driver *d, unsigned request, unsigned nread, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		uint8_t *at = d->tables + 16 * (request * RD_SEGS_MAX + k);
		uint16_t write = k >= nread ? VRING_DESC_F_WRITE : 0;

		if (d->packed) {
			put_desc(at, buffer_gpa(request, k), RD_SEG_LEN, 0xdead);
			put_le16(at + 14, write);
		} else {
			put_desc(at, buffer_gpa(request, k), RD_SEG_LEN,
				 (uint16_t)(write | (k + 1 < n ? VRING_DESC_F_NEXT : 0)));
			put_le16(at + 14, (uint16_t)(k + 1));
		}
	}
}

static uint64_t table_gpa(unsigned request)
{
	return RD_TABLES + 16ull * request * RD_SEGS_MAX;
}

static void add_packed(struct ring_driver *d, unsigned request, unsigned nread, unsigned n, bool table)
{
	unsigned entries = table ? 1 : n;
	uint16_t at = d->next_avail, first = 0, id = d->request[request].id;
	bool wrap = d->avail_wrap;

	for (unsigned k = 0; k < entries; k++) {
		uint16_t flags = (uint16_t)(turn(wrap) | (k + 1 < entries ? VRING_DESC_F_NEXT : 0) |
					    (!table && k >= nread ? VRING_DESC_F_WRITE : 0) |
					    (table ? VRING_DESC_F_INDIRECT : 0));
		uint8_t *p = d->desc + 16 * at;

		/* The last of the chain has its name. */
		put_desc(p, table ? table_gpa(request) : buffer_gpa(request, k),
			 table ? 16 * n : RD_SEG_LEN, k + 1 < entries ? 0xbeef : id);
		if (k)
			shared_put16(p + 14, flags);
		else
			first = flags;
		step(d, &at, &wrap, 1);
	}
	shared_put16(d->desc + 16 * d->next_avail + 14, first);
	d->next_avail = at;
	d->avail_wrap = wrap;
}

static bool must_kick_packed(const struct ring_driver *d)
{
	uint32_t event = shared_get32(d->used);
	uint16_t at = event & (WRAP - 1), old = (uint16_t)(d->next_avail - d->added);

	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC)
		return event >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (!(event & WRAP) == d->avail_wrap)
		at = (uint16_t)(at - d->size);
	return vring_need_event(at, d->next_avail, old);
}

static bool used_packed(const struct ring_driver *d)
{
	uint16_t flags = shared_get16(d->desc + 16 * d->next_used + 14);

	return !(flags & AVAIL) == !d->used_wrap && !(flags & USED) == !d->used_wrap;
}

static bool wish_packed(struct ring_driver *d, enum rd_wish wish)
{
	uint16_t at = d->next_used;
	bool wrap = d->used_wrap;

	if (wish == RD_NEVER) {
		shared_put16(d->avail + 2, VRING_PACKED_EVENT_FLAG_DISABLE);
		return true;
	}
	if (d->event_idx && wish == RD_LATER)
		step(d, &at, &wrap, (d->size - d->room) * 3 / 4);
	if (d->event_idx)
		shared_put16(d->avail, (uint16_t)(at | (wrap ? WRAP : 0)));
	shared_put16(d->avail + 2, d->event_idx ? VRING_PACKED_EVENT_FLAG_DESC :
						   VRING_PACKED_EVENT_FLAG_ENABLE);
	shared_fence();
	return !used_packed(d);
}

/* --- split --- */

static unsigned take_desc(struct ring_driver *d)
{
	unsigned i = d->free_desc[d->room - 1];

	d->room--;
	return i;
}

static void add_split(struct ring_driver *d, unsigned request, unsigned nread, unsigned n, bool table)
{
	unsigned entries = table ? 1 : n, i = take_desc(d), next = 0;
	uint8_t *slot = d->avail + 4 + 2 * (d->next_avail % d->size);

	d->request[request].id = (uint16_t)i;
	put_le16(slot, (uint16_t)i);
	for (unsigned k = 0; k < entries; k++, i = next) {
		bool more = k + 1 < entries;

		next = more ? take_desc(d) : 0;
		put_desc(d->desc + 16 * i, table ? table_gpa(request) : buffer_gpa(request, k),
			 table ? 16 * n : RD_SEG_LEN,
			 (uint16_t)((more ? VRING_DESC_F_NEXT : 0) | (table ? VRING_DESC_F_INDIRECT : 0) |
				    (!table && k >= nread ? VRING_DESC_F_WRITE : 0)));
		put_le16(d->desc + 16 * i + 14, (uint16_t)next);
	}
	shared_put16(d->avail + 2, ++d->next_avail);
}

static bool must_kick_split(const struct ring_driver *d)
{
	if (!d->event_idx)
		return !(shared_get16(d->used) & VRING_USED_F_NO_NOTIFY);
	return vring_need_event(shared_get16(d->used + 4 + 8 * d->size), d->next_avail,
				(uint16_t)(d->next_avail - d->added));
}

static bool used_split(const struct ring_driver *d)
{
	return shared_get16(d->used + 2) != d->next_used;
}

static unsigned under_way(const struct ring_driver *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->size; i++)
		n += d->request[i].busy;
	return n;
}

static bool wish_split(struct ring_driver *d, enum rd_wish wish)
{
	uint16_t at = d->next_used;

	if (wish == RD_LATER)
		at = (uint16_t)(at + under_way(d) * 3 / 4);
	if (d->event_idx) /* who does not want any names one that is far */
		shared_put16(d->avail + 4 + 2 * d->size, wish == RD_NEVER ? (uint16_t)(at - 1) : at);
	else
		shared_put16(d->avail, wish == RD_NEVER ? VRING_AVAIL_F_NO_INTERRUPT : 0);
	shared_fence();
	return wish == RD_NEVER || !used_split(d);
}

static void free_split(struct ring_driver *d, unsigned i)
{
	uint16_t flags;

	do {
		flags = get_le16(d->desc + 16 * i + 12);
		d->free_desc[d->room++] = (uint16_t)i;
		i = get_le16(d->desc + 16 * i + 14);
	} while (flags & VRING_DESC_F_NEXT);
}

/* --- both --- */

int rd_add(struct ring_driver *d, unsigned nread, unsigned nwrite)
{
	unsigned n = nread + nwrite, request = 0;
	bool table = d->indirect && n > 1 && n <= d->size;
	unsigned entries = table ? 1 : n;

	while (request < d->size && d->request[request].busy)
		request++;
	if (request == d->size || entries > d->room)
		return -1;
	d->request[request].busy = true;
	d->request[request].entries = (uint16_t)entries;
	if (table)
		fill_table(d, request, nread, n);
	if (d->packed) {
		/* Any name will do. */
		d->request[request].id = (uint16_t)(request * 40503 + d->next_avail * 64);
		d->request[request].id = (uint16_t)((d->request[request].id & ~63u) | request);
		add_packed(d, request, nread, n, table);
		d->room -= entries;
	} else {
		add_split(d, request, nread, n, table);
	}
	d->added += d->packed ? entries : 1;
	return (int)request;
}

bool rd_must_kick(struct ring_driver *d)
{
	bool kick;

	shared_fence();
	kick = d->packed ? must_kick_packed(d) : must_kick_split(d);
	d->added = 0;
	return kick;
}

static int find(const struct ring_driver *d, uint32_t id)
{
	for (unsigned i = 0; i < d->size; i++)
		if (d->request[i].busy && d->request[i].id == id)
			return (int)i;
	return -2;
}

int rd_get(struct ring_driver *d, uint32_t *ret_len)
{
	const uint8_t *at = d->packed ? d->desc + 16 * d->next_used :
					d->used + 4 + 8 * (d->next_used % d->size);
	int request;

	if (!(d->packed ? used_packed(d) : used_split(d)))
		return -1;
	request = find(d, d->packed ? get_le16(at + 12) : get_le32(at));
	if (request < 0)
		return request;
	*ret_len = get_le32(at + (d->packed ? 8 : 4));
	d->request[request].busy = false;
	if (d->packed) {
		d->room += d->request[request].entries;
		step(d, &d->next_used, &d->used_wrap, d->request[request].entries);
	} else {
		free_split(d, d->request[request].id);
		d->next_used++;
	}
	return request;
}

bool rd_wish(struct ring_driver *d, enum rd_wish wish)
{
	return d->packed ? wish_packed(d, wish) : wish_split(d, wish);
}
