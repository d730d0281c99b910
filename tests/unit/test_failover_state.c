// SPDX-License-Identifier: GPL-2.0-or-later
/* When a guest's network device has its VF: each cause, each way back, on a made-up clock. */
#include "tools/failover_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define S FAILOVER_S

static struct failover f;
static uint64_t now;

static void let(uint64_t ns)
{
	now += ns;
}

/* What the rest of the program does with an answer. */
static void does(enum failover_action want)
{
	enum failover_action got = failover_step(&f, now);

	assert_int_equal(got, want);
	if (got == FAILOVER_ATTACH)
		failover_attached(&f, false, now);
}

static void device(enum vm_device_event event)
{
	failover_device(&f, event, now);
}

static void guest(enum vm_nic_event event)
{
	failover_guest(&f, event, now);
}

static void looks(enum failover_fault fault)
{
	failover_looked(&f, fault, now);
}

static void is(bool used, const char *cause)
{
	assert_int_equal(f.used, used);
	assert_string_equal(failover_cause_word(&f), cause);
}

static int setup(void **state)
{
	now = 1000 * S;
	failover_init(&f);
	return 0;
}

/* A guest that goes by its VF. */
static void begin(void)
{
	looks(FAILOVER_WELL);
	guest(VM_NIC_ACKNOWLEDGED);
	does(FAILOVER_ATTACH);
	device(VM_DEVICE_ADDED);
	device(VM_DEVICE_STARTED);
	is(true, "acknowledged");
	does(FAILOVER_NOTHING);
}

/* It has left; it comes back when it was well for that long, and not before. */
static void comes_back_after(uint64_t ns, const char *cause)
{
	looks(FAILOVER_WELL);
	does(FAILOVER_NOTHING);
	assert_int_equal(failover_next(&f, now), now + ns);
	let(ns - 1);
	does(FAILOVER_NOTHING);
	let(1);
	does(FAILOVER_ATTACH);
	device(VM_DEVICE_STARTED);
	is(true, cause);
}

static void test_it_goes_in_when_the_guest_knows(void **state)
{
	looks(FAILOVER_WELL);
	does(FAILOVER_NOTHING);
	assert_int_equal(failover_next(&f, now), 0); /* nothing to wait for */
	is(false, "start");
	guest(VM_NIC_ACKNOWLEDGED);
	assert_true(failover_next(&f, now) > now);
	does(FAILOVER_ATTACH);
	is(false, "acknowledged"); /* its driver has to come first */
	device(VM_DEVICE_ADDED);
	device(VM_DEVICE_STARTED);
	is(true, "acknowledged");
	assert_int_equal(failover_next(&f, now), now + S / 2); /* what nobody tells of */
}

static void test_a_reset_that_nobody_tells_of(void **state)
{
	begin();
	looks(FAILOVER_WAS_RESET);
	does(FAILOVER_NOTHING); /* perhaps its driver lets go of it just now */
	let(S / 4);
	looks(FAILOVER_WAS_RESET);
	does(FAILOVER_NOTHING);
	looks(FAILOVER_WELL);
	let(S);
	looks(FAILOVER_WAS_RESET); /* that was something else */
	does(FAILOVER_NOTHING);
	let(S / 2);
	looks(FAILOVER_WAS_RESET);
	does(FAILOVER_TAKE);
	is(true, "vf-reset");
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_REMOVED);
	is(false, "vf-reset");
	comes_back_after(3 * S, "well-again");
	/* A VF that the guest does not go by may look so. */
	device(VM_DEVICE_STOPPED);
	is(false, "guest");
	looks(FAILOVER_WAS_RESET);
	let(5 * S);
	looks(FAILOVER_WAS_RESET);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_STARTED);
	looks(FAILOVER_WAS_RESET); /* the time begins now */
	does(FAILOVER_NOTHING);
}

static void test_what_keeps_the_standby_from_working_is_not_left_unused(void **state)
{
	uint64_t out[] = { 60, 120, 240 };

	looks(FAILOVER_WELL);
	failover_guest(&f, VM_NIC_ACKNOWLEDGED, now);
	f.exclusive = true;
	does(FAILOVER_ATTACH);
	failover_attached(&f, false, now);
	device(VM_DEVICE_ADDED);
	for (unsigned i = 0; i < 3; i++) {
		does(FAILOVER_NOTHING);
		assert_int_equal(failover_next(&f, now), now + 20 * S);
		let(20 * S);
		does(FAILOVER_ASK);
		does(FAILOVER_NOTHING);
		let(5 * S);
		device(VM_DEVICE_REMOVED);
		is(false, "guest-lacks-driver");
		assert_true(failover_waits(&f));
		let(out[i] * S - 6 * S);
		does(FAILOVER_NOTHING);
		let(S);
		does(FAILOVER_ATTACH);
		failover_attached(&f, false, now);
	}
	/* One whose driver lets go of it has as long to take it again. */
	device(VM_DEVICE_STARTED);
	does(FAILOVER_NOTHING);
	let(100 * S);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_STOPPED);
	is(false, "guest");
	let(19 * S);
	device(VM_DEVICE_STARTED);
	let(2 * S);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_STOPPED);
	let(20 * S);
	does(FAILOVER_ASK);
	device(VM_DEVICE_REMOVED);
	/* Since one worked it is a minute again; and none for who says so. */
	let(59 * S);
	does(FAILOVER_NOTHING);
	failover_guest(&f, VM_NIC_WANT_PRIMARY, now);
	does(FAILOVER_ATTACH);
}

static void test_one_that_is_not_exclusive_may_be_unused(void **state)
{
	looks(FAILOVER_WELL);
	failover_guest(&f, VM_NIC_ACKNOWLEDGED, now);
	does(FAILOVER_ATTACH);
	failover_attached(&f, false, now);
	let(1000 * S);
	does(FAILOVER_NOTHING);
}

static void test_a_guest_that_does_not_know_has_virtio_alone(void **state)
{
	looks(FAILOVER_WELL);
	guest(VM_NIC_ALONE);
	does(FAILOVER_NOTHING);
	is(false, "guest-lacks-standby");
	assert_false(failover_waits(&f));
	/* Another driver, by kexec. */
	guest(VM_NIC_STOPPED);
	guest(VM_NIC_ACKNOWLEDGED);
	does(FAILOVER_ATTACH);
	device(VM_DEVICE_STARTED);
	is(true, "acknowledged");
	guest(VM_NIC_STOPPED);
	does(FAILOVER_NOTHING); /* it is a network device still */
	guest(VM_NIC_ALONE);
	does(FAILOVER_ASK);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_REMOVED);
	is(false, "guest-lacks-standby");
}

static void test_the_operator_has_it_out_and_in(void **state)
{
	begin();
	guest(VM_NIC_WANT_STANDBY);
	does(FAILOVER_ASK);
	is(true, "operator"); /* it works on for its five seconds */
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_STOPPED);
	is(false, "operator");
	device(VM_DEVICE_REMOVED);
	let(3600 * S);
	does(FAILOVER_NOTHING);
	assert_int_equal(failover_next(&f, now), 0);
	/* At once: nothing was wrong with it. */
	guest(VM_NIC_WANT_PRIMARY);
	does(FAILOVER_ATTACH);
	device(VM_DEVICE_STARTED);
	is(true, "operator");
}

static void test_a_mind_that_changes_before_it_left(void **state)
{
	begin();
	guest(VM_NIC_WANT_STANDBY);
	does(FAILOVER_ASK);
	guest(VM_NIC_WANT_PRIMARY);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_REMOVED);
	does(FAILOVER_ATTACH);
}

static void test_what_is_dead_is_taken_at_once(void **state)
{
	static const struct {
		enum failover_fault fault;
		const char *word;
	} rows[] = {
		{ FAILOVER_PF_GONE, "pf-gone" },   { FAILOVER_PF_DOWN, "pf-down" },
		{ FAILOVER_NO_LINK, "link-lost" }, { FAILOVER_VF_GONE, "vf-gone" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup(state);
		begin();
		looks(rows[i].fault);
		does(FAILOVER_TAKE);
		does(FAILOVER_NOTHING); /* said once */
		device(VM_DEVICE_REMOVED);
		is(false, rows[i].word);
		does(FAILOVER_NOTHING);
		assert_int_equal(failover_next(&f, now), now + S);
		let(7 * S);
		does(FAILOVER_NOTHING);
		comes_back_after(FAILOVER_HOLD, "well-again");
	}
}

static void test_what_dies_while_it_is_asked_for_is_taken(void **state)
{
	begin();
	guest(VM_NIC_WANT_STANDBY);
	does(FAILOVER_ASK);
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	does(FAILOVER_NOTHING);
	is(true, "link-lost");
}

/* A VMM whose socket is full of others' questions, say: the guest must not keep what is dead. */
static void test_what_could_not_be_taken_is_taken_again(void **state)
{
	begin();
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	failover_not_taken(&f, now + S);
	does(FAILOVER_NOTHING);
	assert_int_equal(failover_next(&f, now), now + S);
	let(S);
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	does(FAILOVER_NOTHING);
	assert_int_equal(failover_next(&f, now), 0);
	failover_not_taken(&f, now + S);
	device(VM_DEVICE_REMOVED); /* after all */
	is(false, "link-lost");
	let(S);
	comes_back_after(FAILOVER_HOLD, "well-again");
}

static void test_what_could_not_be_asked_for_is_asked_again(void **state)
{
	begin();
	guest(VM_NIC_WANT_STANDBY);
	does(FAILOVER_ASK);
	failover_not_taken(&f, now + S);
	let(S);
	does(FAILOVER_ASK);
	failover_not_taken(&f, now + S);
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	let(S);
	does(FAILOVER_NOTHING);
}

/* With much RAM to pin it takes longer than anybody waits for an answer. */
static void test_one_that_is_in_after_all_is_in(void **state)
{
	looks(FAILOVER_WELL);
	guest(VM_NIC_ACKNOWLEDGED);
	assert_int_equal(failover_step(&f, now), FAILOVER_ATTACH);
	failover_attached(&f, true, now);
	let(5 * S);
	device(VM_DEVICE_ADDED);
	device(VM_DEVICE_STARTED);
	is(true, "acknowledged");
	assert_int_equal(f.back_since, now);
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
}

/* That it came is told behind that it is to leave. */
static void test_old_news_do_not_bring_it_back(void **state)
{
	looks(FAILOVER_WELL);
	guest(VM_NIC_ACKNOWLEDGED);
	does(FAILOVER_ATTACH);
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	device(VM_DEVICE_ADDED);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_REMOVED);
	comes_back_after(FAILOVER_HOLD, "well-again");
}

static void test_the_host_wants_it_back(void **state)
{
	begin();
	device(VM_DEVICE_REQUEST); /* the VMM presses the button */
	is(true, "host-request");
	/* As sysfs has it while the unbinding waits. */
	looks(FAILOVER_UNBOUND);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_STOPPED);
	device(VM_DEVICE_REMOVED);
	is(false, "host-request");
	let(60 * S);
	looks(FAILOVER_UNBOUND);
	does(FAILOVER_NOTHING);
	comes_back_after(FAILOVER_HOLD, "well-again");
}

static void test_sysfs_may_be_sooner_than_the_request(void **state)
{
	begin();
	looks(FAILOVER_UNBOUND);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_REQUEST);
	is(true, "host-request");
}

static void test_an_error_waits_for_the_recovery(void **state)
{
	begin();
	device(VM_DEVICE_ERROR);
	device(VM_DEVICE_REMOVED); /* by the VMM itself */
	is(false, "error");
	looks(FAILOVER_WELL);
	let(100 * S);
	does(FAILOVER_NOTHING);
	looks(FAILOVER_WELL);
	does(FAILOVER_NOTHING);
	failover_recovered(&f);
	comes_back_after(FAILOVER_HOLD, "well-again");
}

static void test_the_host_may_recover_before_the_vmm_tells(void **state)
{
	begin();
	failover_recovering(&f);
	failover_recovered(&f);
	device(VM_DEVICE_ERROR);
	device(VM_DEVICE_REMOVED);
	is(false, "error");
	comes_back_after(FAILOVER_HOLD, "well-again");
	/* That recovery was of that error. */
	device(VM_DEVICE_ERROR);
	device(VM_DEVICE_REMOVED);
	let(100 * S);
	looks(FAILOVER_WELL);
	does(FAILOVER_NOTHING);
}

/* A pool's, whose PF lost its link with the error: nobody hears when that PF has recovered. */
static void test_an_error_is_not_of_the_vf_that_comes_in_its_place(void **state)
{
	begin();
	device(VM_DEVICE_ERROR);
	device(VM_DEVICE_REMOVED);
	looks(FAILOVER_NO_LINK);
	looks(FAILOVER_NO_VF); /* it was given up */
	does(FAILOVER_NOTHING);
	failover_other_vf(&f);
	comes_back_after(FAILOVER_HOLD, "well-again");
	/* Its own error is its own. */
	device(VM_DEVICE_ERROR);
	device(VM_DEVICE_REMOVED);
	looks(FAILOVER_WELL);
	let(100 * S);
	does(FAILOVER_NOTHING);
}

/* Of a recovery that was missed, or that the kernel gave up and the operator did not. */
static void test_an_operators_word_ends_the_wait_for_a_recovery(void **state)
{
	begin();
	device(VM_DEVICE_ERROR);
	device(VM_DEVICE_REMOVED);
	looks(FAILOVER_WELL);
	let(100 * S);
	does(FAILOVER_NOTHING);
	guest(VM_NIC_WANT_PRIMARY);
	looks(FAILOVER_WELL);
	does(FAILOVER_ATTACH);
}

static void test_what_an_error_brings_with_it_is_no_cause(void **state)
{
	begin();
	device(VM_DEVICE_ERROR); /* the VMM takes it */
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_REMOVED);
	is(false, "error");
}

static void test_an_error_while_it_is_out(void **state)
{
	looks(FAILOVER_WELL);
	failover_recovering(&f);
	looks(FAILOVER_WELL);
	guest(VM_NIC_ACKNOWLEDGED);
	does(FAILOVER_NOTHING);
	failover_recovered(&f);
	looks(FAILOVER_WELL);
	does(FAILOVER_ATTACH);
}

static void test_health_is_counted_anew_after_each_lapse(void **state)
{
	begin();
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	device(VM_DEVICE_REMOVED);
	looks(FAILOVER_WELL);
	let(FAILOVER_HOLD - 1);
	looks(FAILOVER_NO_LINK);
	looks(FAILOVER_WELL);
	let(FAILOVER_HOLD - 1);
	does(FAILOVER_NOTHING);
	let(1);
	does(FAILOVER_ATTACH);
}

static void fail_and_return(uint64_t hold)
{
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	device(VM_DEVICE_REMOVED);
	comes_back_after(hold, "well-again");
}

static void test_what_flaps_waits_longer_and_longer(void **state)
{
	uint64_t hold = FAILOVER_HOLD;

	begin();
	for (unsigned i = 0; i < 12; i++) {
		fail_and_return(hold);
		hold = hold * 2 < FAILOVER_HOLD_MAX ? hold * 2 : FAILOVER_HOLD_MAX;
		let(FAILOVER_STEADY - 1);
	}
	assert_int_equal(hold, FAILOVER_HOLD_MAX);
	/* A minute of work, and it is trusted again. */
	let(1);
	fail_and_return(FAILOVER_HOLD);
}

static void test_a_guest_that_is_reset_gets_it_when_it_asks_again(void **state)
{
	begin();
	guest(VM_NIC_STOPPED);
	device(VM_DEVICE_STOPPED);
	is(false, "guest-reset");
	device(VM_DEVICE_REMOVED); /* the VMM hides it */
	is(false, "guest-reset");
	assert_true(f.wanted);
	does(FAILOVER_NOTHING);
	guest(VM_NIC_ACKNOWLEDGED);
	does(FAILOVER_ATTACH);
	device(VM_DEVICE_STARTED);
	is(true, "acknowledged");
}

static void test_a_guest_that_is_reset_while_it_waits(void **state)
{
	begin();
	looks(FAILOVER_NO_LINK);
	does(FAILOVER_TAKE);
	device(VM_DEVICE_REMOVED);
	guest(VM_NIC_STOPPED);
	looks(FAILOVER_WELL);
	let(10 * S);
	does(FAILOVER_NOTHING);
	guest(VM_NIC_ACKNOWLEDGED);
	does(FAILOVER_ATTACH);
}

static void test_vm_detach_is_an_operators_word(void **state)
{
	begin();
	device(VM_DEVICE_STOPPED);
	device(VM_DEVICE_REMOVED);
	is(false, "detached");
	let(100 * S);
	does(FAILOVER_NOTHING);
	guest(VM_NIC_WANT_PRIMARY);
	does(FAILOVER_ATTACH);
}

static void test_a_driver_that_lets_go_by_itself(void **state)
{
	begin();
	device(VM_DEVICE_STOPPED);
	is(false, "guest");
	does(FAILOVER_NOTHING);
	device(VM_DEVICE_STARTED);
	is(true, "acknowledged");
}

static void test_a_refusal_is_not_repeated_at_once(void **state)
{
	looks(FAILOVER_WELL);
	guest(VM_NIC_ACKNOWLEDGED);
	assert_int_equal(failover_step(&f, now), FAILOVER_ATTACH);
	failover_attached(&f, true, now);
	does(FAILOVER_NOTHING);
	assert_int_equal(failover_next(&f, now), now + FAILOVER_RETRY);
	let(FAILOVER_RETRY);
	does(FAILOVER_ATTACH);
}

static void test_one_that_is_to_be_found_is_waited_for(void **state)
{
	looks(FAILOVER_NO_VF);
	guest(VM_NIC_ACKNOWLEDGED);
	does(FAILOVER_NOTHING);
	assert_true(failover_waits(&f));
	assert_int_equal(failover_next(&f, now), now + 5 * S);
	assert_string_equal(failover_fault_text(f.fault), "a VF that is free");
	looks(FAILOVER_WELL);
	does(FAILOVER_ATTACH);
}

static void test_each_fault_has_words(void **state)
{
	for (enum failover_fault fault = FAILOVER_WELL + 1; fault < FAILOVER_FAULTS; fault++) {
		f.cause = FAILOVER_FAULT;
		f.cause_fault = fault;
		assert_true(strlen(failover_cause_word(&f)) > 3);
		assert_true(strlen(failover_fault_text(fault)) > 3);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(test_it_goes_in_when_the_guest_knows),
		T(test_a_reset_that_nobody_tells_of),
		T(test_what_keeps_the_standby_from_working_is_not_left_unused),
		T(test_one_that_is_not_exclusive_may_be_unused),
		T(test_a_guest_that_does_not_know_has_virtio_alone),
		T(test_the_operator_has_it_out_and_in),
		T(test_a_mind_that_changes_before_it_left),
		T(test_what_is_dead_is_taken_at_once),
		T(test_what_dies_while_it_is_asked_for_is_taken),
		T(test_what_could_not_be_taken_is_taken_again),
		T(test_what_could_not_be_asked_for_is_asked_again),
		T(test_one_that_is_in_after_all_is_in),
		T(test_old_news_do_not_bring_it_back),
		T(test_the_host_wants_it_back),
		T(test_sysfs_may_be_sooner_than_the_request),
		T(test_an_error_waits_for_the_recovery),
		T(test_the_host_may_recover_before_the_vmm_tells),
		T(test_an_error_is_not_of_the_vf_that_comes_in_its_place),
		T(test_an_operators_word_ends_the_wait_for_a_recovery),
		T(test_what_an_error_brings_with_it_is_no_cause),
		T(test_an_error_while_it_is_out),
		T(test_health_is_counted_anew_after_each_lapse),
		T(test_what_flaps_waits_longer_and_longer),
		T(test_a_guest_that_is_reset_gets_it_when_it_asks_again),
		T(test_a_guest_that_is_reset_while_it_waits),
		T(test_vm_detach_is_an_operators_word),
		T(test_a_driver_that_lets_go_by_itself),
		T(test_a_refusal_is_not_repeated_at_once),
		T(test_one_that_is_to_be_found_is_waited_for),
		T(test_each_fault_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
