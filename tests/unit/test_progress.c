// SPDX-License-Identifier: GPL-2.0-or-later
/* The line about long work, as a terminal gets it: a pty whose other end this test reads. */
#include "base/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/journal.h"
#include "base/log.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/sysfs.h"

static char seen[4096];

/* A terminal's size is the terminal's to say. */
static int real_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int setup(void **state)
{
	fake_ioctl_reset();
	fake_ioctl_handle(STDERR_FILENO, real_ioctl, NULL);
	setenv("TERM", "xterm", 1);
	log_set_level(LOG_WARN);
	return 0;
}

/* Run fn with stderr at the terminal or, where there is none, at a pipe. `seen`: what came. */
static void see(void (*fn)(void), unsigned columns)
{
	struct winsize size = { .ws_row = 24, .ws_col = (unsigned short)columns };
	int master, slave, pipes[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (columns) {
		master = posix_openpt(O_RDWR | O_NOCTTY);
		assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
		slave = open(ptsname(master), O_RDWR | O_NOCTTY);
		assert_true(slave >= 0 && ioctl(slave, TIOCSWINSZ, &size) == 0);
	} else {
		assert_int_equal(pipe(pipes), 0);
		master = pipes[0];
		slave = pipes[1];
	}
	pid = fork();
	if (pid == 0) {
		dup2(slave, STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(slave);
	while (len < sizeof(seen) - 1 && (n = read(master, seen + len, sizeof(seen) - 1 - len)) > 0)
		len += (size_t)n; /* a terminal whose other end is closed gives EIO */
	seen[len] = '\0';
	close(master);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void pause_ms(unsigned ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

static bool shown; /* what progress_show() said */

static void work(unsigned steps, unsigned ms)
{
	_cleanup_(progress_end) struct progress p = PROGRESS_INIT;

	for (unsigned i = 0; i < steps; i++) {
		shown = progress_show(&p, "%u of %u VFs are there", i, steps);
		pause_ms(ms);
	}
}

static void long_work(void)
{
	work(2, PROGRESS_AFTER_MS + 50);
}

static void short_work(void)
{
	work(10, 5);
}

static void test_long_work_is_shown_and_the_line_goes_away(void **state)
{
	see(long_work, 80);
	assert_string_equal(seen, "\r\033[Kthruway: 1 of 2 VFs are there\r\033[K");
}

static void test_short_work_shows_nothing(void **state)
{
	see(short_work, 80);
	assert_string_equal(seen, "");
}

static void must_log(void)
{
	long_work();
	if (shown)
		_exit(1);
}

static void test_nothing_goes_to_what_is_no_terminal(void **state)
{
	see(must_log, 0);
	assert_string_equal(seen, "");
	setenv("TERM", "dumb", 1);
	see(must_log, 80);
	assert_string_equal(seen, "");
}

static void test_quiet_is_quiet(void **state)
{
	log_set_level(LOG_QUIET);
	see(must_log, 80);
	assert_string_equal(seen, "");
}

static void test_the_line_fits_the_terminal(void **state)
{
	see(long_work, 20);
	assert_string_equal(seen, "\r\033[Kthruway: 1 of 2 VFs\r\033[K");
}

static void warn_in_between(void)
{
	_cleanup_(progress_end) struct progress p = PROGRESS_INIT;

	progress_show(&p, "a");
	pause_ms(PROGRESS_AFTER_MS + 50);
	progress_show(&p, "b\033[2J");
	log_warn("something");
	progress_show(&p, "c");
	progress_end(&p);
	log_warn("more");
}

/* And the terminal obeys nothing that a device's name might hold. */
static void test_a_message_gets_a_line_of_its_own(void **state)
{
	see(warn_in_between, 80);
	assert_string_equal(seen, "\r\033[Kthruway: b\\x1b[2J\r\033[Kthruway: something\r\n"
				  "\r\033[Kthruway: c\r\033[Kthruway: more\r\n");
}

static int root;

static void wait_for_lock(void)
{
	struct err err = ERR_INIT;
	int lock;

	if (journal_lock(root, "bind", 5, &lock, &err) != -ETIMEDOUT)
		_exit(1);
}

static void test_who_waits_for_the_lock_sees_for_whom(void **state)
{
	static const struct fake_node nodes[] = { { "run", 0 }, { 0 } };
	int lock;

	root = fake_sysfs(nodes);
	fake_sysfs_link(root, "/proc", "proc");
	assert_int_equal(journal_lock(root, "vf create", 1, &lock, NULL), 0);
	see(wait_for_lock, 80);
	assert_non_null(strstr(seen, "\r\033[Kthruway: waiting for pid "));
	assert_non_null(strstr(seen, "(vf create)"));
	assert_null(strchr(seen, '\n'));
	assert_string_equal(seen + strlen(seen) - 4, "\r\033[K");
	journal_unlock(&lock);
	fake_sysfs_free(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, setup)
		TEST(test_long_work_is_shown_and_the_line_goes_away),
		TEST(test_short_work_shows_nothing),
		TEST(test_nothing_goes_to_what_is_no_terminal),
		TEST(test_quiet_is_quiet),
		TEST(test_the_line_fits_the_terminal),
		TEST(test_a_message_gets_a_line_of_its_own),
		TEST(test_who_waits_for_the_lock_sees_for_whom),
#undef TEST
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
