// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose memory it was says KVM, or the devices when they are asked. Where neither does, and that is
 * possible before Linux 6.8 only, it was the one whose mapping came back last, or else everybody's
 * mappings go and come back one device after another: who faults then is known.
 *
 * A mapping is tried again after one second, and after twice as long each time. FAULTS_MAX faults
 * that are not a minute apart are enough: the device stays on the way over the bus until the guest turns
 * its memory decode off and on, which maps it anew.
 */
#include "vmm/bar_fault.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "vmm/memslot.h"
#include "vmm/vm.h"

#define SECOND	   1000000000ull
#define WAIT_MAX   (32 * SECOND)
#define FORGOTTEN  (60 * SECOND)
#define FAULTS_MAX 5
/* As long as several CPUs may take to meet the same fault. */
#define TOGETHER (SECOND / 10)
#define NEVER	 UINT64_MAX

struct bar_faults {
	struct memslots *slots;	     /* borrowed */
	struct memslot_owner blind;  /* nobody's: faults that were not known to be anybody's */
	struct memslot_owner *trial; /* put back last, at trial_ns; only compared */
	uint64_t trial_ns, dropped_ns;
	bool dropped; /* ever, at dropped_ns */
	int timer;    /* -1: none yet */
	struct vm *vm;
};

struct bar_faults *bar_faults_new(struct memslots *slots)
{
	struct bar_faults *f = calloc(1, sizeof(*f));

	if (f)
		*f = (struct bar_faults){ .slots = slots, .timer = -1 };
	return f;
}

/* One more of o's. Whether it is to be tried again. */
static bool count(struct memslot_owner *o, uint64_t now)
{
	if (o->faults && now - o->fault_ns > FORGOTTEN)
		o->faults = 0;
	if (o->faults <= FAULTS_MAX)
		o->faults++;
	o->fault_ns = now;
	o->wait_ns = SECOND << (o->faults - 1);
	o->due_ns = o->faults < FAULTS_MAX ? now + o->wait_ns : NEVER;
	return o->due_ns != NEVER;
}

static unsigned blame(struct bar_faults *f, struct memslot_owner *o, uint64_t now)
{
	unsigned n = memslots_drop(f->slots, o);

	if (!n)
		return 0;
	(void)count(o, now);
	if (o->faults == 1)
		log_warn_limited("%s: its memory does not answer (it sleeps, or does not decode): accesses "
				 "are trapped, slowly, until it does",
				 o->name);
	else if (o->faults == FAULTS_MAX)
		log_warn_limited("%s: its memory failed %u times: accesses stay trapped, slowly, until "
				 "the guest turns its memory decode off and on",
				 o->name, FAULTS_MAX);
	return n;
}

static unsigned blame_mute(struct bar_faults *f, uint64_t now)
{
	struct memslot_owner *o;
	unsigned n = 0;
	bool mapped;

	for (unsigned i = 0; memslots_look(f->slots, i, &o, &mapped); i++)
		if (o && mapped && !o->answers(o))
			n += blame(f, o, now);
	return n;
}

static bool is_mapped(const struct bar_faults *f, const struct memslot_owner *owner)
{
	struct memslot_owner *o;
	bool mapped;

	for (unsigned i = 0; memslots_look(f->slots, i, &o, &mapped); i++)
		if (o && o == owner && mapped)
			return true;
	return false;
}

/* Everybody's go; a second lies between two that come back. */
static unsigned blame_all(struct bar_faults *f, uint64_t now)
{
	struct memslot_owner *o;
	uint64_t due = now;
	unsigned n = 0;
	bool mapped, again = false;

	for (unsigned i = 0; memslots_look(f->slots, i, &o, &mapped); i++) {
		if (!o || !mapped)
			continue;
		if (!n)
			again = count(&f->blind, now);
		n += memslots_drop(f->slots, o);
		due += f->blind.wait_ns;
		o->wait_ns = SECOND;
		o->due_ns = again ? due : NEVER;
	}
	if (n && f->blind.faults == 1)
		log_warn_limited("a device's memory does not answer; which device is not known before "
				 "Linux 6.8: accesses to all of them are trapped, slowly, and each is tried "
				 "again in a moment");
	else if (n && f->blind.faults == FAULTS_MAX)
		log_warn_limited("a device's memory failed %u times; which device is not known before "
				 "Linux 6.8: accesses to all of them stay trapped, slowly, until the guest "
				 "turns memory decode off and on",
				 FAULTS_MAX);
	return n;
}

static unsigned blame_unknown(struct bar_faults *f, bool first, uint64_t now)
{
	unsigned n = blame_mute(f, now);

	if (n)
		return n;
	/* Another CPU met it a moment ago: it may have been the same. */
	if (first && f->dropped && now - f->dropped_ns < TOGETHER)
		return 0;
	if (f->trial && is_mapped(f, f->trial) && now - f->trial_ns < FORGOTTEN)
		n = blame(f, f->trial, now);
	f->trial = NULL;
	return n ? n : blame_all(f, now);
}

unsigned bar_faults_met(struct bar_faults *f, const gpa_t *gpa, bool first, uint64_t now)
{
	struct memslot_owner *o = gpa ? memslots_owner_at(f->slots, *gpa) : NULL;
	unsigned n = 0;

	if (o)
		n = blame(f, o, now);
	else if (!gpa)
		n = blame_unknown(f, first, now);
	if (n) {
		f->dropped = true;
		f->dropped_ns = now;
	}
	return n;
}

static void put_back(struct bar_faults *f, struct memslot_owner *o, uint64_t now)
{
	int r = memslots_put_back(f->slots, o);

	o->due_ns = NEVER;
	if (r < 0) {
		log_warn_limited("%s: accesses to its memory stay trapped, slowly: %s", o->name,
				 strerror(-r));
		return;
	}
	log_note("%s: its memory is tried again", o->name);
	f->trial = o;
	f->trial_ns = now;
}

static void postpone(struct memslot_owner *o, uint64_t now)
{
	o->wait_ns = o->wait_ns < WAIT_MAX / 2 ? 2 * o->wait_ns : WAIT_MAX;
	o->due_ns = now + o->wait_ns;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One device at a time, so that its fault is known to be its own. */
uint64_t bar_faults_retry(struct bar_faults *f, uint64_t now)
{
	struct memslot_owner *o;
	uint64_t next = NEVER;
	bool mapped, tried = false;

	for (unsigned i = 0; memslots_look(f->slots, i, &o, &mapped); i++) {
		if (!o || mapped || o->due_ns == NEVER)
			continue;
		if (o->due_ns > now) {
			next = earlier(next, o->due_ns);
		} else if (tried) {
			next = earlier(next, now + SECOND);
		} else if (!o->answers(o)) {
			postpone(o, now);
			next = earlier(next, o->due_ns);
		} else {
			put_back(f, o, now);
			tried = true;
		}
	}
	return next;
}

/* --- the machine's clock and loop --- */

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void retry(struct bar_faults *f)
{
	uint64_t now = clock_ns(), next = bar_faults_retry(f, now);

	if (next != NEVER)
		(void)loop_timer_arm(f->timer, next > now ? next - now : 1);
}

static void on_timer(void *opaque, int fd)
{
	uint64_t times;

	if (read(fd, &times, sizeof(times)) == sizeof(times))
		retry(opaque);
}

/* At the first fault there is: most machines never meet one. */
static struct bar_faults *faults_of(struct vm *vm)
{
	struct bar_faults *f = vm->bar_faults;

	if (f)
		return f;
	f = bar_faults_new(vm->slots);
	if (f && loop_timer_new(vm->loop, on_timer, f, &f->timer) < 0)
		log_warn("memory of a device that does not answer stays trapped: no timer is left");
	if (f)
		f->vm = vm;
	vm->bar_faults = f;
	return f;
}

bool bar_fault(struct vm *vm, const gpa_t *gpa, bool first)
{
	struct bar_faults *f = faults_of(vm);

	if (!f || !bar_faults_met(f, gpa, first, clock_ns()))
		return false;
	if (f->timer >= 0)
		retry(f);
	return true;
}

struct bar_faults *bar_faults_free(struct bar_faults *f)
{
	if (!f)
		return NULL;
	if (f->vm && f->timer >= 0) {
		loop_del(f->vm->loop, f->timer);
		close(f->timer);
	}
	free(f);
	return NULL;
}
