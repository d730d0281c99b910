// SPDX-License-Identifier: GPL-2.0-or-later
/* The limits that the VMM inherits: raised as far as allowed, and which of them are no start. */
#include "tools/vmm_limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/capability.h>

#include "base/size.h"

struct outcome {
	int r;
	struct rlimit files, memory;
	char hint[128];
	char said[256];
};

/* As an ordinary user: a hard limit stays where it is. */
static void drop_cap_sys_resource(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		_exit(2);
	data[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	data[0].permitted &= ~(1u << CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &head, data) < 0)
		_exit(3);
}

static _Noreturn void raise_and_tell(const struct vmm_limits *limits, const struct rlimit *files,
				     int said, int to)
{
	static const struct rlimit memory = { 64 * KiB, 128 * KiB };
	struct outcome o = { .r = 1 };
	struct err err = ERR_INIT;

	if (setrlimit(RLIMIT_NOFILE, files) < 0 || setrlimit(RLIMIT_MEMLOCK, &memory) < 0 ||
	    dup2(said, STDERR_FILENO) < 0)
		_exit(1);
	drop_cap_sys_resource();
	o.r = vmm_limits_raise(limits, &err);
	memcpy(o.hint, err.hint, sizeof(o.hint));
	if (getrlimit(RLIMIT_NOFILE, &o.files) < 0 || getrlimit(RLIMIT_MEMLOCK, &o.memory) < 0)
		_exit(1);
	_exit(write(to, &o, sizeof(o)) != sizeof(o));
}

/* In a process of its own: a hard limit does not come back. */
static struct outcome raise_in_child(const struct vmm_limits *limits, rlim_t soft, rlim_t hard)
{
	struct rlimit files = { soft, hard };
	struct outcome o = { .r = 1 };
	FILE *said = tmpfile();
	int ends[2], status = -1;
	pid_t pid;

	assert_non_null(said);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		raise_and_tell(limits, &files, fileno(said), ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &o, sizeof(o)), sizeof(o));
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(pread(fileno(said), o.said, sizeof(o.said) - 1, 0) >= 0);
	fclose(said);
	return o;
}

static void test_a_user_with_a_low_hard_limit_starts_a_device_and_a_network_device(void **state)
{
	const struct vmm_limits limits = { .nofile = 320, .nofile_vectors = 320 + 2 * 2100 };
	struct outcome o = raise_in_child(&limits, 256, 1024);

	assert_int_equal(o.r, 0);
	assert_int_equal(o.files.rlim_cur, 1024);
	assert_int_equal(o.files.rlim_max, 1024);
	/* How many vectors it has the VMM knows. */
	assert_string_equal(o.said, "");
}

static void test_too_few_for_what_it_is_sure_to_open_is_warned_of(void **state)
{
	const struct vmm_limits limits = { .nofile = 320, .nofile_vectors = 320 };
	struct outcome o = raise_in_child(&limits, 64, 200);

	assert_int_equal(o.r, 0);
	assert_int_equal(o.files.rlim_cur, 200);
	assert_non_null(strstr(o.said, "may need 320 open files, and the limit is 200"));
	assert_non_null(strstr(o.said, "ulimit -Hn, LimitNOFILE="));
}

static void test_what_is_allowed_is_raised_and_a_higher_one_stays(void **state)
{
	const struct vmm_limits limits = { .nofile = 320, .nofile_vectors = 400 };

	assert_int_equal(raise_in_child(&limits, 64, 1024).files.rlim_cur, 400);
	assert_int_equal(raise_in_child(&limits, 1000, 1024).files.rlim_cur, 1000);
}

static void test_memory_that_cannot_be_locked_is_refused_but_that_of_later_is_not(void **state)
{
	const struct vmm_limits now = { .memlock = 256 * KiB };
	const struct vmm_limits later = { .memlock = 96 * KiB, .memlock_later = 256 * KiB };
	struct outcome o = raise_in_child(&now, 256, 256);

	assert_int_equal(o.r, -EPERM);
	assert_non_null(strstr(o.hint, "raise memlock to 256 KiB"));
	o = raise_in_child(&later, 256, 256);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.memory.rlim_cur, 128 * KiB);
	assert_string_equal(o.said, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_user_with_a_low_hard_limit_starts_a_device_and_a_network_device),
		cmocka_unit_test(test_too_few_for_what_it_is_sure_to_open_is_warned_of),
		cmocka_unit_test(test_what_is_allowed_is_raised_and_a_higher_one_stays),
		cmocka_unit_test(test_memory_that_cannot_be_locked_is_refused_but_that_of_later_is_not),
	};

	return cmocka_run_group_tests_name("vmm_limits", tests, NULL, NULL);
}
