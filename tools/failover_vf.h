/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF that a guest's network device has as its primary: whether it is well, and its MAC. */
#ifndef TOOLS_FAILOVER_VF_H
#define TOOLS_FAILOVER_VF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"
#include "sriov/vf_attr.h"
#include "tools/failover_state.h"

struct failover_vf {
	bool have;
	struct bdf bdf, pf;
	unsigned index;	       /* among the PF's */
	bool has_own_mac;      /* the guest's is the one that it had before */
	bool own_uplink;       /* the standby's is this VF's PF, so that its MAC has to be off for that */
	struct vf_attrs attrs; /* as they are to be while the guest has it */
};

/* -EINVAL, -ENODEV with err set: it is no VF, or is not there. attrs is left empty. */
int failover_vf_describe(int root, struct bdf bdf, struct failover_vf *ret, struct err *err);

/* Reads only, and never waits for the kernel. WELL: bound, and its PF has a link. */
enum failover_fault failover_vf_look(int root, const struct failover_vf *vf);

/*
 * By its register; one that cannot be read may. One that a guest goes by and that may not has been reset with its PF, of
 * which the kernel saves and restores the PF's own registers, and tells nobody.
 */
bool failover_vf_may_do_dma(int root, const struct failover_vf *vf);

/* The MAC that its PF has for it; zero: none. 0 or -errno with err set. */
int failover_vf_mac(int root, const struct failover_vf *vf, uint8_t ret[6], struct err *err);

/*
 * Give it this MAC, in the journal as a change that ends with this process, and keep all its
 * attributes for failover_vf_ready(). 0 or -errno with err set (-EINVAL: another VF of the PF has
 * this MAC, or the PF itself; -EBUSY: another process has what this would change).
 */
int failover_vf_claim(int root, struct failover_vf *vf, const uint8_t mac[6],
		      unsigned lock_timeout_s, struct err *err);

/*
 * Its attributes were set by somebody while it was well: they are what it gets again, but for its MAC. Never waits
 * for the PF's lock.
 */
void failover_vf_note(int root, struct failover_vf *vf);

/* Before the guest gets it: what its PF's driver forgot, or we took from it. */
int failover_vf_ready(int root, const struct failover_vf *vf, struct err *err);

/*
 * While the guest does not have it: its MAC off, or the PF's switch keeps the guest's frames. Never waits for the
 * PF's lock. 0, also for one that is gone, or -errno with err set: its driver does not do that (-EIO: it says that it
 * does, and the MAC is as before).
 */
int failover_vf_rest(int root, const struct failover_vf *vf, struct err *err);

#endif
