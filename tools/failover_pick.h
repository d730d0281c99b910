/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VF a guest's network device gets: the one that was named, or a free one. */
#ifndef TOOLS_FAILOVER_PICK_H
#define TOOLS_FAILOVER_PICK_H

#include <stdbool.h>
#include <sys/types.h>

#include "tools/failover_vf.h"

struct failover_want {
	const char *vf;	    /* a device's name, "pool:NAME" or "auto"; borrowed, as the next */
	const char *bridge; /* of the standby, or its tap or macvtap; "": another process has it */
	bool macvtap;	    /* that is one */
	bool no_own;	    /* the standby's own card does not take MACs from its VFs: none of it */
	bool bind;	    /* to its VFIO driver first */
	unsigned force, lock_timeout_s;
	int near_node; /* of the host: the nearest of several; -1: all the same */
	ino_t wanted_back[16]; /* the last ones that failover_pick_wanted_back() told of */
	unsigned next_back;
};

/* The host has unbound it from its VFIO driver: one of several is not bound again here. */
void failover_pick_wanted_back(int root, struct failover_want *want, struct bdf bdf);

/* One that is named is there from the start, or the guest does not start. */
bool failover_pick_named(const struct failover_want *want);

/*
 * Promise it to this process (a lease), and bind it where wanted, in a change that ends with
 * this process. Of several the standby's own card's are the last (own_uplink), and are none for a macvtap, whose
 * card has its MAC for itself all the time. 0; -EBUSY: taken, or of a pool none is free; -ENODEV, -EINVAL and what binding
 * gives, with err set.
 */
int failover_pick(int root, const struct failover_want *want, struct failover_vf *ret,
		  struct err *err);

/* The lease ends. What was changed is the journal's to put back. */
void failover_pick_release(int root, const struct failover_want *want, struct failover_vf *vf);

#endif
