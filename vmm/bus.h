/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who answers at which guest address: one bus for port I/O, one for MMIO.
 *
 * Nothing here locks: every call is made with the device lock (vm_lock()) held,
 * so a handler may add and remove regions, its own included.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdint.h>

#include "base/err.h"

struct bus;

struct bus_ops {
	/* off counts from the region's start; len is 1..8 and may be unaligned; data is little-endian. */
	void (*read)(void *opaque, uint64_t off, uint8_t *data, unsigned len);
	void (*write)(void *opaque, uint64_t off, const uint8_t *data, unsigned len);
};

struct bus *bus_new(void);
struct bus *bus_free(struct bus *bus);

/*
 * Claim [base, base+size). -EEXIST when it overlaps another region (named in
 * err), -EINVAL for an empty or wrapping range, -ENOMEM. name, ops and opaque
 * are borrowed until bus_remove().
 */
int bus_add(struct bus *bus, uint64_t base, uint64_t size, const char *name,
	    const struct bus_ops *ops, void *opaque, struct err *err);

/* Give up the region that starts at base; harmless when there is none. */
void bus_remove(struct bus *bus, uint64_t base);

/*
 * A guest access. What nobody claims, or what leaves the region it starts in,
 * reads all-ones and writes nothing.
 */
void bus_read(struct bus *bus, uint64_t addr, uint8_t *data, unsigned len);
void bus_write(struct bus *bus, uint64_t addr, const uint8_t *data, unsigned len);

#endif
