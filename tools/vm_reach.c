// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_reach.h"

#include <inttypes.h>
#include <stddef.h>

#include "base/size.h"
#include "vfio/iommu_width.h"
#include "vmm/layout.h"

#define HOLE (LAYOUT_HIGH_RAM - LAYOUT_LOW_RAM_END)

/* One past the last address of so much RAM that has nothing to go around but the machine's hole. */
static uint64_t ram_end(const struct mem_node *nodes, unsigned count)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < count; i++)
		end += nodes[i].size;
	return end > LAYOUT_LOW_RAM_END ? end + HOLE : end;
}

/* The device whose IOMMU maps least, and how far; NULL: none is known to be limited. */
static const struct bdf *narrowest(int root, const struct bdf *devices, unsigned count, uint64_t *ret_end)
{
	const struct bdf *which = NULL;
	unsigned least = 64;

	for (unsigned i = 0; i < count; i++) {
		unsigned width = iommu_width_of(root, devices[i]);

		if (!width || width >= least)
			continue;
		least = width;
		which = &devices[i];
	}
	if (which)
		*ret_end = 1ull << least;
	return which;
}

int vm_reach_refuse(int root, const struct mem_node *nodes, unsigned count, const struct bdf *devices,
		    unsigned ndevices, const struct err *no, struct err *err)
{
	uint64_t end = 0;
	const struct bdf *device = narrowest(root, devices, ndevices, &end);

	if (!device || ram_end(nodes, count) <= end) {
		if (err && !err->code)
			*err = *no;
		return no->code;
	}
	err_plain(err, no->code, "%s; besides, it does not fit below 0x%" PRIx64 ", where the addresses end "
				 "that the IOMMU of %s maps", no->text, end, BDF_STR(*device));
	return err_hint(err, "with this device the guest can have at most %s (--memory), and no more than the "
			     "host has", SIZE_STR(end > LAYOUT_HIGH_RAM ? end - HOLE : LAYOUT_LOW_RAM_END));
}
