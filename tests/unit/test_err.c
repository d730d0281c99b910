// SPDX-License-Identifier: GPL-2.0-or-later
/* Errors keep their cause, whoever unwinds and whether or not anybody wants words. */
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_the_first_error_and_the_first_hint_stand(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(err_set(&err, -EBUSY, "cannot %s", "bind"), -EBUSY);
	assert_int_equal(err_plain(&err, -EIO, "later"), -EIO);
	assert_int_equal(err_hint(&err, "do %d", 1), -EBUSY);
	assert_int_equal(err_hint(&err, "do %d", 2), -EBUSY);
	assert_string_equal(err.text, "cannot bind: Device or resource busy");
	assert_string_equal(err.hint, "do 1");
	assert_int_equal(err_exit_status(&err), 1);
}

static void test_numbers_of_the_kernels_own_have_words(void **state)
{
	struct err defer = ERR_INIT, unsupported = ERR_INIT;

	err_set(&unsupported, -524, "cannot");
	assert_string_equal(unsupported.text, "cannot: not supported by the driver (ENOTSUPP)");
	err_set(&defer, -517, "cannot");
	assert_non_null(strstr(defer.text, "(EPROBE_DEFER)"));
}

static void test_what_controls_a_terminal_is_shown_as_bytes(void **state)
{
	char buf[64];

	assert_string_equal(log_harmless("a\033[31mb\177\302\233c\233", buf, sizeof(buf)),
			    "a\\x1b[31mb\\x7f\302\\x9bc\\x9b");
	assert_string_equal(log_harmless("\303\234ber \342\200\246\n\303\266", buf, sizeof(buf)),
			    "\303\234ber \342\200\246\n\303\266"); /* text in UTF-8 stays */
	assert_int_equal(strlen(log_harmless("\033\033\033\033", buf, 10)), 8);
}

static void test_a_hint_without_err_is_still_a_failure(void **state)
{
	err_plain(NULL, -ENODEV, "gone");
	assert_int_equal(err_hint(NULL, "look again"), -ENODEV);
	err_usage(NULL, "wrong");
	assert_int_equal(err_prefix(NULL, "vf create"), -EINVAL);
	err_set(NULL, -EPERM, "no");
	assert_int_equal(err_hint(NULL, "be root"), -EPERM);
}

static void test_usage_errors_exit_with_2(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(err_usage(&err, "bad %s", "word"), -EINVAL);
	assert_int_equal(err_prefix(&err, "vf set"), -EINVAL);
	assert_string_equal(err.text, "vf set: bad word");
	assert_int_equal(err_exit_status(&err), 2);
}

static void test_long_words_are_cut_and_never_overrun(void **state)
{
	struct err err = ERR_INIT;
	char word[2048];

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	err_set(&err, -EIO, "%s", word);
	err_hint(&err, "%s", word);
	err_prefix(&err, "%s", word);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_error_and_the_first_hint_stand),
		cmocka_unit_test(test_numbers_of_the_kernels_own_have_words),
		cmocka_unit_test(test_what_controls_a_terminal_is_shown_as_bytes),
		cmocka_unit_test(test_a_hint_without_err_is_still_a_failure),
		cmocka_unit_test(test_usage_errors_exit_with_2),
		cmocka_unit_test(test_long_words_are_cut_and_never_overrun),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
