/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a guest's network device has its VF and when it goes by virtio alone: what is decided,
 * out of what is known. No clock, no file and no VMM: tools/vm_failover.c tells what happens and
 * does what comes out.
 */
#ifndef TOOLS_FAILOVER_STATE_H
#define TOOLS_FAILOVER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/vm.h"

/* What keeps a VF from carrying traffic. One that is in the guest is dead then. */
enum failover_fault {
	FAILOVER_WELL,
	FAILOVER_NO_VF,	    /* none is free */
	FAILOVER_PF_GONE,
	FAILOVER_PF_DOWN,
	FAILOVER_NO_LINK,
	FAILOVER_VF_GONE,
	FAILOVER_UNBOUND,   /* not a VFIO driver's: somebody else is to have it */
	FAILOVER_FAILED,    /* after an error of which the host has not recovered */
	FAILOVER_WAS_RESET, /* behind the guest's back, as with its PF: nobody is told of that */
	FAILOVER_FAULTS
};

/* Why it is as it is now. */
enum failover_cause {
	FAILOVER_START,	       /* the guest's driver has not said anything yet */
	FAILOVER_ACKNOWLEDGED, /* the guest's driver knows how to stand by */
	FAILOVER_ALONE,	       /* it does not */
	FAILOVER_RESET,	       /* the guest was reset */
	FAILOVER_OPERATOR,
	FAILOVER_DETACHED,     /* taken by vm detach */
	FAILOVER_REQUEST,      /* the host wanted it back */
	FAILOVER_ERROR,
	FAILOVER_FAULT,	       /* by a fault; which, is in struct failover */
	FAILOVER_BACK,	       /* well again */
	FAILOVER_GUEST,	       /* the guest's driver let go of it */
	FAILOVER_UNDRIVEN,     /* no driver of the guest's works with it, and the standby does not beside it */
};

enum failover_where { FAILOVER_OUT, FAILOVER_IN, FAILOVER_LEAVING };

struct failover {
	enum { GUEST_SILENT, GUEST_KNOWS, GUEST_ALONE } guest;
	enum failover_where where;
	bool used;   /* the guest's driver works with the VF */
	bool wanted; /* by the operator: true unless said otherwise */
	bool failed; /* an error was reported, and no recovery since */
	bool recovered; /* the host did, since the VF went in */
	bool exclusive; /* what stands by does not work beside the VF, which is not to be in the guest unused */
	enum failover_fault fault;
	enum failover_cause cause;
	enum failover_fault cause_fault; /* with FAILOVER_FAULT */
	enum failover_cause next; /* what the cause is once the guest works with it */
	/* Nanoseconds of one clock. */
	uint64_t well_since; /* with FAILOVER_WELL */
	uint64_t hold;	     /* to be well that long, before it comes back */
	uint64_t back_since; /* last time it went in; 0: never */
	uint64_t unused_since; /* while it is in and not used */
	uint64_t unused_hold;  /* how long it stays out for that: longer each time */
	uint64_t retry;	     /* it was refused: not before */
	uint64_t lame_since; /* it looks as if it had been reset; 0: it does not */
	uint64_t again;	     /* with FAILOVER_LEAVING: nobody could be told; when to try that again */
};

enum failover_action {
	FAILOVER_NOTHING,
	FAILOVER_ATTACH, /* then failover_attached() */
	FAILOVER_ASK,	 /* the guest to let go of it: it carries traffic meanwhile */
	FAILOVER_TAKE,	 /* it away */
};

#define FAILOVER_S	    1000000000ull
#define FAILOVER_HOLD	    (3 * FAILOVER_S)   /* of health, before it comes back */
#define FAILOVER_HOLD_MAX   (300 * FAILOVER_S) /* doubled up to this, when it fails again and again */
#define FAILOVER_STEADY	    (60 * FAILOVER_S)  /* in the guest for so long: it no longer flaps */
#define FAILOVER_UNUSED	    (20 * FAILOVER_S)  /* how long an exclusive one may be */
#define FAILOVER_UNUSED_OUT (60 * FAILOVER_S)  /* then; doubled up to an hour */
#define FAILOVER_UNUSED_MAX (3600 * FAILOVER_S)
#define FAILOVER_RETRY	    (10 * FAILOVER_S)  /* after a refusal */
#define FAILOVER_LAME	    (FAILOVER_S / 2)   /* it looks reset so long: its driver is not just letting go of it */
#define FAILOVER_LOOK	    (FAILOVER_S / 2)   /* how often whether it does */

void failover_init(struct failover *f);

/* What happens, at `now`. failover_step() follows. */
void failover_guest(struct failover *f, enum vm_nic_event event, uint64_t now);
void failover_device(struct failover *f, enum vm_device_event event, uint64_t now);
void failover_looked(struct failover *f, enum failover_fault fault, uint64_t now);
/* The kernel begins to recover, or has recovered, the VF or its PF. */
void failover_recovering(struct failover *f);
void failover_recovered(struct failover *f);
void failover_attached(struct failover *f, bool refused, uint64_t now);
/* What failover_step() wanted could not be asked of the VMM: it is wanted again then. */
void failover_not_taken(struct failover *f, uint64_t again);
/* Another VF is to be had, or the same one made anew: an error of the one before is not its. */
void failover_other_vf(struct failover *f);

/* What to do now. ASK and TAKE are said once, unless they fail; a TAKE may follow an ASK. */
enum failover_action failover_step(struct failover *f, uint64_t now);

/* When to look again though nothing happens; 0: no need to. */
uint64_t failover_next(const struct failover *f, uint64_t now);

/* The guest has it and goes by it: what nobody tells of is to be looked for. */
bool failover_goes_by_it(const struct failover *f);

/* Nothing has happened to the VF that would make a driver forget what was set of it. */
bool failover_undisturbed(const struct failover *f);

/* It would have a VF, and is without. */
bool failover_waits(const struct failover *f);

/* "link-lost", "operator"; for `vm nic` and `vm events`. */
const char *failover_cause_word(const struct failover *f);
const char *failover_fault_word(enum failover_fault fault);
/* What is waited for then. */
const char *failover_fault_text(enum failover_fault fault);

#endif
