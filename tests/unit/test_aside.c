// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads in a child that may hang: what hangs is left behind, what is only slow is not. */
#include "base/aside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 40
#define SLOTS	3

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* As one that has no CPU: it has work, and does not get on. */
static void compute(double s)
{
	double end = seconds() + s;

	while (seconds() < end)
		;
}

static void read_slot(int root, size_t i, void *slot, void *opaque)
{
	(void)root;
	*(uint32_t *)slot = (uint32_t)i + 1;
	if (i == 1)
		((void (*)(void))(uintptr_t)opaque)();
}

static void nothing(void) { }
static void hang(void) { sleep(20); }
static void be_slow(void) { compute(5.0 * WAIT_MS / 1000); }
static void never_end(void) { compute(20); }

static size_t read_with(void (*in_the_middle)(void), uint32_t slots[SLOTS])
{
	const struct aside job = { SLOTS, sizeof(*slots), read_slot, (void *)(uintptr_t)in_the_middle };
	size_t done = 99;

	for (unsigned i = 0; i < SLOTS; i++)
		slots[i] = 0;
	assert_int_equal(aside_read(0, &job, 0, WAIT_MS, slots, &done), 0);
	return done;
}

static void test_all_is_read(void **state)
{
	uint32_t slots[SLOTS];

	(void)state;
	assert_int_equal(read_with(nothing, slots), SLOTS);
	assert_int_equal(slots[0], 1);
	assert_int_equal(slots[SLOTS - 1], SLOTS);
}

static void test_what_hangs_is_left_behind(void **state)
{
	double begin = seconds();
	uint32_t slots[SLOTS];

	(void)state;
	assert_int_equal(read_with(hang, slots), 1);
	assert_int_equal(slots[0], 1);
	assert_int_equal(slots[1], 0);
	assert_true(seconds() - begin >= WAIT_MS / 1000.0);
}

static void test_what_is_slow_is_waited_for(void **state)
{
	uint32_t slots[SLOTS];

	(void)state;
	assert_int_equal(read_with(be_slow, slots), SLOTS);
	assert_int_equal(slots[SLOTS - 1], SLOTS);
}

static void test_what_never_ends_is_not(void **state)
{
	double begin = seconds();
	uint32_t slots[SLOTS];

	(void)state;
	assert_int_equal(read_with(never_end, slots), 1);
	assert_true(seconds() - begin < 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_read),
		cmocka_unit_test(test_what_hangs_is_left_behind),
		cmocka_unit_test(test_what_is_slow_is_waited_for),
		cmocka_unit_test(test_what_never_ends_is_not),
	};

	return cmocka_run_group_tests_name("aside", tests, NULL, NULL);
}
