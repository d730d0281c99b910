// SPDX-License-Identifier: GPL-2.0-or-later
/* What changes leave in the system's log: a socket at the fake root's dev/log reads it. */
#include "base/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "base/log.h"
#include "tests/fake/sysfs.h"

#define DEV "0000:01:00.0"

static int root = -1, reader = -1;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "dev" }, { "proc/self/loginuid", "1000" }, { "attr", "old" }, { "run" }, { 0 },
	};
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	log_set_level(LOG_QUIET);
	root = fake_sysfs(nodes);
	reader = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (hostfs_path(root, addr.sun_path, sizeof(addr.sun_path), "dev/log") < 0)
		return -1;
	return bind(reader, (struct sockaddr *)&addr, sizeof(addr));
}

static int teardown(void **state)
{
	close_fdp(&reader);
	fake_sysfs_free(&root);
	return 0;
}

/* The next line behind "<29>Nov 20 18:00:00 thruway[PID]: ", or "" when there is none. */
static const char *said(void)
{
	static char line[1024];
	ssize_t n = recv(reader, line, sizeof(line) - 1, 0);
	char month[4], rest[1024] = "";
	int day, h, m, s, pid;

	if (n <= 0)
		return "";
	line[n] = '\0';
	assert_int_equal(sscanf(line, "<29>%3s %d %d:%d:%d thruway[%d]: %1023[^\n]", month, &day,
				&h, &m, &s, &pid, rest), 7);
	assert_int_equal(pid, getpid());
	return strcpy(line, rest);
}

static void test_a_line_has_the_change_and_the_login(void **state)
{
	audit_change(root, "bind eth0", "%d changes made", 3);
	assert_string_equal(said(), "bind eth0: 3 changes made (login uid 1000)");
	assert_string_equal(said(), "");
}

static void test_a_service_has_no_login(void **state)
{
	fake_sysfs_text(root, "4294967295", "proc/self/loginuid");
	audit_change(root, "host apply", "done");
	assert_string_equal(said(), "host apply: done (login uid none)");
}

static void test_what_is_asked_for_makes_no_second_line(void **state)
{
	audit_change(root, "bind a\nNov 20 00:00:00 sshd[1]: b", "%s", "x\033[2J");
	assert_string_equal(said(), "bind a?Nov 20 00:00:00 sshd[1]: b: x?[2J (login uid 1000)");
}

static void test_a_long_command_leaves_room_for_who(void **state)
{
	char command[600];
	const char *line;

	memset(command, 'x', sizeof(command) - 1);
	command[sizeof(command) - 1] = '\0';
	audit_change(root, command, "done");
	line = said();
	assert_non_null(strstr(line, "xxx: done (login uid 1000)"));
}

static void test_nobody_waits_for_a_log(void **state)
{
	alarm(20);
	for (int i = 0; i < 2000; i++) /* more than the socket takes */
		audit_change(root, "bind", "done");
	close_fdp(&reader);
	audit_change(root, "bind", "done"); /* nobody there */
	fake_sysfs_remove(root, "dev/log");
	audit_change(root, "bind", "done"); /* nothing there */
	alarm(0);
}

/* --- the journal is where lines come from ----------------------------------------------------- */

static int attr_read(int r, const struct step *s, char *buf, size_t size)
{
	return hostfs_read(r, buf, size, "attr") < 0 ? -1 : 0;
}

static int attr_write(int r, const struct step *s, const char *value, struct err *err)
{
	if (strcmp(value, "refused") == 0)
		return err_set(err, -5, "cannot");
	fake_sysfs_text(r, value, "attr");
	return 0;
}

static const struct step_ops attr = { .op = "attr", .read = attr_read, .write = attr_write };
static const struct step_ops *const ops[] = { &attr, NULL };

static int change_to(const char *after)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct journal_owner owner = { .command = "bind " DEV };
	struct step step = { .op = "attr", .dev = DEV };
	struct txn *txn;
	int r;

	snprintf(step.after, sizeof(step.after), "%s", after);
	assert_int_equal(plan_add(&plan, &step), 0);
	r = txn_begin(root, ops, &plan, &owner, 5, &txn, NULL);
	return r < 0 ? r : txn_apply(txn, NULL);
}

static void test_each_change_and_its_undoing_leave_one_line(void **state)
{
	unsigned undone;

	assert_int_equal(change_to("new"), 0);
	assert_string_equal(said(), "bind " DEV ": 1 change made (login uid 1000)");
	assert_int_equal(journal_restore(root, ops, DEV, 5, &undone, NULL), 0);
	assert_string_equal(said(), "bind " DEV ": 1 change undone (login uid 1000)");
	assert_string_equal(said(), "");
}

static void test_what_another_tool_made_of_it_is_named(void **state)
{
	unsigned undone;

	assert_int_equal(change_to("new"), 0);
	(void)said();
	fake_sysfs_text(root, "theirs", "attr");
	assert_int_equal(journal_restore(root, ops, DEV, 5, &undone, NULL), 0);
	assert_string_equal(said(), "bind " DEV ": undone with what others made of it: attr of " DEV
			    " was 'theirs' (login uid 1000)");
	assert_string_equal(said(), "bind " DEV ": 1 change undone (login uid 1000)");
}

static void test_what_changes_nothing_leaves_none(void **state)
{
	assert_int_equal(change_to("old"), 0);
	assert_int_equal(change_to("refused"), -5);
	assert_string_equal(said(), "");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_line_has_the_change_and_the_login),
		TEST(test_a_service_has_no_login),
		TEST(test_what_is_asked_for_makes_no_second_line),
		TEST(test_a_long_command_leaves_room_for_who),
		TEST(test_nobody_waits_for_a_log),
		TEST(test_each_change_and_its_undoing_leave_one_line),
		TEST(test_what_another_tool_made_of_it_is_named),
		TEST(test_what_changes_nothing_leaves_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
