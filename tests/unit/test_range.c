// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/range.h"

#define TOP 0xfffffffffffff000ull

static void test_overlap(void **state)
{
	static const struct {
		struct range a, b;
		bool overlap;
	} rows[] = {
		{ { 0, 10 }, { 10, 10 }, false },	   /* touching */
		{ { 0, 11 }, { 10, 10 }, true },
		{ { 5, 0 }, { 0, 10 }, false },		   /* empty */
		{ { 0, 10 }, { 2, 3 }, true },		   /* inside */
		{ { TOP, 0x1000 }, { TOP + 0xfff, 1 }, true }, /* ends with the address space */
		{ { TOP, 0x1000 }, { 0, 1 }, false },
		{ { TOP, 0x1001 }, { 0, 1 }, false },	   /* wraps: no range at all */
		{ { 0, UINT64_MAX }, { UINT64_MAX, 1 }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(range_overlaps(rows[i].a, rows[i].b), rows[i].overlap);
		assert_int_equal(range_overlaps(rows[i].b, rows[i].a), rows[i].overlap);
	}
}

static void test_containing(void **state)
{
	static const struct {
		struct range outer, inner;
		bool contains;
	} rows[] = {
		{ { 0, 10 }, { 0, 10 }, true },	    { { 0, 10 }, { 0, 11 }, false },
		{ { 5, 10 }, { 4, 2 }, false },	    { { 0, 10 }, { 3, 0 }, false },
		{ { TOP, 0x1000 }, { TOP + 1, 0xfff }, true },
		{ { TOP, 0x1000 }, { TOP + 1, 0x1000 }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(range_contains(rows[i].outer, rows[i].inner), rows[i].contains);
}

static void test_a_range_may_end_with_the_address_space_but_not_pass_it(void **state)
{
	assert_true(range_valid(TOP, 0x1000));
	assert_false(range_valid(TOP, 0x1001));
	assert_true(range_valid(UINT64_MAX, 0));
	assert_int_equal(range_last((struct range){ TOP, 0x1000 }), UINT64_MAX);
}

static void test_alignment(void **state)
{
	assert_int_equal(align_up(1, 4096), 4096);
	assert_int_equal(align_up(4096, 4096), 4096);
	assert_int_equal(align_up(UINT64_MAX, 4096), 0); /* would wrap: callers look for 0 */
	assert_int_equal(align_down(4097, 4096), 4096);
	assert_true(is_pow2(1ull << 63));
	assert_false(is_pow2(0));
	assert_false(is_pow2(3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_containing),
		cmocka_unit_test(test_a_range_may_end_with_the_address_space_but_not_pass_it),
		cmocka_unit_test(test_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
