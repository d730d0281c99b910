/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reset of all functions on a bus or in a slot at once (VFIO's hot reset), for those who have the
 * groups of all of them.
 */
#ifndef VFIO_BUS_RESET_H
#define VFIO_BUS_RESET_H

#include "base/bdf.h"
#include "vfio/device.h"

struct bus_reset {
	unsigned count;
	struct {
		unsigned group;
		struct bdf bdf; /* the kernel tells the low 16 bits of its domain */
	} hit[];
};

/*
 * Whom it would hit, dev among them; *ret to be freed. -ENODEV: the kernel knows no such reset for it;
 * -EPROTO: no answer that can be believed; -ENOMEM; other -errno.
 */
int bus_reset_get(const struct vfio_device *dev, struct bus_reset **ret);

/* The first of them whose group is not in groups[]; NULL: they are all there. */
const struct bdf *bus_reset_foreign(const struct bus_reset *bus, const struct vfio_group_ref *groups,
			      unsigned ngroups);

/* Their bus mastering must be off. 0; -EPERM: not all of them are there; other -errno. */
int bus_reset_do(const struct vfio_device *dev, const struct bus_reset *bus,
		 const struct vfio_group_ref *groups, unsigned ngroups);

#endif
