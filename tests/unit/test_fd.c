// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors closed in runs: all of them, and none that lies between. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST 100

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_runs_are_closed_and_what_is_between_stays(void **state)
{
	int numbers[] = { FIRST + 4, -1, FIRST + 1, FIRST, FIRST + 3, FIRST + 7 };
	int *fds[ARRAY_SIZE(numbers)];

	for (int fd = FIRST; fd < FIRST + 9; fd++)
		assert_int_equal(dup2(0, fd), fd);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		fds[i] = &numbers[i];
	errno = EXDEV;
	close_fds(fds, ARRAY_SIZE(fds));
	assert_int_equal(errno, EXDEV);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		assert_int_equal(numbers[i], -1);
	for (int fd = FIRST; fd < FIRST + 9; fd++)
		assert_int_equal(is_open(fd), fd == FIRST + 2 || fd == FIRST + 5 ||
						      fd == FIRST + 6 || fd == FIRST + 8);
	close_fds(fds, ARRAY_SIZE(fds)); /* nothing left, nothing closed */
	assert_true(is_open(FIRST + 2));
	close_range(FIRST, FIRST + 9, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_are_closed_and_what_is_between_stays),
	};

	return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
