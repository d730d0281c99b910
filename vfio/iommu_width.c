// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/iommu_width.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hostfs.h"

/* VT-d's capability register: the maximum guest address width, and the page-table depths it walks. */
#define CAP_MGAW(cap)  ((unsigned)((cap) >> 16 & 0x3f) + 1)
#define CAP_SAGAW(cap) ((unsigned)((cap) >> 8 & 0x1f))

static unsigned intel_width(uint64_t cap)
{
	unsigned width = CAP_MGAW(cap), tables = 30;

	for (unsigned level = 0; level < 5; level++) {
		if (CAP_SAGAW(cap) & 1u << level)
			tables = 30 + 9 * level;
	}
	return width < tables ? width : tables;
}

/* AMD's extended features: host address translation levels, 4 to 6 of 9 bits above 12. */
static unsigned amd_width(uint64_t features)
{
	unsigned levels = 4 + (unsigned)(features >> 10 & 3);

	return levels >= 6 ? 64 : 12 + 9 * levels;
}

unsigned iommu_width_parse(const char *text, bool amd)
{
	const char *second = amd ? strchr(text, ':') : NULL;

	/* AMD's file has the second feature register in front: "0:29d7". */
	return amd ? amd_width(strtoull(second ? second + 1 : text, NULL, 16)) :
		     intel_width(strtoull(text, NULL, 16));
}

unsigned iommu_width_of(int root, struct bdf bdf)
{
	static const char *const files[] = { "intel-iommu/cap", "amd-iommu/features" };
	char text[64];

	for (unsigned amd = 0; amd < 2; amd++)
		if (hostfs_read(root, text, sizeof(text), "sys/bus/pci/devices/%s/iommu/%s",
				BDF_STR(bdf), files[amd]) > 0)
			return iommu_width_parse(text, amd);
	return 0;
}
