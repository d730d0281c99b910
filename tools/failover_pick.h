/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which VF a guest's network device gets: the one that was named, or a free one. */
#ifndef TOOLS_FAILOVER_PICK_H
#define TOOLS_FAILOVER_PICK_H

#include <stdbool.h>
#include <sys/types.h>

#include "tools/failover_vf.h"

/* The last ones of which something is to be remembered, by what is never given twice in sysfs. */
struct vf_memory {
	ino_t vf[16];
	unsigned next;
};

struct failover_want {
	const char *vf;	    /* a device's name, "pool:NAME" or "auto"; borrowed, as the next */
	const char *bridge; /* of the standby, or its tap or macvtap; "": another process has it */
	bool macvtap;	    /* that is one */
	bool no_own;	    /* the standby's own card does not take MACs from its VFs: none of it */
	bool bind;	    /* to its VFIO driver first */
	unsigned force, lock_timeout_s;
	int near_node; /* of the host: the nearest of several; -1: all the same */
	/* Those that the host has unbound from their VFIO driver: of several they are not bound again here. */
	struct vf_memory wanted_back;
	struct vf_memory refused; /* those that could not be had although they look so: whoever searches empties it */
};

void failover_pick_remember(int root, struct vf_memory *memory, struct bdf bdf);

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

/* It is put back as well, for others to have it; what cannot be is warned of, and put back when this process ends. */
void failover_pick_give_up(int root, const struct failover_want *want, struct failover_vf *vf);

#endif
