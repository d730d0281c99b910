// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/device.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/uapi.h"

#define MAX_AFFECTED 256

int vfio_device_init(struct vfio_device *dev, int fd, const char *name, struct err *err)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int r;

	*dev = (struct vfio_device){ .fd = fd };
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	r = sys_ioctl(fd, VFIO_DEVICE_GET_INFO, &info);
	if (r < 0) {
		vfio_device_fini(dev);
		return err_set(err, r, "%s does not say what it is", name);
	}
	dev->pci = info.flags & VFIO_DEVICE_FLAGS_PCI;
	dev->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	dev->regions = info.num_regions;
	dev->irqs = info.num_irqs;
	if (!dev->pci || dev->regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		vfio_device_fini(dev);
		return err_plain(err, -ENODEV, "%s is not a PCI device", name);
	}
	return 0;
}

void vfio_device_fini(struct vfio_device *dev)
{
	close_fdp(&dev->fd);
}

static int reset_function(int fd)
{
	int r = VALUE_IOCTL(fd, VFIO_DEVICE_RESET, 0);

	return r < 0 ? r : 0;
}

/* Who a bus reset would hit: their groups' numbers, to be freed. */
static int affected_groups(int fd, unsigned **ret, unsigned *ret_n)
{
	size_t size = sizeof(struct vfio_pci_hot_reset_info) +
		      MAX_AFFECTED * sizeof(struct vfio_pci_dependent_device);
	_cleanup_free_ struct vfio_pci_hot_reset_info *info = calloc(1, size);
	_cleanup_free_ unsigned *numbers = NULL;
	int r;

	if (!info)
		return -ENOMEM;
	info->argsz = (uint32_t)size;
	r = sys_ioctl(fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
	if (r < 0)
		return r;
	if (!info->count || info->count > MAX_AFFECTED)
		return -EPROTO;
	numbers = calloc(info->count, sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	for (unsigned i = 0; i < info->count; i++)
		numbers[i] = info->devices[i].group_id;
	*ret = TAKE_PTR(numbers);
	*ret_n = info->count;
	return 0;
}

static int fd_of(unsigned number, const struct vfio_group_ref *groups, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (groups[i].number == number)
			return groups[i].fd;
	return -1;
}

static bool holds(const int32_t *fds, unsigned n, int fd)
{
	while (n--)
		if (fds[n] == fd)
			return true;
	return false;
}

/* Every group once: the kernel wants no descriptor twice and none that is not affected. */
static int reset_bus(int fd, const struct vfio_group_ref *groups, unsigned ngroups)
{
	_cleanup_free_ struct vfio_pci_hot_reset *req = NULL;
	_cleanup_free_ unsigned *numbers = NULL;
	unsigned n = 0;
	int r = affected_groups(fd, &numbers, &n);

	if (r < 0)
		return r;
	req = calloc(1, sizeof(*req) + n * sizeof(req->group_fds[0]));
	if (!req)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		int group_fd = fd_of(numbers[i], groups, ngroups);

		if (group_fd < 0)
			return -EPERM;
		if (!holds(req->group_fds, req->count, group_fd))
			req->group_fds[req->count++] = group_fd;
	}
	req->argsz = (uint32_t)(sizeof(*req) + req->count * sizeof(req->group_fds[0]));
	r = sys_ioctl(fd, VFIO_DEVICE_PCI_HOT_RESET, req);
	return r < 0 ? r : 0;
}

int vfio_device_reset(struct vfio_device *dev, bool flr, const struct vfio_group_ref *groups,
		      unsigned ngroups, enum vfio_reset *ret_kind)
{
	enum vfio_reset kind = VFIO_RESET_FUNCTION;
	int r = -EOPNOTSUPP;

	if (flr && dev->can_reset)
		r = reset_function(dev->fd);
	if (r < 0) {
		kind = VFIO_RESET_BUS;
		r = reset_bus(dev->fd, groups, ngroups);
	}
	if (r < 0 && !flr && dev->can_reset) {
		kind = VFIO_RESET_FUNCTION;
		r = reset_function(dev->fd);
	}
	if (r < 0)
		return r == -EPERM || r == -ENODEV ? -EOPNOTSUPP : r;
	if (ret_kind)
		*ret_kind = kind;
	return 0;
}
