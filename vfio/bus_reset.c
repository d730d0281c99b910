// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/bus_reset.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/uapi.h"

#define MAX_HIT 256

int bus_reset_get(const struct vfio_device *dev, struct bus_reset **ret)
{
	size_t size = sizeof(struct vfio_pci_hot_reset_info) +
		      MAX_HIT * sizeof(struct vfio_pci_dependent_device);
	_cleanup_free_ struct vfio_pci_hot_reset_info *info = calloc(1, size);
	struct bus_reset *bus;
	int r;

	if (!info)
		return -ENOMEM;
	info->argsz = (uint32_t)size;
	r = sys_ioctl(dev->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
	if (r < 0)
		return r;
	if (!info->count || info->count > MAX_HIT)
		return -EPROTO;
	bus = calloc(1, sizeof(*bus) + info->count * sizeof(bus->hit[0]));
	if (!bus)
		return -ENOMEM;
	bus->count = info->count;
	for (unsigned i = 0; i < bus->count; i++) {
		const struct vfio_pci_dependent_device *d = &info->devices[i];

		bus->hit[i].group = d->group_id;
		bus->hit[i].bdf = (struct bdf){ d->segment, d->bus, d->devfn >> 3, d->devfn & 7 };
	}
	*ret = bus;
	return 0;
}

static int fd_of(unsigned number, const struct vfio_group_ref *groups, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (groups[i].number == number)
			return groups[i].fd;
	return -1;
}

const struct bdf *bus_reset_foreign(const struct bus_reset *bus, const struct vfio_group_ref *groups,
			      unsigned ngroups)
{
	for (unsigned i = 0; i < bus->count; i++)
		if (fd_of(bus->hit[i].group, groups, ngroups) < 0)
			return &bus->hit[i].bdf;
	return NULL;
}

static bool holds(const int32_t *fds, unsigned n, int fd)
{
	while (n--)
		if (fds[n] == fd)
			return true;
	return false;
}

/* Every group once: the kernel wants no descriptor twice and none that is not affected. */
int bus_reset_do(const struct vfio_device *dev, const struct bus_reset *bus,
		 const struct vfio_group_ref *groups, unsigned ngroups)
{
	_cleanup_free_ struct vfio_pci_hot_reset *req =
		calloc(1, sizeof(*req) + bus->count * sizeof(req->group_fds[0]));
	int r;

	if (!req)
		return -ENOMEM;
	for (unsigned i = 0; i < bus->count; i++) {
		int fd = fd_of(bus->hit[i].group, groups, ngroups);

		if (fd < 0)
			return -EPERM;
		if (!holds(req->group_fds, req->count, fd))
			req->group_fds[req->count++] = fd;
	}
	req->argsz = (uint32_t)(sizeof(*req) + req->count * sizeof(req->group_fds[0]));
	r = sys_ioctl(dev->fd, VFIO_DEVICE_PCI_HOT_RESET, req);
	return r < 0 ? r : 0;
}
