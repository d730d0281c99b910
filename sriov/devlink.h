/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mode of a card's embedded switch, by devlink (generic netlink), and the journal row
 *
 *	"eswitch"  "legacy" or "switchdev"; dev is the PF
 *
 * Silent but for the row, which speaks.
 */
#ifndef SRIOV_DEVLINK_H
#define SRIOV_DEVLINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"
#include "base/journal.h"

enum devlink_eswitch { DEVLINK_LEGACY, DEVLINK_SWITCHDEV }; /* the kernel's numbers */

/* "legacy" or "switchdev". */
const char *devlink_eswitch_word(enum devlink_eswitch mode);

/*
 * bus and dev are devlink's handle: "pci" and an address, "netdevsim" and "netdevsim1".
 * 0; -EOPNOTSUPP: the driver has no devlink or no such modes; other -errno.
 */
int devlink_eswitch_get(const char *bus, const char *dev, enum devlink_eswitch *ret);
int devlink_eswitch_set(const char *bus, const char *dev, enum devlink_eswitch mode);

/* The mode in the kernel's answer. 0; -EOPNOTSUPP: none is told; -EBADMSG: malformed. */
int devlink_eswitch_parse(const void *msg, size_t len, enum devlink_eswitch *ret);

/*
 * Whether this driver changes modes only while it has VFs that no driver is bound to:
 * mlx5 (its firmware wants the functions enabled). The others want none to exist.
 */
bool devlink_eswitch_after_vfs(const char *driver);

extern const struct step_ops eswitch_step_ops;

#endif
