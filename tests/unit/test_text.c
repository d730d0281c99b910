// SPDX-License-Identifier: GPL-2.0-or-later
/* What users and the kernel write as text: CPU lists, sizes, numbers; and errors as users read them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpulist.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/size.h"

static void test_a_cpulist_parses_and_prints_shortest(void **state)
{
	static const struct {
		const char *text, *shortest;
		unsigned count;
	} rows[] = {
		{ "", "", 0 },		   { "0", "0", 1 },
		{ "0-3,8,10-11", "0-3,8,10-11", 7 },
		{ "3,2,1,0\n", "0-3", 4 }, { "0-1,1-2", "0-2", 3 },
		{ "4095", "4095", 1 },	   { "63-64", "63-64", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpulist l;
		char buf[64];

		assert_int_equal(cpulist_parse(rows[i].text, &l), 0);
		assert_int_equal(cpulist_count(&l), rows[i].count);
		assert_int_equal(cpulist_format(&l, buf, sizeof(buf)), strlen(rows[i].shortest));
		assert_string_equal(buf, rows[i].shortest);
	}
}

static void test_bad_cpulists_are_refused(void **state)
{
	static const struct {
		const char *text;
		int r;
	} rows[] = {
		{ ",", -EINVAL },    { "1,", -EINVAL },	  { "1,\n", -EINVAL }, { "1-", -EINVAL },
		{ "-1", -EINVAL },   { "3-1", -EINVAL },  { "1 2", -EINVAL },  { "a", -EINVAL },
		{ "1--2", -EINVAL }, { "4096", -ERANGE }, { "0-99999999999999999999", -ERANGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpulist l = { { 5 } };

		assert_int_equal(cpulist_parse(rows[i].text, &l), rows[i].r);
		assert_int_equal(l.bits[0], 5);
	}
}

static void test_a_cpulist_that_does_not_fit_says_so(void **state)
{
	struct cpulist l;
	char buf[8];

	assert_int_equal(cpulist_parse("0,2,4,6,8", &l), 0);
	assert_int_equal(cpulist_format(&l, buf, sizeof(buf)), -ENOSPC);
	assert_false(cpulist_has(&l, CPULIST_MAX)); /* past the end is not a member */
	assert_false(cpulist_has(&l, 1));
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} rows[] = {
		{ "512M", 0, 512 * MiB },     { "2g", 0, 2 * GiB },  { "64K", 0, 64 * KiB },
		{ "1T", 0, GiB << 10 },	      { "3", 0, 3 * MiB },   { "0", 0, 0 },
		{ "", -EINVAL, 0 },	      { "M", -EINVAL, 0 },   { "1MB", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },	      { "-1M", -EINVAL, 0 }, { " 1M", -EINVAL, 0 },
		{ "1M ", -EINVAL, 0 },	      { "0x10", -EINVAL, 0 },
		{ "17592186044415M", 0, 17592186044415 * MiB },
		{ "17592186044416M", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 77;

		assert_int_equal(size_parse(rows[i].text, &v), rows[i].r);
		assert_int_equal(v, rows[i].r == 0 ? rows[i].bytes : 77);
	}
}

static void test_numbers_keep_to_their_limit(void **state)
{
	uint64_t v = 7;

	assert_int_equal(uint_parse("255", 255, &v), 0);
	assert_int_equal(v, 255);
	assert_int_equal(uint_parse("256", 255, &v), -ERANGE);
	assert_int_equal(uint_parse("18446744073709551615", UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(uint_parse("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(uint_parse("+1", 9, &v), -EINVAL);
	assert_int_equal(uint_parse("1 ", 9, &v), -EINVAL);
	assert_int_equal(uint_parse("", 9, &v), -EINVAL);
}

static void test_sizes_print_in_the_largest_unit_that_divides(void **state)
{
	assert_string_equal(SIZE_STR(GiB), "1 GiB");
	assert_string_equal(SIZE_STR(GiB + MiB), "1025 MiB");
	assert_string_equal(SIZE_STR(4 * KiB), "4 KiB");
	assert_string_equal(SIZE_STR(12), "12 bytes");
	assert_string_equal(SIZE_STR(0), "0 bytes");
}

static void test_the_first_error_stands(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(err_set(&e, -EBUSY, "cannot bind %s", "x"), -EBUSY);
	assert_int_equal(err_set(&e, -EIO, "cannot unwind"), -EIO);
	assert_int_equal(err_usage(&e, "nonsense"), -EINVAL);
	assert_string_equal(e.text, "cannot bind x: Device or resource busy");
	assert_int_equal(err_hint(&e, "first"), -EBUSY);
	err_hint(&e, "second");
	assert_string_equal(e.hint, "first");
	assert_int_equal(err_prefix(&e, "vm %d", 3), -EBUSY);
	assert_string_equal(e.text, "vm 3: cannot bind x: Device or resource busy");
	assert_int_equal(err_exit_status(&e), 1);
}

static void test_usage_is_exit_status_2_and_nothing_is_0(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(err_exit_status(&e), 0);
	assert_int_equal(err_usage(&e, "no"), -EINVAL);
	assert_int_equal(err_exit_status(&e), 2);
	assert_int_equal(err_set(NULL, -EIO, "nobody listens"), -EIO);
	assert_true(err_hint(NULL, "nobody") < 0); /* `return err_hint(…)` stays a failure */
}

static void test_a_long_error_is_cut_and_not_overrun(void **state)
{
	char text[2000];
	struct err e = ERR_INIT;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, -EIO, "%s", text);
	err_prefix(&e, "%s", text);
	err_hint(&e, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(strlen(e.hint), sizeof(e.hint) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cpulist_parses_and_prints_shortest),
		cmocka_unit_test(test_bad_cpulists_are_refused),
		cmocka_unit_test(test_a_cpulist_that_does_not_fit_says_so),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_numbers_keep_to_their_limit),
		cmocka_unit_test(test_sizes_print_in_the_largest_unit_that_divides),
		cmocka_unit_test(test_the_first_error_stands),
		cmocka_unit_test(test_usage_is_exit_status_2_and_nothing_is_0),
		cmocka_unit_test(test_a_long_error_is_cut_and_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
