/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who takes a node back from the user that it was given to with a lease. A lease that is over
 * means nothing to Thruway, whoever clears it away; but the kernel lets the node's owner open it.
 */
#ifndef HOST_LEASE_KEEPER_H
#define HOST_LEASE_KEEPER_H

#include "base/err.h"
#include "vfio/lease.h"

/*
 * Start a process that waits for the lease's end and then clears it away (lease_reap()). It
 * belongs to nobody's session and is no child of the caller, which may become another program.
 * If it is killed, the next command that looks at leases does its work. 0 or -errno, err set.
 */
int lease_keep(int root, const struct lease *lease, struct err *err);

#endif
