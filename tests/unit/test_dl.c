// SPDX-License-Identifier: GPL-2.0-or-later
/* Libraries that are loaded when something needs them. */
#include "base/dl.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"

#define MATH(X) X(floor) X(sqrt)

MATH(DL_POINTER)

static const struct dl_symbol symbols[] = { MATH(DL_SYMBOL) };
static const struct dl_symbol one_too_many[] = { MATH(DL_SYMBOL) { "no_such_function", NULL } };

static void forget(void)
{
	dl_floor = NULL;
	dl_sqrt = NULL;
}

static void test_functions_of_a_library_are_called(void **state)
{
	struct dl_library lib = { "libm.so.6", "libc6", symbols, ARRAY_SIZE(symbols) };
	struct err err = ERR_INIT;

	forget();
	assert_int_equal(dl_load(&lib, &err), 0);
	assert_int_equal((int)dl_sqrt(49.0), 7);
	assert_int_equal((int)dl_floor(2.5), 2);
	assert_int_equal(dl_load(&lib, &err), 0); /* again */
	assert_int_equal(err.code, 0);
}

static void test_a_missing_library_is_named_with_its_package(void **state)
{
	struct dl_library lib = { "libthere-is-none.so.9", "libnone9", symbols,
				  ARRAY_SIZE(symbols) };
	struct err err = ERR_INIT;

	forget();
	assert_int_equal(dl_load(&lib, &err), -ELIBACC);
	assert_non_null(strstr(err.text, "libthere-is-none.so.9"));
	assert_non_null(strstr(err.hint, "libnone9"));
	assert_null(dl_sqrt);
}

static void test_a_missing_function_leaves_no_pointer(void **state)
{
	struct dl_library lib = { "libm.so.6", "libc6", one_too_many, ARRAY_SIZE(one_too_many) };
	struct err err = ERR_INIT;

	forget();
	assert_int_equal(dl_load(&lib, &err), -ELIBACC);
	assert_non_null(strstr(err.text, "no_such_function"));
	assert_null(dl_floor);
	assert_false(lib.loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions_of_a_library_are_called),
		cmocka_unit_test(test_a_missing_library_is_named_with_its_package),
		cmocka_unit_test(test_a_missing_function_leaves_no_pointer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
