// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/iommu_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"

#define GROUPS "sys/kernel/iommu_groups"

int iommu_group_regions(int root, int group, struct iommu_region *ret, unsigned max)
{
	char text[4096], *save = NULL;
	ssize_t r = hostfs_read(root, text, sizeof(text), GROUPS "/%d/reserved_regions", group);
	unsigned n = 0;

	if (r < 0)
		return (int)r;
	for (char *line = strtok_r(text, "\n", &save); line && n < max;
	     line = strtok_r(NULL, "\n", &save)) {
		struct iommu_region at;

		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %23s", &at.first, &at.last, at.kind) == 3)
			ret[n++] = at;
	}
	return (int)n;
}

char *iommu_group_type(int root, int group, char *buf, size_t size)
{
	if (hostfs_read(root, buf, size, GROUPS "/%d/type", group) < 0)
		buf[0] = '\0';
	return buf;
}
