// SPDX-License-Identifier: GPL-2.0-or-later
/* Room for the descriptors of all vectors, as far as the limits go. */
#include "irq/irqfd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct outcome {
	int r;
	uint64_t need;
	rlim_t soft;
};

/* In a process of its own: a hard limit does not come back. */
static struct outcome reserve(unsigned n, rlim_t soft, rlim_t hard)
{
	struct outcome o = { .r = 1 };
	struct rlimit limit = { soft, hard };
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			_exit(1);
		o.r = irqfd_reserve(n, &o.need);
		if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
			_exit(1);
		o.soft = limit.rlim_cur;
		_exit(write(ends[1], &o, sizeof(o)) != sizeof(o));
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &o, sizeof(o)), sizeof(o));
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return o;
}

static void test_the_soft_limit_is_raised_to_what_is_needed(void **state)
{
	struct outcome o = reserve(100, 64, 1024);

	assert_int_equal(o.r, 0);
	assert_in_range(o.soft, 101, 1023);
}

static void test_a_higher_one_stays(void **state)
{
	struct outcome o = reserve(10, 1000, 1024);

	assert_int_equal(o.r, 0);
	assert_int_equal(o.soft, 1000);
}

static void test_with_too_low_a_hard_limit_all_of_it_is_used(void **state)
{
	struct outcome o = reserve(1000, 64, 512);

	assert_int_equal(o.r, -EMFILE);
	assert_in_range(o.need, 1001, 2000);
	assert_int_equal(o.soft, 512);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_soft_limit_is_raised_to_what_is_needed),
		cmocka_unit_test(test_a_higher_one_stays),
		cmocka_unit_test(test_with_too_low_a_hard_limit_all_of_it_is_used),
	};

	return cmocka_run_group_tests_name("irqfd_reserve", tests, NULL, NULL);
}
