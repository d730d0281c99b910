/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handing out functions for a time. All of it happens under the journal's lock, so that
 * a function is not promised while a change takes it away, nor to two at once.
 */
#ifndef HOST_LEASE_H
#define HOST_LEASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"
#include "base/err.h"
#include "vfio/lease.h"

struct lease_request {
	const struct bdf *among; /* borrowed; the first is taken where nothing else decides */
	size_t count;
	const char *what; /* for messages: "VFs of eth0" */
	int near_node;	  /* the nearer ones first; -1: all the same */
	pid_t holder;	  /* 0: none, ttl_s only */
	unsigned ttl_s;	  /* 0: until the holder dies */
	bool give;	  /* the group's node belongs to: */
	unsigned uid, gid;
	unsigned lock_timeout_s;
};

/*
 * Take the best of them: not leased, not used by this host or a process, no member of its
 * IOMMU group leased; of these the nearest, then those bound to a VFIO driver (the others
 * are left out with `give`), then the first. 0; -EBUSY: all are taken, and by whom;
 * -ESRCH: the holder is dead; other -errno, err set.
 */
int lease_take(int root, const struct lease_request *req, struct lease *ret, struct err *err);

/*
 * End a lease and give its node back. 0; -ENOENT: there is none; -EBUSY: the device is
 * open, or the holder lives and is none of ours, unless `force`; err set.
 */
int lease_release(int root, struct bdf bdf, bool force, unsigned lock_timeout_s, struct err *err);

/*
 * Clear away the leases that are over, and give their nodes back. *ret_count of them. What
 * an ordinary user may not do is left. 0 or -errno with err set.
 */
int lease_reap(int root, unsigned lock_timeout_s, unsigned *ret_count, struct err *err);

/*
 * The members of a pool of /etc/thruway, malloced, in order of their addresses. 0; -ENOENT:
 * no device is in it, err names the pools there are.
 */
int lease_pool(int root, const char *name, struct bdf **ret, size_t *ret_count, struct err *err);

#endif
