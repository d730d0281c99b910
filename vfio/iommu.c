// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/iommu.h"

#include <stddef.h>

struct iommu *iommu_free(struct iommu *iommu)
{
	if (iommu)
		iommu->ops->free(iommu);
	return NULL;
}

bool iommu_reaches(const struct iommu *iommu, iova_t iova, uint64_t size)
{
	struct range want = { iova, size };

	for (unsigned i = 0; i < iommu->nranges; i++)
		if (range_contains(iommu->ranges[i], want))
			return true;
	return iommu->nranges == 0;
}

iova_t iommu_limit(const struct iommu *iommu)
{
	iova_t last = 0;

	for (unsigned i = 0; i < iommu->nranges; i++)
		if (range_last(iommu->ranges[i]) > last)
			last = range_last(iommu->ranges[i]);
	return iommu->nranges == 0 || last == UINT64_MAX ? UINT64_MAX : last + 1;
}

struct range iommu_room(const struct iommu *iommu, iova_t start, iova_t end)
{
	struct range best = { start, iommu->nranges || end < start ? 0 : end - start };

	for (unsigned i = 0; i < iommu->nranges; i++) {
		struct range r = iommu->ranges[i];
		iova_t from = r.start > start ? r.start : start;
		iova_t to = range_last(r) < end ? range_last(r) + 1 : end;

		if (to > from && to - from > best.size)
			best = (struct range){ from, to - from };
	}
	return best;
}
