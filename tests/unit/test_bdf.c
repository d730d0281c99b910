// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/bdf.h"
#include "base/fd.h"

static void test_good_addresses_parse_and_print_in_full(void **state)
{
	static const struct {
		const char *text, *full;
	} rows[] = {
		{ "0000:3b:02.1", "0000:3b:02.1" }, { "3b:02.1", "0000:3b:02.1" },
		{ "ffff:ff:1f.7", "ffff:ff:1f.7" }, { "10000:e1:00.0", "10000:e1:00.0" },
		{ "ABCD:EF:1a.3", "abcd:ef:1a.3" }, { "00:00.0", "0000:00:00.0" },
		{ "ffffffff:00:00.0", "ffffffff:00:00.0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bdf b;

		assert_int_equal(bdf_parse(rows[i].text, &b), 0);
		assert_string_equal(BDF_STR(b), rows[i].full);
	}
}

static void test_everything_else_is_refused_and_leaves_the_result(void **state)
{
	static const char *const rows[] = {
		"", ":", "3b:02", "3b:02.", "3b:02.8", "3b:20.0", "3b:02.1 ", " 3b:02.1", "3b:2.1",
		"b:02.1", "03b:02.1", "000:3b:02.1", "0000:3b:02.1x", "0000:3b:02.10", "0000::02.1",
		"0000:3b:02:1", "123456789:3b:02.1", "0000:3g:02.1", "-001:3b:02.1", "0x00:3b:02.1",
		"eth0", "0000:3b:02.1\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bdf b = { 1, 2, 3, 4 };

		assert_int_equal(bdf_parse(rows[i], &b), -EINVAL);
		assert_string_equal(BDF_STR(b), "0001:02:03.4");
	}
}

static void test_order_is_domain_bus_device_function(void **state)
{
	static const struct bdf sorted[] = {
		{ 0, 0, 0, 0 }, { 0, 0, 0, 7 }, { 0, 0, 1, 0 }, { 0, 1, 0, 0 }, { 1, 0, 0, 0 },
		{ 0x80000000, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(sorted); k++) {
			int c = bdf_cmp(sorted[i], sorted[k]);

			assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
			assert_int_equal(bdf_eq(sorted[i], sorted[k]), i == k);
		}
	}
}

static void test_routing_ids_add_up_within_their_domain(void **state)
{
	static const struct {
		struct bdf from;
		unsigned long distance;
		struct bdf to;
	} rows[] = {
		{ { 0, 1, 0, 0 }, 128, { 0, 1, 0x10, 0 } },
		{ { 0, 1, 0, 1 }, 128 + 2 * 6, { 0, 1, 0x11, 5 } },
		{ { 7, 1, 0x1f, 7 }, 1, { 7, 2, 0, 0 } },
		{ { 0, 0, 0, 0 }, 0xffff, { 0, 0xff, 0x1f, 7 } },
	};
	struct bdf b = { 1, 2, 3, 4 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(bdf_add(rows[i].from, rows[i].distance, &b), 0);
		assert_string_equal(BDF_STR(b), BDF_STR(rows[i].to));
	}
	assert_int_equal(bdf_add((struct bdf){ 0, 0xff, 0x1f, 7 }, 1, &b), -ERANGE);
	assert_int_equal(bdf_add((struct bdf){ 0, 1, 0, 0 }, ~0ul, &b), -ERANGE);
	assert_string_equal(BDF_STR(b), "0000:ff:1f.7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_addresses_parse_and_print_in_full),
		cmocka_unit_test(test_everything_else_is_refused_and_leaves_the_result),
		cmocka_unit_test(test_routing_ids_add_up_within_their_domain),
		cmocka_unit_test(test_order_is_domain_bus_device_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
