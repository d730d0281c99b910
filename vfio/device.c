// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/device.h"

#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/uapi.h"

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

const char *vfio_reset_word(enum vfio_reset kind)
{
	switch (kind) {
	case VFIO_RESET_FLR: return "flr";
	case VFIO_RESET_AF_FLR: return "af_flr";
	case VFIO_RESET_PM: return "pm";
	case VFIO_RESET_FUNCTION: return "function";
	case VFIO_RESET_BUS: return "bus";
	case VFIO_RESET_NONE: break;
	}
	return "none";
}

int vfio_device_reset(const struct vfio_device *dev)
{
	int r = dev->can_reset ? VALUE_IOCTL(dev->fd, VFIO_DEVICE_RESET, 0) : -EOPNOTSUPP;

	return r < 0 ? r : 0;
}
