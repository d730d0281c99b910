/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To whom the node of an IOMMU group was given: by bind --owner, as the journal knows,
 * or for the time of a lease, which goes before that. For udev, which makes the node anew
 * when the group's devices come to their driver again.
 */
#ifndef HOST_NODE_OWNER_H
#define HOST_NODE_OWNER_H

#include <sys/types.h>

#include "base/err.h"

struct node_owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/*
 * 0; -ENOENT: to nobody, or the device it was given with is no longer there; other
 * -errno, err set. Takes no lock.
 */
int node_owner(int root, unsigned group, struct node_owner *ret, struct err *err);

#endif
