/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening VFIO's device nodes for somebody else: the supervisor opens, the VMM
 * uses. A group can be open once only, whoever holds it owns its devices.
 */
#ifndef VFIO_NODE_H
#define VFIO_NODE_H

#include <sys/types.h>

#include "base/err.h"

/* dev/vfio/vfio. -ENOENT: vfio is not loaded; -EACCES: not allowed. */
int vfio_container_open(int root, int *ret_fd, struct err *err);

/*
 * dev/vfio/GROUP for bdf. -EBUSY names the process that has it open, as far as
 * proc shows it; -ENOENT: nothing of the group is bound to a vfio driver;
 * -EACCES hints at `bind --owner`.
 */
int vfio_group_open(int root, unsigned group, const char *bdf, int *ret_fd, struct err *err);

/*
 * The first process that has dev/vfio/GROUP open, with its command name. 0, or
 * -ENOENT when none is visible to us (other users' processes are not, without root).
 */
int vfio_group_holder(int root, unsigned group, pid_t *ret_pid, char *comm, size_t comm_size);

#endif
