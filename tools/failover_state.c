// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The VF is in the guest while the guest's driver knows how to stand by (a guest that does not
 * has its virtio device alone), the operator does not say otherwise, and the VF is well. net_failover
 * drops what the standby receives as long as a primary is there, even a dead one: what is dead
 * is taken at once, and the guest is asked only for what still carries traffic.
 *
 * It comes back when it has been well for some seconds; twice as many after each failure that
 * follows soon upon a return.
 */
#include "tools/failover_state.h"

#include "base/fd.h"

void failover_init(struct failover *f)
{
	*f = (struct failover){ .wanted = true, .fault = FAILOVER_NO_VF, .next = FAILOVER_ACKNOWLEDGED };
}

/* --- what happens ------------------------------------------------------------------------------- */

/* It leaves, or is out, for another reason than before; the first of several is the cause. */
static void leave_because(struct failover *f, enum failover_cause cause)
{
	f->cause = cause;
	f->next = cause == FAILOVER_OPERATOR || cause == FAILOVER_DETACHED ? FAILOVER_OPERATOR :
		  cause == FAILOVER_RESET || cause == FAILOVER_ALONE	   ? FAILOVER_ACKNOWLEDGED :
									     FAILOVER_BACK;
}

/* One that failed: how long it has to be well before it comes back. */
static void punish(struct failover *f, uint64_t now)
{
	bool flaps = f->back_since && now - f->back_since < FAILOVER_STEADY && f->hold;

	f->hold = flaps ? f->hold * 2 : FAILOVER_HOLD;
	if (f->hold > FAILOVER_HOLD_MAX)
		f->hold = FAILOVER_HOLD_MAX;
	f->well_since = now;
}

void failover_guest(struct failover *f, enum vm_nic_event event, uint64_t now)
{
	switch (event) {
	case VM_NIC_ACKNOWLEDGED:
		f->guest = GUEST_KNOWS;
		if (f->where == FAILOVER_OUT && f->cause == FAILOVER_ALONE)
			f->cause = FAILOVER_RESET;
		if (f->cause == FAILOVER_START)
			f->cause = FAILOVER_ACKNOWLEDGED;
		break;
	case VM_NIC_ALONE:
		f->guest = GUEST_ALONE;
		if (f->where == FAILOVER_OUT)
			leave_because(f, FAILOVER_ALONE);
		break;
	case VM_NIC_STOPPED: /* by a reset, or another driver; a VF that it has is a network device still */
		f->guest = GUEST_SILENT;
		if (f->unused_hold && f->where == FAILOVER_OUT)
			f->retry = 0;
		f->unused_hold = 0;
		break;
	case VM_NIC_WANT_STANDBY:
		f->wanted = false;
		if (f->where == FAILOVER_OUT)
			leave_because(f, FAILOVER_OPERATOR);
		break;
	case VM_NIC_WANT_PRIMARY:
		f->wanted = true;
		f->unused_hold = 0;
		f->failed = false; /* who says so knows that it is well, or finds out */
		f->retry = f->hold = 0;
		f->well_since = now;
		break;
	}
}

void failover_device(struct failover *f, enum vm_device_event event, uint64_t now)
{
	switch (event) {
	case VM_DEVICE_ERROR: /* the VMM takes it, and may be slower to tell than the host to recover */
		f->failed = !f->recovered;
		f->where = FAILOVER_LEAVING;
		leave_because(f, FAILOVER_ERROR);
		punish(f, now);
		break;
	case VM_DEVICE_REQUEST: /* the VMM presses the button */
		if (f->where != FAILOVER_IN)
			break;
		f->where = FAILOVER_LEAVING;
		leave_because(f, FAILOVER_REQUEST);
		punish(f, now);
		break;
	case VM_DEVICE_REMOVED:
		/* Nobody here wanted that: with its reset the guest loses it, and vm detach takes it. */
		if (f->where == FAILOVER_IN && f->guest == GUEST_SILENT)
			leave_because(f, FAILOVER_RESET);
		else if (f->where == FAILOVER_IN) {
			f->wanted = false;
			leave_because(f, FAILOVER_DETACHED);
		}
		f->where = FAILOVER_OUT;
		f->used = false;
		f->again = 0;
		break;
	case VM_DEVICE_ADDED: /* which is news where its VMM answered too late */
		if (f->where == FAILOVER_OUT)
			failover_attached(f, false, now);
		break;
	case VM_DEVICE_STARTED:
		f->used = true;
		f->unused_hold = 0;
		if (f->where == FAILOVER_IN)
			f->cause = f->next;
		break;
	case VM_DEVICE_STOPPED:
		f->used = false;
		f->unused_since = now;
		if (f->where == FAILOVER_IN && f->guest == GUEST_SILENT) {
			leave_because(f, FAILOVER_RESET); /* with which all its devices stop */
		} else if (f->where == FAILOVER_IN) {
			f->next = f->cause;
			f->cause = FAILOVER_GUEST;
		}
		break;
	}
}

/* Of a VF whose driver lets go of it we hear a moment later: that is no reset. */
static bool was_reset(struct failover *f, bool looks_so, uint64_t now)
{
	if (!looks_so || !failover_goes_by_it(f)) {
		f->lame_since = 0;
		return false;
	}
	if (!f->lame_since)
		f->lame_since = now;
	return now - f->lame_since >= FAILOVER_LAME;
}

void failover_looked(struct failover *f, enum failover_fault fault, uint64_t now)
{
	if (!was_reset(f, fault == FAILOVER_WAS_RESET, now) && fault == FAILOVER_WAS_RESET)
		fault = FAILOVER_WELL;
	if (f->failed && (fault == FAILOVER_WELL || fault == FAILOVER_NO_VF))
		fault = FAILOVER_FAILED;
	if (fault == FAILOVER_WELL && f->fault != FAILOVER_WELL)
		f->well_since = now;
	f->fault = fault;
}

void failover_recovering(struct failover *f)
{
	f->failed = true;
	f->recovered = false;
}

void failover_recovered(struct failover *f)
{
	f->failed = false;
	f->recovered = true;
}

void failover_not_taken(struct failover *f, uint64_t again)
{
	f->again = again;
}

void failover_other_vf(struct failover *f)
{
	f->failed = f->recovered = false;
}

void failover_attached(struct failover *f, bool refused, uint64_t now)
{
	if (refused) {
		f->retry = now + FAILOVER_RETRY;
		return;
	}
	f->where = FAILOVER_IN;
	f->recovered = false;
	f->back_since = f->unused_since = now;
	f->retry = 0;
}

/* --- what to do --------------------------------------------------------------------------------- */

bool failover_waits(const struct failover *f)
{
	return f->where == FAILOVER_OUT && f->wanted && f->guest == GUEST_KNOWS;
}

bool failover_goes_by_it(const struct failover *f)
{
	return f->where == FAILOVER_IN && f->used;
}

bool failover_undisturbed(const struct failover *f)
{
	if (f->fault != FAILOVER_WELL)
		return false;
	return f->where == FAILOVER_OUT ? f->cause == FAILOVER_OPERATOR || f->cause == FAILOVER_UNDRIVEN :
					  f->where == FAILOVER_IN && !f->failed;
}

static uint64_t ready_at(const struct failover *f)
{
	uint64_t well = f->well_since + f->hold;

	return well > f->retry ? well : f->retry;
}

static bool is_unused(const struct failover *f)
{
	return f->where == FAILOVER_IN && f->exclusive && !f->used;
}

static enum failover_action step_in(struct failover *f, uint64_t now)
{
	/* While the host unbinds it, it works on: the kernel asks for it (VM_DEVICE_REQUEST). */
	if (f->fault != FAILOVER_WELL && f->fault != FAILOVER_UNBOUND) {
		f->where = FAILOVER_LEAVING;
		leave_because(f, FAILOVER_FAULT);
		f->cause_fault = f->fault;
		punish(f, now);
		return FAILOVER_TAKE;
	}
	if (is_unused(f) && now >= f->unused_since + FAILOVER_UNUSED) {
		f->where = FAILOVER_LEAVING;
		leave_because(f, FAILOVER_UNDRIVEN);
		f->unused_hold = f->unused_hold ? f->unused_hold * 2 : FAILOVER_UNUSED_OUT;
		if (f->unused_hold > FAILOVER_UNUSED_MAX)
			f->unused_hold = FAILOVER_UNUSED_MAX;
		f->retry = now + f->unused_hold;
		return FAILOVER_ASK;
	}
	if (f->wanted && f->guest != GUEST_ALONE)
		return FAILOVER_NOTHING;
	f->where = FAILOVER_LEAVING;
	leave_because(f, f->wanted ? FAILOVER_ALONE : FAILOVER_OPERATOR);
	return FAILOVER_ASK;
}

/* The VMM sees to the rest, once it knows. */
static enum failover_action step_leaving(struct failover *f, uint64_t now)
{
	bool dead = f->fault != FAILOVER_WELL && f->fault != FAILOVER_FAILED &&
		    f->fault != FAILOVER_UNBOUND;

	/* In its five seconds it died. FAILED, or one that failed, is what the VMM has taken already. */
	if (dead && f->cause != FAILOVER_FAULT && f->cause != FAILOVER_ERROR) {
		f->cause = FAILOVER_FAULT;
		f->cause_fault = f->fault;
	} else if (!f->again || now < f->again) {
		return FAILOVER_NOTHING;
	}
	f->again = 0;
	return f->cause == FAILOVER_FAULT ? FAILOVER_TAKE : FAILOVER_ASK;
}

enum failover_action failover_step(struct failover *f, uint64_t now)
{
	switch (f->where) {
	case FAILOVER_IN: return step_in(f, now);
	case FAILOVER_OUT:
		return failover_waits(f) && f->fault == FAILOVER_WELL && now >= ready_at(f) ?
			       FAILOVER_ATTACH :
			       FAILOVER_NOTHING;
	case FAILOVER_LEAVING: return step_leaving(f, now);
	}
	return FAILOVER_NOTHING;
}

uint64_t failover_next(const struct failover *f, uint64_t now)
{
	if (failover_goes_by_it(f))
		return now + FAILOVER_LOOK;
	if (f->where == FAILOVER_LEAVING)
		return f->again;
	if (is_unused(f))
		return f->unused_since + FAILOVER_UNUSED > now ? f->unused_since + FAILOVER_UNUSED : now + 1;
	if (!failover_waits(f))
		return 0;
	/* What is not told of is seen a second later. */
	if (f->fault != FAILOVER_WELL)
		return now + (f->fault == FAILOVER_NO_VF ? 5 : 1) * FAILOVER_S;
	return ready_at(f) > now ? ready_at(f) : now + 1;
}

/* --- words -------------------------------------------------------------------------------------- */

static const struct {
	const char *word, *text;
} faults[FAILOVER_FAULTS] = {
	[FAILOVER_WELL] = { "well", "" },
	[FAILOVER_NO_VF] = { "none-free", "a VF that is free" },
	[FAILOVER_PF_GONE] = { "pf-gone", "its physical function, which is not there" },
	[FAILOVER_PF_DOWN] = { "pf-down", "its physical function, which is down" },
	[FAILOVER_NO_LINK] = { "link-lost", "its physical function's link" },
	[FAILOVER_VF_GONE] = { "vf-gone", "its VF, which is not there" },
	[FAILOVER_UNBOUND] = { "vf-unbound", "its VF, which is not bound to a VFIO driver" },
	[FAILOVER_WAS_RESET] = { "vf-reset", "its VF, which was reset" },
	[FAILOVER_FAILED] = { "error", "the host's recovery from an error" },
};

const char *failover_cause_word(const struct failover *f)
{
	static const char *const words[] = {
		[FAILOVER_START] = "start",
		[FAILOVER_ACKNOWLEDGED] = "acknowledged",
		[FAILOVER_ALONE] = "guest-lacks-standby",
		[FAILOVER_RESET] = "guest-reset",
		[FAILOVER_OPERATOR] = "operator",
		[FAILOVER_DETACHED] = "detached",
		[FAILOVER_REQUEST] = "host-request",
		[FAILOVER_ERROR] = "error",
		[FAILOVER_BACK] = "well-again",
		[FAILOVER_GUEST] = "guest",
		[FAILOVER_UNDRIVEN] = "guest-lacks-driver",
	};

	return f->cause == FAILOVER_FAULT ? faults[f->cause_fault].word : words[f->cause];
}

const char *failover_fault_word(enum failover_fault fault)
{
	return faults[fault].word;
}

const char *failover_fault_text(enum failover_fault fault)
{
	return faults[fault].text;
}
