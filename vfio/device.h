/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open VFIO device: what it has, and how it is reset. */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <stdbool.h>

#include "base/err.h"

struct vfio_device {
	int fd;        /* owned */
	char name[20]; /* BDF */
	bool pci;
	bool can_reset; /* by FLR, PM or a device-specific way, of this function alone */
	unsigned regions, irqs;
};

/* A group of ours, as proof of ownership for a reset that hits several devices. */
struct vfio_group_ref {
	unsigned number;
	int fd;
};

/*
 * Read what the device behind fd is and take fd over (also on failure).
 * -ENODEV: not a PCI device.
 */
int vfio_device_init(struct vfio_device *dev, int fd, const char *name, struct err *err);

/* Closes: the kernel resets the function when it is the last descriptor. */
void vfio_device_fini(struct vfio_device *dev);

/*
 * How a function is reset. Where sysfs (reset_method) has a name for it, the word is that one.
 */
enum vfio_reset {
	VFIO_RESET_NONE,
	VFIO_RESET_FLR,
	VFIO_RESET_AF_FLR,
	VFIO_RESET_PM,	     /* from D3hot to D0 */
	VFIO_RESET_FUNCTION, /* one that the kernel knows for this function and VFIO does not name */
	VFIO_RESET_BUS,	     /* with all others on its bus or in its slot: vfio/bus_reset.h */
};
const char *vfio_reset_word(enum vfio_reset kind);

/*
 * The function alone. Bus mastering must be off. 0; -EOPNOTSUPP: it has no such reset; other -errno.
 */
int vfio_device_reset(const struct vfio_device *dev);

#endif
