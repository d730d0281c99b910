/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of vm_failover share: a network device of the guest, and what becomes of its VF. */
#ifndef TOOLS_VM_FAILOVER_INTERNAL_H
#define TOOLS_VM_FAILOVER_INTERNAL_H

#include <stdio.h>

#include "tools/failover_pick.h"
#include "tools/failover_state.h"
#include "tools/failover_vf.h"
#include "tools/vm_failover.h"
#include "tools/vm_nic.h"

struct hotplug;

#define FAILOVER_MS (FAILOVER_S / 1000)
/* Two changes that are nearer than that to each other are one for the network. */
#define FAILOVER_SETTLE (200 * FAILOVER_MS)

struct nic {
	unsigned index; /* of the guest's network devices */
	struct failover_want want;
	struct failover_vf vf;
	uint8_t mac[6];
	char tap[16]; /* of its standby, a port of a bridge; "": it has none */
	struct failover state;
	struct vmm_nic_state told;
	bool untold; /* the VMM was busy: it hears of it later */
	unsigned announced; /* of those that follow a change */
	uint64_t changed;   /* when it went over to the other device */
	uint64_t search;    /* for a VF: not before */
	bool owed;	    /* one that came too soon, and is made then */
	bool rests;	    /* the VF is without its MAC */
	char refusal[360];  /* why there is no VF, or it did not go in; "" */
};

struct vm_failover {
	int root;
	struct loop *loop; /* NULL: not started */
	const char *vm;	   /* borrowed */
	int sock, link_fd, timer;
	struct hotplug *hotplug;
	unsigned n;
	struct nic nic[HANDOVER_MAX_NICS];
};

/* Nanoseconds of the monotonic clock. */
uint64_t failover_now(void);

/* As much of a text as there is room for. */
static inline void failover_put(char *buf, size_t size, const char *text)
{
	snprintf(buf, size, "%.*s", (int)size - 1, text);
}

/* --- its VF (vm_failover_vf.c) --- */

/*
 * Before the guest: take the one that is named, or of several one that is free, and its MAC where opt has none. 0,
 * also when none of several is to be had, or -errno with err set.
 */
int nic_take_first(const struct vm_failover *f, struct nic *n, struct vm_opt_nic *opt, struct err *err);

/* Then give it the guest's MAC, in the journal, and let it rest. As above. */
int nic_claim_first(const struct vm_failover *f, struct nic *n, struct err *err);

/* Find one while the guest runs; why there is none is in n->refusal then. */
void nic_find_vf(const struct vm_failover *f, struct nic *n);

/*
 * Have it without its MAC, which stands in nobody's way then. A driver that does not do that is warned of; or, with
 * err and the standby behind the same card, refused: -errno.
 */
int nic_rest(const struct vm_failover *f, struct nic *n, struct err *err);

/* As it is to be in the guest, with its MAC. 0 or -errno with err set. */
int nic_ready(const struct vm_failover *f, struct nic *n, struct err *err);

/* Plug it; ask the guest for it, or take it away. What comes of it is told to n->state. */
void nic_give(const struct vm_failover *f, struct nic *n);
void nic_take(const struct vm_failover *f, struct nic *n, bool now);

/* --- what others are told (vm_failover_report.c) --- */

/* The user and the VMM, of what has changed since they were told last. */
void nic_report(const struct vm_failover *f, struct nic *n);

/* The network, where the guest is: when that is due next (0: not any more), and if it is. */
uint64_t nic_announce_at(const struct nic *n);
void nic_announce_due(const struct vm_failover *f, struct nic *n);

#endif
