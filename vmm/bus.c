// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/range.h"

struct region {
	struct range range;
	const char *name;
	const struct bus_ops *ops;
	void *opaque;
};

struct bus {
	struct region *regions; /* by address */
	size_t count, space;
};

struct bus *bus_new(void)
{
	return calloc(1, sizeof(struct bus));
}

struct bus *bus_free(struct bus *bus)
{
	if (bus)
		free(bus->regions);
	free(bus);
	return NULL;
}

/* Index of the first region that ends after addr; count when there is none. */
static size_t find(const struct bus *bus, uint64_t addr)
{
	size_t low = 0, high = bus->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (range_last(bus->regions[mid].range) < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct bus *bus)
{
	size_t space = bus->space ? 2 * bus->space : 16;
	struct region *grown;

	if (bus->count < bus->space)
		return 0;
	grown = reallocarray(bus->regions, space, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	bus->regions = grown;
	bus->space = space;
	return 0;
}

int bus_add(struct bus *bus, uint64_t base, uint64_t size, const char *name,
	    const struct bus_ops *ops, void *opaque, struct err *err)
{
	struct range range = { base, size };
	size_t i;

	if (size == 0 || !range_valid(base, size))
		return err_plain(err, -EINVAL, "%s: no address range at 0x%llx of 0x%llx bytes",
				 name, (unsigned long long)base, (unsigned long long)size);
	i = find(bus, base);
	if (i < bus->count && range_overlaps(bus->regions[i].range, range))
		return err_plain(err, -EEXIST, "%s at 0x%llx overlaps %s at 0x%llx", name,
				 (unsigned long long)base, bus->regions[i].name,
				 (unsigned long long)bus->regions[i].range.start);
	if (make_room(bus) < 0)
		return err_set(err, -ENOMEM, "%s: cannot claim its addresses", name);
	memmove(&bus->regions[i + 1], &bus->regions[i],
		(bus->count - i) * sizeof(bus->regions[0]));
	bus->regions[i] = (struct region){ range, name, ops, opaque };
	bus->count++;
	return 0;
}

void bus_remove(struct bus *bus, uint64_t base)
{
	size_t i = find(bus, base);

	if (i == bus->count || bus->regions[i].range.start != base)
		return;
	bus->count--;
	memmove(&bus->regions[i], &bus->regions[i + 1],
		(bus->count - i) * sizeof(bus->regions[0]));
}

/* A copy, because a handler may add and remove regions. */
static bool lookup(const struct bus *bus, uint64_t addr, unsigned len, struct region *ret)
{
	size_t i = find(bus, addr);

	if (i == bus->count || !range_valid(addr, len) ||
	    !range_contains(bus->regions[i].range, (struct range){ addr, len }))
		return false;
	*ret = bus->regions[i];
	return true;
}

void bus_read(struct bus *bus, uint64_t addr, uint8_t *data, unsigned len)
{
	struct region r;

	memset(data, 0xff, len);
	if (lookup(bus, addr, len, &r))
		r.ops->read(r.opaque, addr - r.range.start, data, len);
}

void bus_write(struct bus *bus, uint64_t addr, const uint8_t *data, unsigned len)
{
	struct region r;

	if (lookup(bus, addr, len, &r))
		r.ops->write(r.opaque, addr - r.range.start, data, len);
}
