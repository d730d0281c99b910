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

/* Which kind of reset was done. */
enum vfio_reset { VFIO_RESET_NONE, VFIO_RESET_FUNCTION, VFIO_RESET_BUS };

/*
 * Reset ladder: the function alone when it has a real function reset (flr), else
 * its whole bus when all that hangs on it is in groups[], else whatever the
 * function has (a power cycle to D3 and back). Bus mastering must be off. The
 * kind in *ret_kind if not NULL. -EOPNOTSUPP: there is no way.
 */
int vfio_device_reset(struct vfio_device *dev, bool flr, const struct vfio_group_ref *groups,
		      unsigned ngroups, enum vfio_reset *ret_kind);

#endif
