// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/dma.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/size.h"
#include "vfio/iommu.h"

struct mapping {
	struct mapping *next;
	struct range range;
	bool ram;
};

struct dma {
	struct iommu *iommu; /* borrowed, outlives us */
	struct mapping *maps;
	unsigned count;
	uint64_t ram;
};

struct dma *dma_new(struct iommu *iommu)
{
	struct dma *dma = calloc(1, sizeof(*dma));

	if (dma)
		dma->iommu = iommu;
	return dma;
}

struct dma *dma_free(struct dma *dma)
{
	if (!dma)
		return NULL;
	while (dma->maps)
		(void)dma_unmap(dma, dma->maps->range.start);
	free(dma);
	return NULL;
}

/* The refusals we can foresee. */
static int check(const struct dma *dma, struct range range)
{
	if (!range.size || !range_valid(range.start, range.size))
		return -EINVAL;
	for (const struct mapping *m = dma->maps; m; m = m->next)
		if (range_overlaps(m->range, range))
			return -EEXIST;
	if (!iommu_reaches(dma->iommu, range.start, range.size))
		return -EINVAL;
	if (dma->iommu->max_maps && dma->count >= dma->iommu->max_maps)
		return -ENOSPC;
	return 0;
}

static int map(struct dma *dma, struct range range, void *hva, bool ram)
{
	struct mapping *m;
	int r = check(dma, range);

	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	r = dma->iommu->ops->map(dma->iommu, range.start, range.size, hva, true);
	if (r < 0) {
		free(m);
		return r;
	}
	*m = (struct mapping){ .next = dma->maps, .range = range, .ram = ram };
	dma->maps = m;
	dma->count++;
	dma->ram += ram ? range.size : 0;
	return 0;
}

static int memlock_error(struct err *err, uint64_t need)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >= need)
		return err_set(err, -ENOMEM, "cannot pin %s of guest RAM for DMA", SIZE_STR(need));
	err_set(err, -ENOMEM,
		"cannot pin %s of guest RAM for DMA: the limit of locked memory is %s",
		SIZE_STR(need), SIZE_STR(limit.rlim_cur));
	err_hint(err,
		 "raise RLIMIT_MEMLOCK to %" PRIu64 " KiB at least (ulimit -l, LimitMEMLOCK=, or "
		 "limits.d)",
		 (need + 1023) / 1024);
	return -ENOMEM;
}

static int range_error(const struct iommu *iommu, const char *what, struct range range,
		       struct err *err)
{
	err_plain(err, -EINVAL,
		  "%s at 0x%" PRIx64 "-0x%" PRIx64 " is out of the IOMMU's reach", what,
		  range.start, range_last(range));
	for (unsigned i = 0; i < iommu->nranges; i++) {
		struct range r = iommu->ranges[i];

		if (r.start > range_last(range) || range_last(r) < range.start)
			continue;
		err_hint(err, "it reaches 0x%" PRIx64 "-0x%" PRIx64 ": give the guest less memory",
			 r.start, range_last(r));
	}
	err_hint(err, "it reaches addresses below 0x%" PRIx64, iommu_limit(iommu));
	return -EINVAL;
}

int dma_map_ram(struct dma *dma, iova_t iova, uint64_t size, void *hva, struct err *err)
{
	struct range range = { iova, size };
	int r = map(dma, range, hva, true);

	if (r >= 0)
		return 0;
	if (r == -ENOMEM)
		return memlock_error(err, dma->ram + size);
	if (r == -EINVAL && size && range_valid(iova, size) &&
	    !iommu_reaches(dma->iommu, iova, size))
		return range_error(dma->iommu, "guest RAM", range, err);
	if (r == -ENOSPC) {
		err_set(err, r, "the IOMMU takes no more than %u mappings", dma->count);
		return err_hint(err, "raise the dma_entry_limit parameter of vfio_iommu_type1");
	}
	return err_set(err, r, "cannot map guest RAM at 0x%" PRIx64 " (%s) for DMA", iova,
		       SIZE_STR(size));
}

int dma_check_reach(const struct dma *dma, const struct iommu *iommu, struct err *err)
{
	const struct mapping *first = NULL;

	for (const struct mapping *m = dma->maps; m; m = m->next)
		if (!iommu_reaches(iommu, m->range.start, m->range.size) &&
		    (!first || m->range.start < first->range.start))
			first = m;
	return !first ? 0 :
			range_error(iommu, first->ram ? "guest RAM" : "the memory of the guest's devices",
				    first->range, err);
}

int dma_map_device(struct dma *dma, iova_t iova, uint64_t size, void *hva)
{
	return map(dma, (struct range){ iova, size }, hva, false);
}

int dma_unmap(struct dma *dma, iova_t iova)
{
	for (struct mapping **p = &dma->maps; *p; p = &(*p)->next) {
		struct mapping *m = *p;
		int r;

		if (m->range.start != iova)
			continue;
		r = dma->iommu->ops->unmap(dma->iommu, m->range.start, m->range.size);
		*p = m->next;
		dma->count--;
		dma->ram -= m->ram ? m->range.size : 0;
		free(m);
		return r;
	}
	return -ENOENT;
}

unsigned dma_maps(const struct dma *dma)
{
	return dma->count;
}

uint64_t dma_ram(const struct dma *dma)
{
	return dma->ram;
}
