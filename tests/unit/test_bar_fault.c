// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory of devices that does not answer: whose mappings go, and when they come back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/log.h"
#include "tests/fake/ioctl.h"
#include "vmm/bar_fault.h"
#include "vmm/memslot.h"

#define VM_FD	1000
#define DEVICES 3
#define SECOND	1000000000ull
#define NEVER	UINT64_MAX
#define BAR(i)	(0x10000000ull * ((i) + 1))

struct device {
	struct memslot_owner owner;
	bool mute;
};

static struct fixture {
	struct memslots *slots;
	struct bar_faults *faults;
	struct device dev[DEVICES];
	unsigned slot[DEVICES];
	bool kvm[16]; /* slots that KVM has */
	int result;
	uint64_t now;
} f;

static char page[4096] __attribute__((aligned(4096)));

static int memory(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_userspace_memory_region *r = arg;

	if (request == KVM_CHECK_EXTENSION)
		return ARRAY_SIZE(f.kvm);
	if (r->memory_size && f.result < 0)
		return f.result;
	f.kvm[r->slot] = r->memory_size;
	return 0;
}

static bool answers(struct memslot_owner *owner)
{
	return !container_of(owner, struct device, owner)->mute;
}

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	f.now = 1000 * SECOND;
	fake_ioctl_reset();
	fake_ioctl_handle(VM_FD, memory, NULL);
	log_set_level(LOG_QUIET);
	assert_int_equal(memslots_new(VM_FD, &f.slots), 0);
	f.faults = bar_faults_new(f.slots);
	for (unsigned i = 0; i < DEVICES; i++) {
		f.dev[i].owner = (struct memslot_owner){ .name = "a device", .answers = answers };
		assert_int_equal(memslot_set(f.slots, BAR(i), 4096, page, false, &f.dev[i].owner,
					     &f.slot[i]),
				 0);
	}
	return 0;
}

static int teardown(void **state)
{
	bar_faults_free(f.faults);
	memslots_free(f.slots);
	return fake_ioctl_done() ? 0 : -1;
}

static bool mapped(unsigned i)
{
	return f.kvm[f.slot[i]];
}

static unsigned fault(const gpa_t *gpa)
{
	return bar_faults_met(f.faults, gpa, true, f.now);
}

static unsigned fault_at(unsigned i)
{
	gpa_t gpa = BAR(i) + 8;

	return fault(&gpa);
}

/* Let the time pass until nothing is due any more, a minute at most. */
static void pass(uint64_t ns)
{
	uint64_t end = f.now + ns, next;

	while ((next = bar_faults_retry(f.faults, f.now)) <= end) {
		assert_true(next > f.now); /* no spinning */
		f.now = next;
	}
	f.now = end;
}

static void test_the_device_at_the_address_goes_and_comes_back(void **state)
{
	assert_int_equal(fault_at(1), 1);
	assert_true(mapped(0) && !mapped(1) && mapped(2));
	pass(SECOND / 2);
	assert_false(mapped(1));
	pass(SECOND);
	assert_true(mapped(1));
	assert_int_equal(bar_faults_retry(f.faults, f.now), NEVER);
}

static void test_a_fault_elsewhere_takes_nothing(void **state)
{
	gpa_t elsewhere = 0x1000;

	assert_int_equal(fault(&elsewhere), 0);
	assert_true(mapped(0) && mapped(1) && mapped(2));
	assert_int_equal(bar_faults_retry(f.faults, f.now), NEVER);
}

static void test_one_that_does_not_answer_is_waited_for(void **state)
{
	f.dev[0].mute = true;
	assert_int_equal(fault_at(0), 1);
	pass(300 * SECOND);
	assert_false(mapped(0));
	f.dev[0].mute = false;
	pass(33 * SECOND);
	assert_true(mapped(0));
}

static void test_one_that_faults_again_and_again_stays_away(void **state)
{
	unsigned faults = 0;

	while (mapped(0)) {
		assert_int_equal(fault_at(0), 1);
		assert_true(++faults < 10);
		pass(40 * SECOND);
	}
	assert_int_equal(faults, 5);
	pass(3600 * SECOND);
	assert_false(mapped(0));
	/* The guest turns its memory decode off and on. */
	memslot_clear(f.slots, f.slot[0]);
	assert_int_equal(memslot_set(f.slots, BAR(0), 4096, page, false, &f.dev[0].owner,
				     &f.slot[0]),
			 0);
	assert_int_equal(fault_at(0), 1);
	pass(2 * SECOND);
	assert_true(mapped(0)); /* an hour ago is forgotten */
}

static void test_faults_far_apart_are_forgotten(void **state)
{
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(fault_at(0), 1);
		pass(2 * SECOND);
		assert_true(mapped(0));
		f.now += 61 * SECOND;
	}
}

/* Kernels before Linux 6.8 do not tell the address: the devices are asked. */
static void test_without_an_address_the_mute_one_goes_alone(void **state)
{
	f.dev[2].mute = true;
	assert_int_equal(fault(NULL), 1);
	assert_true(mapped(0) && mapped(1) && !mapped(2));
	f.dev[2].mute = false;
	pass(2 * SECOND);
	assert_true(mapped(2));
}

static void test_where_nobody_is_known_all_go_and_come_back_one_by_one(void **state)
{
	assert_int_equal(fault(NULL), DEVICES);
	assert_true(!mapped(0) && !mapped(1) && !mapped(2));
	pass(SECOND * 3 / 2);
	assert_int_equal(mapped(0) + mapped(1) + mapped(2), 1);
	pass(SECOND);
	assert_int_equal(mapped(0) + mapped(1) + mapped(2), 2);
	pass(SECOND);
	assert_true(mapped(0) && mapped(1) && mapped(2));
}

static void test_who_faults_when_it_came_back_stays_away_and_the_others_do_not(void **state)
{
	assert_int_equal(fault(NULL), DEVICES);
	/* Device 1 faults whenever it is mapped. */
	for (unsigned i = 0; i < 600; i++) {
		pass(SECOND / 10);
		if (mapped(1))
			assert_int_equal(fault(NULL), 1);
	}
	assert_true(mapped(0) && !mapped(1) && mapped(2));
	pass(3600 * SECOND);
	assert_true(mapped(0) && !mapped(1) && mapped(2));
}

/* The guest takes its time: it is another one that is on trial when it faults. */
static void test_faults_that_are_never_known_end_on_the_slow_path(void **state)
{
	unsigned faults = 0;

	for (unsigned i = 0; i < 360; i++) {
		for (bool first = true; mapped(0); first = false, faults++)
			assert_true(bar_faults_met(f.faults, NULL, first, f.now) > 0);
		pass(10 * SECOND);
	}
	assert_false(mapped(0));
	assert_true(faults < 30);
}

/* Two CPUs in the same BAR: the second comes when its mapping is gone already. */
static void test_the_same_fault_on_another_cpu_takes_nobody_else(void **state)
{
	f.dev[0].mute = true;
	assert_int_equal(fault(NULL), 1);
	f.now += 1000;
	assert_int_equal(fault(NULL), 0);
	assert_true(mapped(1) && mapped(2));
	/* It was not: it faults again at once. */
	assert_int_equal(bar_faults_met(f.faults, NULL, false, f.now), 2);
}

static void test_a_mapping_that_kvm_refuses_is_not_tried_for_ever(void **state)
{
	assert_int_equal(fault_at(0), 1);
	f.result = -ENOMEM;
	pass(2 * SECOND);
	assert_false(mapped(0));
	assert_int_equal(bar_faults_retry(f.faults, f.now), NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_the_device_at_the_address_goes_and_comes_back),
		T(test_a_fault_elsewhere_takes_nothing),
		T(test_one_that_does_not_answer_is_waited_for),
		T(test_one_that_faults_again_and_again_stays_away),
		T(test_faults_far_apart_are_forgotten),
		T(test_without_an_address_the_mute_one_goes_alone),
		T(test_where_nobody_is_known_all_go_and_come_back_one_by_one),
		T(test_who_faults_when_it_came_back_stays_away_and_the_others_do_not),
		T(test_faults_that_are_never_known_end_on_the_slow_path),
		T(test_the_same_fault_on_another_cpu_takes_nobody_else),
		T(test_a_mapping_that_kvm_refuses_is_not_tried_for_ever),
#undef T
	};

	return cmocka_run_group_tests_name("bar_fault", tests, NULL, NULL);
}
