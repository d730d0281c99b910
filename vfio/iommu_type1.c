// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The container and group interface, type1v2: v2 because v1 lets an unmap take
 * half of a mapping and leaves the caller guessing.
 */
#include "vfio/iommu.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/uapi.h"
#include "vfio/info_cap.h"

struct type1 {
	struct iommu iommu;
	int fd; /* the container; borrowed */
	unsigned groups;
	unsigned maps; /* that there are */
};

/* --- one typed function per request --- */

static int get_group_status(int group_fd, struct vfio_group_status *ret)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int r = sys_ioctl(group_fd, VFIO_GROUP_GET_STATUS, &status);

	if (r < 0)
		return r;
	*ret = status;
	return 0;
}

static int group_set_container(int group_fd, int container_fd)
{
	int r = sys_ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container_fd);

	return r < 0 ? r : 0;
}

static int set_iommu(int container_fd, unsigned long type)
{
	int r = VALUE_IOCTL(container_fd, VFIO_SET_IOMMU, type);

	return r < 0 ? r : 0;
}

/* The answer with its capabilities, to be freed. */
static int get_info(int container_fd, struct vfio_iommu_type1_info **ret)
{
	struct vfio_iommu_type1_info ask = { 0 };
	void *info = NULL;
	int r = info_get(container_fd, VFIO_IOMMU_GET_INFO, &ask, sizeof(ask), &info);

	if (r < 0)
		return r;
	*ret = info;
	return 0;
}

static int type1_map(struct iommu *iommu, iova_t iova, uint64_t size, void *hva, bool write)
{
	struct type1 *t = container_of(iommu, struct type1, iommu);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | (write ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)hva,
		.iova = iova,
		.size = size,
	};
	int r = sys_ioctl(t->fd, VFIO_IOMMU_MAP_DMA, &map);

	if (r < 0)
		return r;
	t->maps++;
	return 0;
}

static int type1_unmap(struct iommu *iommu, iova_t iova, uint64_t size)
{
	struct type1 *t = container_of(iommu, struct type1, iommu);
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};
	int r = sys_ioctl(t->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);

	if (r < 0)
		return r;
	t->maps--;
	return 0;
}

static void type1_free(struct iommu *iommu)
{
	free(container_of(iommu, struct type1, iommu));
}

static const struct iommu_ops type1_ops = {
	.name = "type1v2",
	.map = type1_map,
	.unmap = type1_unmap,
	.free = type1_free,
};

/* --- the address space --- */

int iommu_type1_new(int container_fd, struct iommu **ret, struct err *err)
{
	int version = VALUE_IOCTL(container_fd, VFIO_GET_API_VERSION, 0);
	struct type1 *t;

	if (version < 0)
		return err_set(err, version, "the VFIO container does not answer");
	if (version != VFIO_API_VERSION)
		return err_plain(err, -EINVAL, "the kernel's VFIO has API version %d, not %d",
				 version, VFIO_API_VERSION);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(err, -ENOMEM, "cannot open an I/O address space");
	t->iommu.ops = &type1_ops;
	t->fd = container_fd;
	*ret = &t->iommu;
	return 0;
}

/* The usable ranges. Older kernels (before 5.4) have no such capability: none, and no check. */
static int read_ranges(struct iommu *iommu, const struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_cap_iova_range cap;
	int off = info_cap_find(info, info->argsz, info->cap_offset,
				VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(cap));

	if (off <= 0)
		return off;
	memcpy(&cap, (const char *)info + off, sizeof(cap));
	if (cap.nr_iovas > (info->argsz - (size_t)off - sizeof(cap)) / sizeof(cap.iova_ranges[0]))
		return -EPROTO;
	for (uint32_t i = 0; i < cap.nr_iovas && i < IOMMU_MAX_RANGES; i++) {
		struct vfio_iova_range r;

		memcpy(&r, (const char *)info + (size_t)off + sizeof(cap) + i * sizeof(r),
		       sizeof(r));
		if (r.end < r.start)
			return -EPROTO;
		/* A range of all 2^64 addresses loses its last page rather than its size. */
		if (r.start == 0 && r.end == UINT64_MAX)
			r.end -= 4096;
		iommu->ranges[iommu->nranges++] = (struct range){ r.start, r.end - r.start + 1 };
	}
	return 0;
}

static int read_limits(struct type1 *t)
{
	_cleanup_free_ struct vfio_iommu_type1_info *info = NULL;
	struct vfio_iommu_type1_info_dma_avail avail;
	int off, r = get_info(t->fd, &info);

	if (r < 0)
		return r;
	t->iommu.nranges = 0;
	t->iommu.max_maps = 0;
	if (info->flags & VFIO_IOMMU_INFO_PGSIZES)
		t->iommu.page_sizes = info->iova_pgsizes;
	if (!(info->flags & VFIO_IOMMU_INFO_CAPS))
		return 0;
	r = read_ranges(&t->iommu, info);
	if (r < 0)
		return r;
	off = info_cap_find(info, info->argsz, info->cap_offset, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
			    sizeof(avail));
	if (off <= 0)
		return off;
	memcpy(&avail, (const char *)info + off, sizeof(avail));
	t->iommu.max_maps = avail.avail + t->maps; /* the kernel says how many are left */
	return 0;
}

static int check_viable(int group_fd, unsigned number, struct err *err)
{
	struct vfio_group_status status;
	int r = get_group_status(group_fd, &status);

	if (r < 0)
		return err_set(err, r, "IOMMU group %u does not answer", number);
	if (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) {
		err_plain(err, -EBUSY, "IOMMU group %u is in use by another process", number);
		err_hint(
			err,
			"one virtual machine at a time can have a group; 'fuser -v /dev/vfio/%u' "
			      "shows who has it", number);
		return -EBUSY;
	}
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		err_plain(err, -EPERM,
			  "IOMMU group %u is not viable: a function in it is bound to a "
			  "host driver",
			  number);
		err_hint(err,
			 "'thruway groups %u' shows which; bind the whole group with "
			 "'thruway bind --group'",
			 number);
		return -EPERM;
	}
	return 0;
}

static int first_group(struct type1 *t, unsigned number, struct err *err)
{
	int r = set_iommu(t->fd, VFIO_TYPE1v2_IOMMU);

	if (r == -EPERM) {
		err_set(err, r,
			"IOMMU group %u: the host has no interrupt remapping, so a device could "
			"forge interrupts",
			number);
		return err_hint(err,
				"enable it in the firmware (VT-d or AMD-Vi with x2APIC) and do not "
				"boot with intremap=off");
	}
	/* Asked for the reason alone: a start can do without the question. */
	if (r < 0 && VALUE_IOCTL(t->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
		err_plain(err, -ENODEV, "the kernel's VFIO has no type1v2 IOMMU driver");
		return err_hint(err, "load it: modprobe vfio_iommu_type1");
	}
	if (r < 0)
		return err_set(err, r, "IOMMU group %u: the IOMMU cannot be given to userspace",
			       number);
	return 0;
}

/* After each group: the next one may be behind another IOMMU, or have regions reserved. */
static int limits_with(struct type1 *t, unsigned number, struct err *err)
{
	int r = read_limits(t);

	return r < 0 ? err_set(err, r, "IOMMU group %u: cannot read the IOMMU's limits", number) : 0;
}

static void unset_container(int group_fd)
{
	(void)VALUE_IOCTL(group_fd, VFIO_GROUP_UNSET_CONTAINER, 0);
}

int iommu_type1_add_group(struct iommu *iommu, int group_fd, unsigned number, struct err *err)
{
	struct type1 *t = container_of(iommu, struct type1, iommu);
	int r = check_viable(group_fd, number, err);

	if (r < 0)
		return r;
	r = group_set_container(group_fd, t->fd);
	/* A group of another domain joins by re-attaching; EINVAL also: somebody was faster. */
	if (r == -EBUSY || (r == -EINVAL && !t->groups))
		return err_set(err, r, "IOMMU group %u is in use by another process", number);
	if (r < 0)
		return err_set(err, r,
			       "IOMMU group %u cannot share an I/O address space with the others",
			       number);
	if (!t->groups)
		r = first_group(t, number, err);
	if (r == 0)
		r = limits_with(t, number, err);
	if (r < 0) {
		unset_container(group_fd);
		return r;
	}
	t->groups++;
	return 0;
}

/* With the last one the kernel forgets the IOMMU and every mapping. */
void iommu_type1_del_group(struct iommu *iommu, int group_fd)
{
	struct type1 *t = container_of(iommu, struct type1, iommu);

	unset_container(group_fd);
	t->groups--;
}

int iommu_type1_device_fd(int group_fd, const char *bdf, const char *token, int *ret_fd,
			  struct err *err)
{
	char arg[96];
	int fd;

	/* The kernel's syntax for a driver that wants the VF token. */
	if (token && token[0])
		snprintf(arg, sizeof(arg), "%s vf_token=%s", bdf, token);
	else
		snprintf(arg, sizeof(arg), "%s", bdf);
	fd = sys_ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, arg);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	err_set(err, fd, "cannot open %s", bdf);
	if (fd == -EACCES && token && token[0])
		return err_hint(err, "this is not the VF token its physical function was opened with");
	if (fd == -EACCES || (fd == -EPERM && !(token && token[0])))
		return err_hint(err, "its physical function is bound to VFIO: give the VF token "
				     "(--device %s,token=UUID)", bdf);
	if (fd == -EINVAL && token && token[0])
		return err_hint(err, "the kernel takes no VF token for it: its physical function is "
				     "not bound to VFIO");
	if (fd == -EBUSY)
		return err_hint(err, "another virtual machine has it; 'fuser -v /dev/vfio/*' shows which process");
	if (fd == -ENODEV)
		return err_hint(err, "it is not bound to a VFIO driver: thruway bind %s", bdf);
	if (fd == -EAGAIN)
		return err_hint(err,
				"it could not be reset, something else holds its lock: try again");
	return fd;
}
