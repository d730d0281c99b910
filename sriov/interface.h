/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the one network interface of a function has from its host, and a driver that comes
 * back knows nothing of: the journal rows
 *
 *	"ifname"  its name
 *	"mtu"     its MTU
 *
 * Its MAC is sriov/address.h's, whether it is up is "link" (sriov/numvfs.h).
 */
#ifndef SRIOV_INTERFACE_H
#define SRIOV_INTERFACE_H

#include "base/journal.h"
#include "sriov/pf.h"

extern const struct step_ops ifname_step_ops;
extern const struct step_ops mtu_step_ops;

/* The interface of the device dev. 0; -ENODEV: it has none now; other -errno. */
int interface_find(int root, const char *dev, char ret[PF_NAME_MAX]);

/*
 * The same once udev is done with it: one that has just appeared may be renamed under the
 * feet of who writes by its name.
 */
int interface_find_settled(int root, const char *dev, char ret[PF_NAME_MAX]);

#endif
