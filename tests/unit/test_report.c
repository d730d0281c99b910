// SPDX-License-Identifier: GPL-2.0-or-later
/* Output that cannot be written: the real errno, and what was done is told on stderr. */
#include "tools/report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ssize_t fail_to_write(void *cookie, const char *buf, size_t size)
{
	errno = *(int *)cookie;
	return -1;
}

/* A stream on which every write fails so. */
static FILE *broken(int *code)
{
	FILE *f = fopencookie(code, "w", (cookie_io_functions_t){ .write = fail_to_write });

	assert_non_null(f);
	return f;
}

static void test_the_errno_is_the_one_of_the_write(void **state)
{
	static int codes[] = { ENOSPC, EPIPE, EIO };

	for (unsigned i = 0; i < 3; i++) {
		FILE *out = broken(&codes[i]);
		struct err err = ERR_INIT;

		fputs("x", out);
		assert_int_equal(report_flush(out, &err), -codes[i]);
		assert_non_null(strstr(err.text, "cannot write the output: "));
		assert_non_null(strstr(err.text, strerror(codes[i])));
		fclose(out);
	}
}

static void test_a_write_that_failed_long_ago_is_not_forgotten(void **state)
{
	int code = ENOSPC;
	FILE *out = broken(&code);
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < 100000; i++) /* more than a buffer */
		fputs("x", out);
	assert_int_equal(report_flush(out, &err), -ENOSPC);
	fclose(out);
}

static void test_what_arrives_is_no_error(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int code = EIO;
	FILE *nowhere = broken(&code);

	assert_int_equal(report_done("done\n", 5, out, nowhere, NULL), 0);
	fclose(out);
	assert_string_equal(text, "done\n");
	free(text);
	fclose(nowhere);
}

static void test_what_was_done_is_told_elsewhere(void **state)
{
	char *text = NULL;
	int code = ENOSPC;
	FILE *out = broken(&code), *instead;
	struct err err = ERR_INIT;
	size_t size;

	instead = open_memstream(&text, &size);
	assert_int_equal(report_done("a: bound\n", 9, out, instead, &err), -ENOSPC);
	fflush(instead);
	assert_string_equal(text, "a: bound\n");
	assert_non_null(strstr(err.hint, "done all the same"));
	fclose(instead);
	free(text);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_errno_is_the_one_of_the_write),
		cmocka_unit_test(test_a_write_that_failed_long_ago_is_not_forgotten),
		cmocka_unit_test(test_what_arrives_is_no_error),
		cmocka_unit_test(test_what_was_done_is_told_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
