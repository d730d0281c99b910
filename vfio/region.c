// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/size.h"
#include "base/uapi.h"
#include "vfio/info_cap.h"

#define PAGE 4096u

_Static_assert(VFIO_REGION_ROM == VFIO_PCI_ROM_REGION_INDEX, "VFIO's number");
_Static_assert(VFIO_REGION_CONFIG == VFIO_PCI_CONFIG_REGION_INDEX, "VFIO's number");

static int add_area(struct vfio_region *region, uint64_t start, uint64_t size)
{
	uint64_t end = align_down(start + size, 4096);

	if (!range_contains((struct range){ 0, region->size }, (struct range){ start, size }))
		return -EPROTO;
	start = align_up(start, 4096);
	if (start >= end)
		return 0; /* less than a page of it: not worth a memory slot, trapped */
	if (region->nareas == VFIO_REGION_MAX_AREAS)
		return -E2BIG;
	region->areas[region->nareas++] = (struct range){ start, end - start };
	return 0;
}

static int read_sparse(struct vfio_region *region, const struct vfio_region_info *info, int off)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	size_t room = info->argsz - (size_t)off - sizeof(cap);

	memcpy(&cap, (const char *)info + off, sizeof(cap));
	if (cap.nr_areas > room / sizeof(cap.areas[0]))
		return -EPROTO;
	for (uint32_t i = 0; i < cap.nr_areas; i++) {
		struct vfio_region_sparse_mmap_area area;
		int r;

		memcpy(&area, (const char *)info + (size_t)off + sizeof(cap) + i * sizeof(area),
		       sizeof(area));
		/* The kernel answers with an empty area where nothing can be mapped. */
		r = area.size ? add_area(region, area.offset, area.size) : 0;
		if (r == -E2BIG)
			return 0; /* the rest is trapped */
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_caps(struct vfio_region *region, const struct vfio_region_info *info)
{
	int off = info_cap_find(info, info->argsz, info->cap_offset,
				VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
				sizeof(struct vfio_info_cap_header));

	if (off < 0)
		return off;
	region->msix_mappable = off > 0;
	off = info_cap_find(info, info->argsz, info->cap_offset, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
			    sizeof(struct vfio_region_info_cap_sparse_mmap));
	if (off < 0)
		return off;
	return off ? read_sparse(region, info, off) : add_area(region, 0, region->size);
}

/*
 * A BAR of less than a page can be mapped when the kernel has kept the rest of its page from
 * anybody else. With capabilities it holds the MSI-X table, which must be trapped.
 */
static bool has_page(const struct vfio_region_info *info)
{
	return info->size && info->size < PAGE && info->flags & VFIO_REGION_INFO_FLAG_MMAP &&
	       !(info->flags & VFIO_REGION_INFO_FLAG_CAPS);
}

static int parse(const struct vfio_region_info *info, struct vfio_region *ret)
{
	struct vfio_region region = { .index = info->index };
	int r = 0;

	if (!range_valid(info->offset, info->size))
		return -EPROTO;
	region.read = info->flags & VFIO_REGION_INFO_FLAG_READ;
	region.write = info->flags & VFIO_REGION_INFO_FLAG_WRITE;
	region.size = info->size;
	region.offset = info->offset;
	region.page = has_page(info);
	if (region.page)
		region.areas[region.nareas++] = (struct range){ 0, PAGE };
	else if (info->size && info->flags & VFIO_REGION_INFO_FLAG_MMAP)
		r = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? read_caps(&region, info)
							     : add_area(&region, 0, info->size);
	if (r == 0)
		*ret = region;
	return r;
}

int vfio_region_get(int dev_fd, uint32_t index, struct vfio_region *ret)
{
	struct vfio_region_info ask = { .index = index };
	_cleanup_free_ void *info = NULL;
	int r = info_get(dev_fd, VFIO_DEVICE_GET_REGION_INFO, &ask, sizeof(ask), &info);

	return r < 0 ? r : parse(info, ret);
}

/*
 * Address space of size bytes whose start is congruent to off modulo align: it is
 * taken larger than needed, and what is over is given back on both sides.
 */
static int reserve(uint64_t size, uint64_t off, uint64_t align, char **ret)
{
	uint64_t total = size + align, skip;
	char *base =
		mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	skip = (off - (uintptr_t)base) & (align - 1);
	if (skip)
		munmap(base, skip);
	if (total - skip > size)
		munmap(base + skip + size, total - skip - size);
	*ret = base + skip;
	return 0;
}

int vfio_region_map(int dev_fd, const struct vfio_region *region, struct range area, void **ret)
{
	int prot = (region->read ? PROT_READ : 0) | (region->write ? PROT_WRITE : 0);
	uint64_t align = region->size < GiB ? region->size : GiB;
	char *want = NULL;
	void *hva;
	int r;

	/* Below the smallest huge page any address is as good as another. */
	if (align >= 2 * MiB && is_pow2(align)) {
		r = reserve(area.size, area.start, align, &want);
		if (r < 0)
			return r;
	}
	hva = mmap(want, area.size, prot, MAP_SHARED | (want ? MAP_FIXED : 0), dev_fd,
		   (off_t)(region->offset + area.start));
	if (hva == MAP_FAILED) {
		r = -errno;
		if (want)
			munmap(want, area.size);
		return r;
	}
	*ret = hva;
	return 0;
}

static bool inside(const struct vfio_region *region, uint64_t off, unsigned len)
{
	return range_contains((struct range){ 0, region->size }, (struct range){ off, len });
}

int vfio_region_read(int dev_fd, const struct vfio_region *region, uint64_t off, void *buf,
		     unsigned len)
{
	ssize_t n = -1;

	errno = EFAULT;
	if (region->read && inside(region, off, len))
		n = pread(dev_fd, buf, len, (off_t)(region->offset + off));
	if (n == (ssize_t)len)
		return 0;
	memset(buf, 0xff, len);
	return n < 0 ? -errno : -EIO;
}

int vfio_region_write(int dev_fd, const struct vfio_region *region, uint64_t off, const void *buf,
		      unsigned len)
{
	ssize_t n = -1;

	errno = EFAULT;
	if (region->write && inside(region, off, len))
		n = pwrite(dev_fd, buf, len, (off_t)(region->offset + off));
	if (n == (ssize_t)len)
		return 0;
	return n < 0 ? -errno : -EIO;
}
