/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes that go away by themselves unless they are confirmed: for who may cut the
 * line by which they change the host.
 *
 * A process of its own makes the change and owns it in the journal. It waits in a
 * session of its own, without the caller's terminal, so the caller may be killed; when
 * it is killed itself, what it did is undone by the next thruway that changes something,
 * or recovers.
 */
#ifndef HOST_CONFIRM_H
#define HOST_CONFIRM_H

#include "base/err.h"
#include "host/spec_apply.h"

/*
 * Carry the plan out and return, leaving the process behind that undoes it after
 * `seconds`. While a VM or another process has one of the devices it waits on. 0 or
 * -errno: -EBUSY when an earlier change still waits for its confirmation.
 */
int confirm_apply(int root, const struct host_spec *hs, const char *command, unsigned seconds,
		  unsigned lock_timeout_s, struct err *err);

/* Let it stand. -ENOENT: nothing waits. */
int confirm_now(int root, unsigned lock_timeout_s, struct err *err);

/* -EBUSY, err set: a change waits to be confirmed. 0 also for who may not look. */
int confirm_check_none(int root, struct err *err);

#endif
