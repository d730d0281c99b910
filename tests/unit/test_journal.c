// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The journal over a row whose attributes are files, so that a child process can
 * die in the middle and its parent look at what is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "base/log.h"
#include "base/process.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define DEV_A "0000:01:00.0"
#define DEV_B "0000:02:00.0"

/* What the row does wrong, and when; counted over writes. */
static struct {
	unsigned writes;
	unsigned fail_at;     /* the n-th write, from 1; 0: never */
	int fail_with;	      /* -errno it returns */
	unsigned die_before;  /* _exit() ahead of the n-th write's effect */
	unsigned die_after;   /* and behind it */
	unsigned ignore_at;   /* the write succeeds and changes nothing */
	bool wipes;	      /* a write to x of DEV_A makes DEV_B anew, its attributes "d" */
	unsigned full_at;     /* from the n-th write on the journal cannot be written */
	const char *identity; /* "" for none */
	const char *held;     /* the key that somebody uses */
	bool b_is_of_a;	      /* DEV_B comes and goes with DEV_A */
} row;

static void attr_path(const struct step *s, char *buf, size_t size)
{
	snprintf(buf, size, "attr/%s/%s", s->dev, s->key);
}

static int attr_read(int root, const struct step *s, char *buf, size_t size)
{
	char path[128];
	ssize_t n;

	if (!hostfs_exists(root, "attr/%s", s->dev))
		return -ENODEV;
	attr_path(s, path, sizeof(path));
	n = hostfs_read(root, buf, size, "%s", path);
	return n == -ENOENT ? -EOPNOTSUPP : n < 0 ? (int)n : 0;
}

static int attr_write(int root, const struct step *s, const char *value, struct err *err)
{
	unsigned n = ++row.writes;
	char path[128];
	int fd;

	if (n == row.die_before)
		_exit(77);
	if (n == row.full_at)
		fake_sysfs_text(root, "", "run/thruway/journal/.0000000001/in-the-way");
	if (n == row.fail_at)
		return err_set(err, row.fail_with, "cannot set %s of %s", s->key, s->dev);
	if (n == row.ignore_at)
		return 0;
	attr_path(s, path, sizeof(path));
	fd = openat(root, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "cannot set %s", s->key);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
	if (row.wipes && strcmp(s->dev, DEV_A) == 0) {
		fake_sysfs_text(root, "d", "attr/" DEV_B "/x");
		fake_sysfs_text(root, "d", "attr/" DEV_B "/y");
	}
	if (n == row.die_after)
		_exit(77);
	return 0;
}

static int attr_identity(int root, const struct step *s, char *buf, size_t size)
{
	snprintf(buf, size, "%s", row.identity ? row.identity : "same");
	return 0;
}

static bool attr_held(int root, const struct step *s, char *who, size_t size)
{
	snprintf(who, size, "somebody");
	return row.held && strcmp(s->key, row.held) == 0;
}

static int attr_parent(int root, const struct step *s, char *buf, size_t size)
{
	if (!row.b_is_of_a || strcmp(s->dev, DEV_B) != 0)
		return -ENOENT;
	snprintf(buf, size, DEV_A);
	return 0;
}

static const struct step_ops attr_ops = {
	.op = "attr",
	.read = attr_read,
	.write = attr_write,
	.identity = attr_identity,
	.held = attr_held,
	.parent = attr_parent,
};
/* Down at the end of all: what is below is written only while it is up. */
static bool link_is_last(const char *value)
{
	return strcmp(value, "down") == 0;
}

static const struct step_ops link_ops = {
	.op = "link",
	.read = attr_read,
	.write = attr_write,
	.last = link_is_last,
};
static const struct step_ops *const ops[] = { &attr_ops, &link_ops, NULL };

static int host = -1; /* the root of the fake one */
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "attr/" DEV_A "/x", "x0" }, { "attr/" DEV_A "/y", "y0" },
		{ "attr/" DEV_B "/x", "bx0" }, { "attr/" DEV_B "/y", "" }, { 0 },
	};

	log_set_level(LOG_QUIET);
	memset(&row, 0, sizeof(row));
	err = (struct err)ERR_INIT;
	host = fake_sysfs(nodes);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static void add(struct plan *p, const char *dev, const char *key, const char *after)
{
	struct step s = { .op = "attr" };

	snprintf(s.dev, sizeof(s.dev), "%s", dev);
	snprintf(s.key, sizeof(s.key), "%s", key);
	snprintf(s.after, sizeof(s.after), "%s", after);
	assert_int_equal(plan_add(p, &s), 0);
}

/* The plan most tests use: four steps on two devices. */
static void four_steps(struct plan *p)
{
	add(p, DEV_A, "x", "x1");
	add(p, DEV_A, "y", "y1");
	add(p, DEV_B, "x", "bx1");
	add(p, DEV_B, "y", "by1");
}

static int change_as(struct plan *p, const struct journal_owner *owner)
{
	struct txn *txn;
	int r = txn_begin(host, ops, p, owner, 1, &txn, &err);

	if (r == 0)
		r = txn_apply(txn, &err);
	plan_fini(p);
	return r;
}

static int change(struct plan *p)
{
	static const struct journal_owner owner = { .command = "test \\ it" };

	return change_as(p, &owner);
}

static const char *attr(const char *dev, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "attr/%s/%s", dev, key);
	return fake_get(host, path);
}

static void assert_untouched(void)
{
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_string_equal(attr(DEV_A, "y"), "y0");
	assert_string_equal(attr(DEV_B, "x"), "bx0");
	assert_string_equal(attr(DEV_B, "y"), "");
}

static void assert_changed(void)
{
	assert_string_equal(attr(DEV_A, "x"), "x1");
	assert_string_equal(attr(DEV_A, "y"), "y1");
	assert_string_equal(attr(DEV_B, "x"), "bx1");
	assert_string_equal(attr(DEV_B, "y"), "by1");
}

static int count_entry(const char *name, void *opaque)
{
	++*(unsigned *)opaque;
	return 0;
}

static unsigned entries(void)
{
	unsigned n = 0;

	hostfs_list(host, count_entry, &n, "run/thruway/journal");
	return n;
}

static unsigned recover(void)
{
	unsigned n = 0;
	int r = journal_recover(host, ops, 1, &n, &err);

	if (r < 0)
		fail_msg("recover: %s", err.text);
	return n;
}

static void test_a_change_is_applied_and_remembered(void **state)
{
	struct plan p = PLAN_INIT;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	assert_changed();
	assert_int_equal(entries(), 1);
	assert_int_equal(recover(), 0); /* a committed change is nobody's to recover */
	assert_changed();
}

static void remember(struct plan *p, const char *dev, const char *key)
{
	struct step s = { .op = "attr", .remember = true };

	snprintf(s.dev, sizeof(s.dev), "%s", dev);
	snprintf(s.key, sizeof(s.key), "%s", key);
	assert_int_equal(plan_add(p, &s), 0);
}

/* As when VFs are destroyed and made again in another number. */
static void replace_b(struct plan *p)
{
	row.wipes = true;
	remember(p, DEV_B, "x");
	remember(p, DEV_B, "y");
	add(p, DEV_A, "x", "x1");
	add(p, DEV_B, "x", "bx0"); /* what the old one had already */
}

static void test_what_a_step_takes_away_is_remembered_and_put_back(void **state)
{
	struct plan p = PLAN_INIT, q = PLAN_INIT;
	unsigned n;

	replace_b(&p);
	assert_int_equal(change(&p), 0);
	assert_string_equal(attr(DEV_B, "x"), "bx0"); /* written again: the new one had "d" */
	assert_string_equal(attr(DEV_B, "y"), "d");
	assert_int_equal(row.writes, 2);
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	assert_untouched();

	replace_b(&q);
	row.writes = 0;
	row.fail_at = 2;
	row.fail_with = -EIO;
	assert_int_equal(change(&q), -EIO);
	assert_untouched();
	assert_int_equal(entries(), 0);
}

static void test_death_after_what_took_away_is_recovered(void **state)
{
	for (unsigned at = 1; at <= 2; at++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct plan p = PLAN_INIT;

			row.writes = 0;
			row.die_after = at;
			replace_b(&p);
			_exit(change(&p) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 77);
		memset(&row, 0, sizeof(row));
		row.wipes = true;
		recover();
		assert_untouched();
		assert_int_equal(entries(), 0);
	}
}

static void test_restore_undoes_one_device_and_then_the_other(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	assert_int_equal(journal_restore(host, ops, DEV_B, 1, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(attr(DEV_B, "x"), "bx0");
	assert_string_equal(attr(DEV_B, "y"), "");
	assert_string_equal(attr(DEV_A, "x"), "x1");
	assert_int_equal(entries(), 1);
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	assert_untouched();
	assert_int_equal(entries(), 0);
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, &err), 0);
	assert_int_equal(n, 0); /* nothing is known any more */
}

static void test_restore_goes_through_changes_newest_first(void **state)
{
	struct plan p = PLAN_INIT, q = PLAN_INIT;
	unsigned n = 0;

	add(&p, DEV_A, "x", "x1");
	assert_int_equal(change(&p), 0);
	add(&q, DEV_A, "x", "x2");
	assert_int_equal(change(&q), 0);
	assert_int_equal(entries(), 2);
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, &err), 0);
	assert_untouched();
	assert_int_equal(entries(), 0);
}

static void test_a_plan_that_changes_nothing_leaves_no_entry(void **state)
{
	struct plan p = PLAN_INIT;

	add(&p, DEV_A, "x", "x0");
	assert_int_equal(change(&p), 0);
	assert_int_equal(entries(), 0);
	assert_int_equal(row.writes, 0);
}

static void test_a_failure_at_any_step_undoes_the_others(void **state)
{
	for (unsigned at = 1; at <= 4; at++) {
		struct plan p = PLAN_INIT;

		memset(&row, 0, sizeof(row));
		err = (struct err)ERR_INIT;
		row.fail_at = at;
		row.fail_with = -EBUSY;
		four_steps(&p);
		assert_int_equal(change(&p), -EBUSY);
		assert_non_null(strstr(err.text, strerror(EBUSY)));
		assert_untouched();
		assert_int_equal(entries(), 0);
	}
}

static void test_a_write_without_effect_is_a_failure(void **state)
{
	struct plan p = PLAN_INIT;

	row.ignore_at = 3;
	four_steps(&p);
	assert_int_equal(change(&p), -EIO);
	assert_non_null(strstr(err.text, "should be 'bx1' and is 'bx0'"));
	assert_untouched();
}

/* Run the four steps in a child that dies as row says. True: it died there. */
static bool die_in_change(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct plan p = PLAN_INIT;

		four_steps(&p);
		_exit(change(&p) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 77;
}

static void test_death_at_any_step_is_recovered(void **state)
{
	for (unsigned at = 1; at <= 4; at++) {
		for (int after = 0; after < 2; after++) {
			memset(&row, 0, sizeof(row));
			*(after ? &row.die_after : &row.die_before) = at;
			assert_true(die_in_change());
			assert_int_equal(entries(), 1);
			memset(&row, 0, sizeof(row));
			recover();
			assert_untouched();
			assert_int_equal(entries(), 0);
		}
	}
}

/* The same for the undoing: a child dies in restore, the next one ends it. */
static void test_death_at_any_step_of_a_restore_is_recovered(void **state)
{
	for (unsigned at = 1; at <= 4; at++) {
		struct plan p = PLAN_INIT;
		int status;
		pid_t pid;

		memset(&row, 0, sizeof(row));
		four_steps(&p);
		assert_int_equal(change(&p), 0);
		memset(&row, 0, sizeof(row));
		row.die_after = at;
		pid = fork();
		if (pid == 0) {
			unsigned n;

			journal_restore(host, ops, NULL, 1, &n, NULL);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 77);
		memset(&row, 0, sizeof(row));
		recover();
		assert_untouched();
		assert_int_equal(entries(), 0);
	}
}

static void test_the_next_change_recovers_first(void **state)
{
	struct plan p = PLAN_INIT;

	row.die_after = 3;
	assert_true(die_in_change());
	memset(&row, 0, sizeof(row));
	add(&p, DEV_A, "x", "x9");
	assert_int_equal(change(&p), 0);
	assert_string_equal(attr(DEV_A, "x"), "x9");
	assert_string_equal(attr(DEV_B, "x"), "bx0");
	assert_int_equal(entries(), 1);
}

/* drivers_probe and bind say ENODEV for a driver that does not take the device. */
static void test_a_driver_that_refuses_is_not_taken_for_a_device_that_is_gone(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned undone;

	add(&p, DEV_A, "x", "x1");
	assert_int_equal(change(&p), 0);
	row.fail_at = row.writes + 1;
	row.fail_with = -ENODEV;
	assert_int_equal(journal_restore(host, ops, DEV_A, 5, &undone, &err), -ENODEV);
	assert_non_null(strstr(err.text, "cannot"));
	row.fail_at = 0;
	assert_int_equal(journal_restore(host, ops, DEV_A, 5, &undone, &err), 0);
	assert_int_equal(undone, 1);
}

static void test_an_undo_that_fails_keeps_the_entry(void **state)
{
	struct plan p = PLAN_INIT;

	four_steps(&p);
	row.fail_at = 3;
	row.fail_with = -EIO;
	row.ignore_at = 4; /* the first undo */
	assert_int_equal(change(&p), -EIO);
	assert_int_equal(entries(), 1);
	assert_string_equal(attr(DEV_A, "y"), "y1");
	memset(&row, 0, sizeof(row));
	assert_true(recover() >= 1);
	assert_untouched();
	assert_int_equal(entries(), 0);
}

static void test_an_unknown_outcome_is_left_for_recover(void **state)
{
	struct plan p = PLAN_INIT;

	four_steps(&p);
	row.fail_at = 3;
	row.fail_with = -ETIMEDOUT;
	assert_int_equal(change(&p), -ETIMEDOUT);
	assert_string_equal(attr(DEV_A, "x"), "x1"); /* nothing more was touched */
	assert_int_equal(row.writes, 3);
	assert_int_equal(entries(), 1);
	recover();
	assert_untouched();
}

static void test_an_optional_step_may_fail(void **state)
{
	struct plan p = PLAN_INIT;

	add(&p, DEV_A, "x", "x1");
	add(&p, DEV_A, "y", "y1");
	add(&p, DEV_B, "none", "1"); /* the device has no such attribute */
	p.steps[1].optional = p.steps[2].optional = true;
	row.fail_at = 2;
	row.fail_with = -EOPNOTSUPP;
	assert_int_equal(change(&p), 0);
	assert_string_equal(attr(DEV_A, "x"), "x1");
	assert_string_equal(attr(DEV_A, "y"), "y0");
}

static void test_an_attribute_that_is_missing_fails_the_plan_before_it_begins(void **state)
{
	struct plan p = PLAN_INIT;

	add(&p, DEV_A, "x", "x1");
	add(&p, DEV_A, "none", "1");
	assert_int_equal(change(&p), -EOPNOTSUPP);
	assert_int_equal(row.writes, 0);
	assert_int_equal(entries(), 0);
}

static void test_a_transient_step_is_put_back_at_commit(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	four_steps(&p);
	p.steps[0].transient = true;
	assert_int_equal(change(&p), 0);
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_string_equal(attr(DEV_A, "y"), "y1");
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_untouched();
}

static void test_one_attribute_changed_twice_comes_back_to_the_first_value(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	add(&p, DEV_A, "x", "");
	add(&p, DEV_A, "y", "y1");
	add(&p, DEV_A, "x", "x2");
	assert_int_equal(change(&p), 0);
	assert_string_equal(attr(DEV_A, "x"), "x2");
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_untouched();
}

/* The change stands, autoprobe is off: the next command, or recover, puts that back. */
static void test_a_transient_step_that_cannot_be_put_back_is_put_back_later(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	four_steps(&p);
	p.steps[0].transient = true;
	row.fail_at = 5;
	row.fail_with = -EIO;
	assert_int_equal(change(&p), 0);
	assert_string_equal(attr(DEV_A, "x"), "x1");
	assert_int_equal(recover(), 1);
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_string_equal(attr(DEV_A, "y"), "y1"); /* the rest stands */
	assert_int_equal(entries(), 1);
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_untouched();
	assert_int_equal(entries(), 0);
}

/* As bind is: no driver, then another; the first of the two undoings fails. */
static void test_what_a_later_undo_made_good_is_not_undone_again(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	add(&p, DEV_A, "x", "");
	add(&p, DEV_A, "x", "x2");
	assert_int_equal(change(&p), 0);
	row.fail_at = row.writes + 1;
	row.fail_with = -EIO;
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, &err), 0);
	assert_untouched();
	assert_int_equal(entries(), 0);
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_untouched();
}

/* A row whose write makes another device, as sriov_numvfs does. */
static int making_write(int root, const struct step *s, const char *value, struct err *e)
{
	int r = attr_write(root, s, value, e);

	if (r == 0 && strcmp(s->key, "x") == 0 && strcmp(value, "x1") == 0)
		fake_sysfs_text(host, "z0", "attr/new/z");
	return r;
}

static void test_a_step_may_speak_of_a_device_an_earlier_one_makes(void **state)
{
	static const struct step_ops making = {
		.op = "attr", .read = attr_read, .write = making_write
	};
	static const struct step_ops *const making_ops[] = { &making, NULL };
	struct journal_owner owner = { .command = "make" };
	struct plan p = PLAN_INIT;
	struct txn *txn;
	unsigned n = 0;

	add(&p, DEV_A, "x", "x1");
	add(&p, "new", "z", "z1");
	assert_int_equal(txn_begin(host, making_ops, &p, &owner, 1, &txn, &err), 0);
	assert_int_equal(txn_apply(txn, &err), 0);
	plan_fini(&p);
	assert_string_equal(fake_get(host, "attr/new/z"), "z1");
	assert_int_equal(journal_restore(host, making_ops, "new", 1, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(fake_get(host, "attr/new/z"), "z0");
}

static void test_a_device_that_is_gone_counts_as_undone(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	fake_sysfs_remove(host, "attr/" DEV_B "/x");
	fake_sysfs_remove(host, "attr/" DEV_B "/y");
	assert_int_equal(unlinkat(host, "attr/" DEV_B, AT_REMOVEDIR), 0);
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_int_equal(entries(), 0);
}

static void test_another_device_at_the_address_is_left_alone(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	row.identity = "exchanged";
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	assert_changed();
	assert_int_equal(entries(), 0);
}

static const struct journal_owner run_owner = { .command = "run", .until_exit = true };

/* A child makes a change that is to last as long as itself, and dies. */
static void change_until_exit(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct plan p = PLAN_INIT;

		four_steps(&p);
		_exit(change_as(&p, &run_owner) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_changed();
}

/* Two VMs with one device: the second's plan was made when the first had not bound it yet. */
static void test_what_a_living_process_changed_for_itself_is_not_changed_again(void **state)
{
	struct plan p = PLAN_INIT;
	int up[2], status;
	char c;
	pid_t pid;

	fake_sysfs_link(host, "/proc", "proc");
	assert_int_equal(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		four_steps(&p);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = change_as(&p, &run_owner) == 0 ? 'y' : 'n';
		assert_int_equal(write(up[1], &c, 1), 1);
		pause();
	}
	assert_int_equal(read(up[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	add(&p, DEV_B, "x", "other");
	assert_int_equal(change_as(&p, &run_owner), -EBUSY);
	assert_non_null(strstr(err.text, "has what this would change"));
	assert_changed();
	assert_int_equal(entries(), 1);
	err = (struct err)ERR_INIT;
	add(&p, DEV_B, "x", "bx1"); /* what is so already changes nothing */
	assert_int_equal(change_as(&p, &run_owner), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	add(&p, DEV_B, "x", "other");
	assert_int_equal(change(&p), 0); /* and first what the dead one left was undone */
	assert_string_equal(attr(DEV_B, "x"), "other");
	assert_string_equal(attr(DEV_A, "x"), "x0");
	close(up[0]);
	close(up[1]);
}

/* Half of it would take a driver_override from under the next VM. */
static void test_what_the_next_one_uses_stays_as_a_whole(void **state)
{
	fake_sysfs_link(host, "/proc", "proc");
	change_until_exit();
	row.held = "x";
	assert_int_equal(recover(), 0);
	assert_changed();
	assert_int_equal(entries(), 1);
	row.held = NULL;
	assert_int_equal(recover(), 4);
	assert_untouched();
	assert_int_equal(entries(), 0);
}

/* In a PID namespace of its own, and the host's proc: our pid there is another process. */
static void test_a_pid_in_somebody_elses_proc_is_not_taken_for_ours(void **state)
{
	struct process_id id;

	fake_sysfs_link(host, "1", "proc/self");
	fake_sysfs_text(host, "1 (init) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n",
			"proc/%d/stat", (int)getpid());
	process_self(host, &id);
	assert_int_equal(id.start, 0);
	assert_int_equal(id.pidns, 0);
	assert_true(process_is_self(host, &id));
	id.start = 4711;
	assert_false(process_is_self(host, &id));
}

/* As the only entry has it. */
static int owner_pid(void)
{
	const char *line = strstr(fake_get(host, "run/thruway/journal/0000000001"), "\npid=");

	assert_non_null(line);
	return atoi(line + 5);
}

static void test_a_change_until_exit_goes_with_its_process(void **state)
{
	struct plan p = PLAN_INIT;

	fake_sysfs_link(host, "/proc", "proc");
	four_steps(&p);
	assert_int_equal(change_as(&p, &run_owner), 0);
	assert_int_equal(recover(), 0); /* we are alive */
	assert_changed();
	assert_int_equal(entries(), 1);
}

static void test_a_dead_owner_is_known_by_pid_and_start(void **state)
{
	char path[64], stat[128], name[16];
	struct process_id who;

	fake_sysfs_link(host, "/proc", "proc");
	change_until_exit();
	/* What its pid is now: of another process. Field 22 is the start time. */
	fake_sysfs_remove(host, "proc");
	snprintf(name, sizeof(name), "%d", (int)getpid());
	fake_sysfs_link(host, name, "proc/self");
	fake_sysfs_link(host, "/proc/self/ns/pid", "proc/%s/ns/pid", name);
	snprintf(path, sizeof(path), "proc/%d/stat", owner_pid());
	snprintf(stat, sizeof(stat),
		 "%d (a) b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n", owner_pid());
	fake_sysfs_text(host, stat, "%s", path);
	assert_int_equal(journal_holder(host, DEV_A, &who), -ENOENT);
	assert_int_equal(recover(), 4);
	assert_untouched();
}

/* A VM in another PID namespace, or on a host whose proc hides others. */
static void test_an_owner_that_proc_does_not_show_is_not_taken_for_dead(void **state)
{
	struct plan p = PLAN_INIT;
	char name[16];

	snprintf(name, sizeof(name), "%d", (int)getpid());
	fake_sysfs_link(host, name, "proc/self");
	fake_sysfs_link(host, "/proc/self/ns/pid", "proc/%s/ns/pid", name);
	four_steps(&p);
	assert_int_equal(change_as(&p, &run_owner), 0);
	assert_int_equal(recover(), 0);
	assert_changed();
}

static void test_without_proc_nobody_is_taken_for_dead(void **state)
{
	fake_sysfs_link(host, "/proc", "proc");
	change_until_exit();
	fake_sysfs_remove(host, "proc");
	assert_int_equal(recover(), 0);
	assert_changed();
	fake_sysfs_link(host, "/proc", "proc");
	assert_int_equal(recover(), 4);
	assert_untouched();
}

/* Replace the line of the only entry that begins so; NULL: take it out. */
static void edit_entry(const char *begin, const char *line)
{
	char text[8192], *at, *end;

	snprintf(text, sizeof(text), "%s", fake_get(host, "run/thruway/journal/0000000001"));
	at = strstr(text, begin);
	assert_non_null(at);
	end = strchr(at, '\n') + 1;
	memmove(at + (line ? strlen(line) : 0), end, strlen(end) + 1);
	if (line)
		memcpy(at, line, strlen(line));
	fake_sysfs_text(host, text, "run/thruway/journal/0000000001");
}

static void test_the_pids_of_another_namespace_tell_nothing(void **state)
{
	fake_sysfs_link(host, "/proc", "proc");
	change_until_exit();
	edit_entry("pidns=", "pidns=1\n");
	assert_int_equal(recover(), 0);
	assert_changed();
}

static void test_an_entry_without_namespace_is_of_the_initial_one(void **state)
{
	struct stat st;

	fake_sysfs_link(host, "/proc", "proc");
	change_until_exit();
	edit_entry("pidns=", NULL);
	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	assert_int_equal(recover(), st.st_ino == 0xeffffffcu ? 4 : 0);
	assert_int_equal(entries(), st.st_ino == 0xeffffffcu ? 0 : 1);
}

/* A child makes the change, is perhaps confirmed, and dies. */
static void unconfirmed_change(bool confirmed)
{
	struct journal_owner owner = { .command = "apply", .confirm = true };
	struct process_id who;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct plan p = PLAN_INIT;

		four_steps(&p);
		if (change_as(&p, &owner) < 0)
			_exit(1);
		_exit(confirmed && journal_confirm(host, 1, &who, &err) < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_changed();
}

static void test_what_was_not_confirmed_goes_with_its_process(void **state)
{
	struct process_id who;

	fake_sysfs_link(host, "/proc", "proc");
	unconfirmed_change(false);
	assert_int_equal(journal_confirm(host, 1, &who, &err), -ENOENT); /* it comes too late */
	assert_int_equal(recover(), 4);
	assert_untouched();
}

static void test_what_was_confirmed_stays(void **state)
{
	struct journal_owner owner = { .command = "apply", .confirm = true };
	struct plan p = PLAN_INIT;
	struct process_id who;
	unsigned n = 99;

	fake_sysfs_link(host, "/proc", "proc");
	unconfirmed_change(true);
	assert_int_equal(recover(), 0);
	assert_changed();
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	four_steps(&p);
	assert_int_equal(change_as(&p, &owner), 0);
	assert_int_equal(journal_confirm(host, 1, &who, &err), 0);
	assert_int_equal(who.pid, getpid());
	assert_int_equal(journal_expire_own(host, ops, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_changed();
}

static void test_what_expires_is_undone_and_nothing_else(void **state)
{
	struct journal_owner owner = { .command = "apply", .confirm = true };
	struct plan p = PLAN_INIT, q = PLAN_INIT;
	unsigned n = 0;

	fake_sysfs_link(host, "/proc", "proc");
	add(&p, DEV_B, "x", "bx1");
	assert_int_equal(change(&p), 0);
	add(&q, DEV_A, "x", "x1");
	assert_int_equal(change_as(&q, &owner), 0);
	assert_int_equal(journal_expire_own(host, ops, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_string_equal(attr(DEV_B, "x"), "bx1");
}

/* What another process is told that changes y of dev while x of DEV_A waits. */
static int change_beside_unconfirmed(const char *dev)
{
	struct journal_owner owner = { .command = "apply", .confirm = true };
	struct plan p = PLAN_INIT, q = PLAN_INIT;
	unsigned n;
	int status;
	pid_t pid;

	add(&p, DEV_A, "x", "x1");
	assert_int_equal(change_as(&p, &owner), 0);
	pid = fork();
	if (pid == 0) {
		int r;

		add(&q, dev, "y", "y9");
		r = change(&q);
		assert_int_equal(journal_refuse_unconfirmed(host, DEV_A, &err), -EBUSY);
		assert_int_equal(journal_refuse_unconfirmed(host, DEV_B, NULL), 0);
		assert_non_null(strstr(err.text, DEV_A " is part of 'apply' (pid "));
		_exit(-r);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(journal_refuse_unconfirmed(host, DEV_A, &err), 0); /* ours */
	assert_int_equal(journal_expire_own(host, ops, &n, &err), 0);
	return -WEXITSTATUS(status);
}

static void test_nothing_is_built_on_what_may_yet_be_undone(void **state)
{
	fake_sysfs_link(host, "/proc", "proc");
	assert_int_equal(change_beside_unconfirmed(DEV_A), -EBUSY);
	assert_untouched();
	row.b_is_of_a = true;
	assert_int_equal(change_beside_unconfirmed(DEV_B), -EBUSY);
	assert_untouched();
	row.b_is_of_a = false;
	assert_int_equal(change_beside_unconfirmed(DEV_B), 0);
	assert_string_equal(attr(DEV_B, "y"), "y9");
}

static void test_restore_own_leaves_what_others_did(void **state)
{
	struct plan p = PLAN_INIT, q = PLAN_INIT;
	unsigned n = 0;
	pid_t pid = fork();

	if (pid == 0) {
		add(&p, DEV_B, "x", "bx1");
		_exit(change(&p) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	add(&q, DEV_A, "x", "x1");
	assert_int_equal(change(&q), 0);
	assert_int_equal(journal_restore_own(host, ops, NULL, NULL, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_string_equal(attr(DEV_B, "x"), "bx1");
}

static bool of_dev_b(const struct step *s, void *opaque)
{
	return strcmp(s->dev, DEV_B) == 0;
}

static void test_what_is_kept_outlives_its_process(void **state)
{
	struct journal_owner owner = { .command = "run", .until_exit = true };
	unsigned n = 0;
	int status;
	pid_t pid;

	fake_sysfs_link(host, "/proc", "proc");
	pid = fork();
	if (pid == 0) {
		struct plan p = PLAN_INIT;

		add(&p, DEV_A, "x", "x1");
		add(&p, DEV_B, "x", "bx1");
		if (change_as(&p, &owner) < 0)
			_exit(1);
		_exit(journal_restore_own(host, ops, of_dev_b, NULL, &n, &err) == 0 && n == 1 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_int_equal(recover(), 0); /* though its process is dead */
	assert_string_equal(attr(DEV_B, "x"), "bx1");
	assert_int_equal(journal_restore(host, ops, DEV_B, 1, &n, &err), 0);
	assert_string_equal(attr(DEV_B, "x"), "bx0");
}

static void test_who_has_a_device_while_it_runs_is_told(void **state)
{
	struct journal_owner owner = { .command = "run", .until_exit = true };
	struct plan p = PLAN_INIT, q = PLAN_INIT;
	struct process_id who = { 0 };

	fake_sysfs_link(host, "/proc", "proc");
	assert_int_equal(journal_holder(host, DEV_A, &who), -ENOENT); /* no journal yet */
	add(&q, DEV_B, "x", "bx1");
	assert_int_equal(change(&q), 0); /* for good */
	add(&p, DEV_A, "x", "x1");
	assert_int_equal(change_as(&p, &owner), 0);
	assert_int_equal(journal_holder(host, DEV_A, &who), 0);
	assert_int_equal(who.pid, getpid());
	assert_int_equal(journal_holder(host, DEV_B, &who), -ENOENT);
	fake_sysfs_link(host, "/nowhere", "proc.gone");
	assert_int_equal(renameat(host, "proc.gone", host, "proc"), 0);
	assert_int_equal(journal_holder(host, DEV_A, &who), 0); /* it lives all the same */
}

static void test_an_entry_of_another_boot_is_dropped(void **state)
{
	struct plan p = PLAN_INIT;

	fake_sysfs_text(host, "first\n", "proc/sys/kernel/random/boot_id");
	four_steps(&p);
	assert_int_equal(change(&p), 0);
	fake_sysfs_text(host, "second\n", "proc/sys/kernel/random/boot_id");
	recover();
	assert_int_equal(entries(), 0);
	assert_changed(); /* what an earlier boot did is not ours to touch */
}

static bool on_dev_b(const struct step *s, void *opaque)
{
	return strcmp(s->dev, DEV_B) == 0;
}

static void test_forget_strikes_steps_out_without_undoing_them(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	assert_int_equal(journal_forget(host, on_dev_b, NULL, 1, &err), 0);
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(attr(DEV_A, "x"), "x0");
	assert_string_equal(attr(DEV_B, "x"), "bx1");
}

static void test_a_change_to_forget_leaves_no_entry(void **state)
{
	struct journal_owner owner = { .command = "vf destroy", .forget = true };
	struct plan p = PLAN_INIT;

	four_steps(&p);
	assert_int_equal(change_as(&p, &owner), 0);
	assert_changed();
	assert_int_equal(entries(), 0);
}

static int count_step(const struct step *s, void *opaque)
{
	++*(unsigned *)opaque;
	return 0;
}

static void test_notes_are_found_by_device_and_by_value(void **state)
{
	struct plan p = PLAN_INIT;
	char text[64] = "untouched";
	unsigned n = 0;

	four_steps(&p);
	assert_int_equal(plan_note(&p, DEV_A, "netdev", "eth\n0"), 0);
	assert_int_equal(change(&p), 0);
	assert_int_equal(journal_note(host, DEV_B, "netdev", text, sizeof(text)), -ENOENT);
	assert_string_equal(text, "untouched");
	assert_int_equal(journal_note(host, DEV_A, "netdev", text, sizeof(text)), 0);
	assert_string_equal(text, "eth\n0");
	assert_int_equal(journal_noted(host, "netdev", "eth\n0", text, sizeof(text)), 0);
	assert_string_equal(text, DEV_A);
	assert_int_equal(journal_each(host, count_step, &n), 0);
	assert_int_equal(n, 4);
}

static void test_a_damaged_entry_is_an_error_at_every_length(void **state)
{
	char text[4096], path[] = "run/thruway/journal/0000000001";
	struct plan p = PLAN_INIT;
	unsigned n = 0;
	size_t len;
	int fd;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	fd = openat(host, path, O_RDONLY | O_CLOEXEC);
	len = (size_t)read(fd, text, sizeof(text));
	close(fd);
	assert_in_range(len, 100, sizeof(text) - 1);
	for (size_t cut = 0; cut < len; cut++) {
		fake_put_bytes(host, path, text, cut);
		err = (struct err)ERR_INIT;
		assert_int_equal(journal_recover(host, ops, 1, &n, &err), -EBADMSG);
		assert_non_null(strstr(err.text, path));
		assert_true(err.hint[0]);
	}
	assert_changed();
}

static void test_a_damaged_entry_is_an_error_at_every_byte(void **state)
{
	char text[4096], path[] = "run/thruway/journal/0000000001";
	struct plan p = PLAN_INIT;
	unsigned n = 0;
	size_t len;
	int fd;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	fd = openat(host, path, O_RDONLY | O_CLOEXEC);
	len = (size_t)read(fd, text, sizeof(text));
	close(fd);
	for (size_t at = 0; at < len; at++) {
		static const char bad[] = { '\0', '\n', '\\', '=' };
		char was = text[at];

		for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
			if (was == bad[k])
				continue;
			text[at] = bad[k];
			fake_put_bytes(host, path, text, len);
			err = (struct err)ERR_INIT;
			/* Some make another value; none may crash, or be read as nothing to do. */
			if (journal_recover(host, ops, 1, &n, &err) < 0)
				assert_int_equal(err.code, -EBADMSG);
		}
		text[at] = was;
	}
}

static void test_an_unreadable_entry_stops_changes(void **state)
{
	struct plan p = PLAN_INIT;

	fake_sysfs_text(host, "rubbish\n", "run/thruway/journal/0000000001");
	four_steps(&p);
	assert_int_equal(change(&p), -EBADMSG);
	assert_non_null(strstr(err.text, "damaged (line 1)"));
	assert_untouched();
}

static void test_a_journal_that_cannot_be_written_stops_the_change(void **state)
{
	struct plan p = PLAN_INIT;

	/* A directory where the temporary file belongs: root may write everywhere else. */
	fake_sysfs_text(host, "", "run/thruway/journal/.0000000001/in-the-way");
	four_steps(&p);
	assert_int_equal(change(&p), -EISDIR);
	assert_non_null(strstr(err.text, "cannot write the journal"));
	assert_int_equal(row.writes, 0);
	assert_untouched();
}

static void test_a_change_that_cannot_be_committed_is_undone(void **state)
{
	struct plan p = PLAN_INIT;

	row.full_at = 4; /* the last step: nothing but the commit comes after it */
	four_steps(&p);
	assert_int_equal(change(&p), -EISDIR);
	assert_non_null(strstr(err.text, "cannot write the journal"));
	assert_int_equal(row.writes, 8);
	assert_untouched();
}

static void test_a_restore_whose_entry_cannot_be_rewritten_says_that_the_host_is_restored(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	fake_sysfs_text(host, "", "run/thruway/journal/.0000000001/in-the-way");
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, &err), -EISDIR);
	assert_string_equal(err.text, "undone on the host, but the journal's entry of 'test \\ it' could "
				      "not be rewritten: Is a directory");
	assert_non_null(strstr(err.hint, "move it away"));
	assert_string_equal(attr(DEV_A, "x"), "x0");
	fake_sysfs_remove(host, "run/thruway/journal/.0000000001");
	row.writes = 0;
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(row.writes, 0); /* DEV_B has its changes all the while */
	assert_string_equal(attr(DEV_B, "x"), "bx1");
}

static void change_link(const char *dev, const char *to)
{
	struct plan p = PLAN_INIT;

	add(&p, dev, "link", to);
	strcpy(p.steps[0].op, "link");
	assert_int_equal(change(&p), 0);
}

/* The newest change brought the link up, and what is older needs it. */
static void test_a_link_goes_down_behind_all_that_is_undone(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	fake_sysfs_text(host, "down", "attr/" DEV_A "/link");
	add(&p, DEV_A, "x", "x1");
	add(&p, DEV_A, "y", "y1");
	assert_int_equal(change(&p), 0);
	change_link(DEV_A, "up");
	assert_int_equal(journal_plan_restore(host, ops, NULL, &p, &err), 0);
	assert_int_equal(p.count, 3);
	assert_string_equal(p.steps[0].key, "y");
	assert_string_equal(p.steps[2].key, "link");
	plan_fini(&p);
	/* While an older step cannot be undone, it stays up. */
	row.fail_at = row.writes + 2;
	row.fail_with = -EINVAL;
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), -EINVAL);
	assert_string_equal(attr(DEV_A, "x"), "x1");
	assert_string_equal(attr(DEV_A, "y"), "y0");
	assert_string_equal(attr(DEV_A, "link"), "up");
	assert_int_equal(entries(), 2);
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_untouched();
	assert_string_equal(attr(DEV_A, "link"), "down");
	assert_int_equal(entries(), 0);
}

/* The steps of one attribute keep their order, whatever it comes to. */
static void test_a_link_that_was_up_before_all_comes_up(void **state)
{
	static const char *const was[] = { "up", "down" };
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(was); i++) {
		fake_sysfs_text(host, was[i], "attr/" DEV_A "/link");
		for (unsigned k = 1; k <= 3; k++)
			change_link(DEV_A, was[(i + k) % 2]);
		assert_int_equal(journal_restore(host, ops, DEV_A, 1, &n, &err), 0);
		assert_int_equal(n, 3);
		assert_string_equal(attr(DEV_A, "link"), was[i]);
		assert_int_equal(entries(), 0);
	}
}

/* What cannot be undone of one device keeps the link of no other up. */
static void test_the_link_of_another_device_goes_down_all_the_same(void **state)
{
	struct plan p = PLAN_INIT;
	unsigned n = 0;

	fake_sysfs_text(host, "down", "attr/" DEV_B "/link");
	add(&p, DEV_A, "x", "x1");
	assert_int_equal(change(&p), 0);
	change_link(DEV_B, "up");
	row.fail_at = row.writes + 1;
	row.fail_with = -EINVAL;
	assert_int_equal(journal_restore(host, ops, NULL, 1, &n, &err), -EINVAL);
	assert_string_equal(attr(DEV_A, "x"), "x1");
	assert_string_equal(attr(DEV_B, "link"), "down");
}

static void test_a_plan_made_for_another_value_is_refused(void **state)
{
	struct plan p = PLAN_INIT;

	four_steps(&p);
	strcpy(p.steps[2].before, "bx0"); /* as it is */
	strcpy(p.steps[1].before, "y1");  /* as it is to be, and was not */
	assert_int_equal(change(&p), -ESTALE);
	assert_string_equal(err.text, "attr of " DEV_A " was 'y1' a moment ago and is 'y0' now");
	assert_int_equal(row.writes, 0);
	assert_untouched();
	assert_int_equal(entries(), 0);
}

static void test_a_signal_between_steps_undoes_the_change(void **state)
{
	struct journal_owner owner = { .command = "bind" };
	struct plan p = PLAN_INIT;
	sigset_t set, old;
	siginfo_t info;
	struct txn *txn;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	four_steps(&p);
	assert_int_equal(txn_begin(host, ops, &p, &owner, 1, &txn, &err), 0);
	raise(SIGTERM);
	assert_int_equal(txn_apply(txn, &err), -EINTR);
	plan_fini(&p);
	assert_int_equal(sigwaitinfo(&set, &info), SIGTERM); /* it is still there for its owner */
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_untouched();
	assert_int_equal(entries(), 0);
}

static void test_a_held_lock_is_told_with_its_holder(void **state)
{
	struct plan p = PLAN_INIT;
	int fd = -1, other;

	assert_int_equal(journal_lock(host, "bind eth0", 0, &fd, &err), 0);
	other = openat(host, "run/thruway/lock", O_RDWR | O_CLOEXEC);
	close(fd);
	assert_int_equal(flock(other, LOCK_EX), 0);
	four_steps(&p);
	{
		struct journal_owner owner = { .command = "x" };
		struct txn *txn;

		assert_int_equal(txn_begin(host, ops, &p, &owner, 0, &txn, &err), -ETIMEDOUT);
	}
	plan_fini(&p);
	assert_non_null(strstr(err.text, "bind eth0"));
	assert_non_null(strstr(err.hint, "--lock-timeout"));
	close(other);
}

static void test_a_hung_write_keeps_the_lock_and_is_named(void **state)
{
	char path[64], text[256];
	int fd = -1, again = -1, status;
	pid_t pid;

	assert_int_equal(journal_lock(host, "bind eth0", 0, &fd, &err), 0);
	pid = fork();
	if (pid == 0) {
		pause(); /* the child that writes, with the lock inherited */
		_exit(0);
	}
	close(fd);
	snprintf(path, sizeof(path), "proc/%d/fd/3", (int)pid);
	fake_sysfs_link(host, "../../../run/thruway/lock", "%s", path);
	snprintf(path, sizeof(path), "proc/%d/fdinfo/3", (int)pid);
	fake_sysfs_text(host, "pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 1 00:19:1 0 EOF\n", "%s", path);
	/* Another one that waits, as we do: it has the file open, and no lock. */
	fake_sysfs_link(host, "../../../run/thruway/lock", "proc/1/fd/3");
	fake_sysfs_text(host, "pos:\t0\nlock:\t1: OFDLCK ADVISORY  WRITE -1 00:19:1 5 5\n",
			"proc/1/fdinfo/3");
	snprintf(path, sizeof(path), "proc/%d/stack", (int)pid);
	fake_sysfs_text(host, "[<0>] igbvf_remove+0x29/0x40\n[<0>] pci_device_remove+0x1/0x2\n", "%s", path);
	assert_int_equal(journal_lock(host, "me", 0, &again, &err), -ETIMEDOUT);
	snprintf(text, sizeof(text), "pid %d, a write of pid %d (bind eth0) that hangs in the "
				     "kernel at igbvf_remove", (int)pid, (int)getpid());
	assert_non_null(strstr(err.text, text));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(journal_lock(host, "me", 1, &again, &err), 0);
	journal_unlock(&again);
	assert_int_equal(again, -1);
	assert_string_equal(fake_get(host, "run/thruway/lock"), ""); /* nobody is named any more */
}

/* A process of its own that only has the lock's file open, as who waits for it does. */
static pid_t start_waiter(void)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int fd = openat(host, "run/thruway/lock", O_RDWR | O_CLOEXEC);

		_exit(fd < 0 || write(ready[1], "", 1) != 1 ? 1 : pause());
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void test_a_waiter_is_not_taken_for_the_holder(void **state)
{
	int again = -1, fd, status;
	char text[64];
	pid_t waiter, pid;

	fake_sysfs_link(host, "/proc", "proc");
	fake_sysfs_text(host, "", "run/thruway/lock");
	waiter = start_waiter();
	assert_int_equal(journal_lock(host, "bind eth0", 0, &fd, &err), 0);
	pid = fork();
	if (pid == 0) {
		close(fd);
		snprintf(text, sizeof(text), ": pid %d (bind eth0), for", (int)getppid());
		_exit(journal_lock(host, "me", 0, &again, &err) == -ETIMEDOUT &&
		      strstr(err.text, text) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	kill(waiter, SIGKILL);
	assert_int_equal(waitpid(waiter, NULL, 0), waiter);
	journal_unlock(&fd);
	assert_int_equal(status, 0);
}

static void test_others_may_look_into_the_directory_whatever_the_umask(void **state)
{
	mode_t saved = umask(077);
	struct stat st;
	int fd = -1;

	assert_int_equal(journal_lock(host, "x", 0, &fd, &err), 0);
	umask(saved);
	journal_unlock(&fd);
	assert_int_equal(fstatat(host, "run/thruway", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
}

static void test_the_journal_is_for_root_alone(void **state)
{
	struct plan p = PLAN_INIT;
	struct stat st;

	four_steps(&p);
	assert_int_equal(change(&p), 0);
	assert_int_equal(fstatat(host, "run/thruway/journal", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_change_is_applied_and_remembered),
		TEST(test_what_a_step_takes_away_is_remembered_and_put_back),
		TEST(test_death_after_what_took_away_is_recovered),
		TEST(test_restore_undoes_one_device_and_then_the_other),
		TEST(test_restore_goes_through_changes_newest_first),
		TEST(test_a_plan_that_changes_nothing_leaves_no_entry),
		TEST(test_a_failure_at_any_step_undoes_the_others),
		TEST(test_a_write_without_effect_is_a_failure),
		TEST(test_death_at_any_step_is_recovered),
		TEST(test_death_at_any_step_of_a_restore_is_recovered),
		TEST(test_the_next_change_recovers_first),
		TEST(test_a_driver_that_refuses_is_not_taken_for_a_device_that_is_gone),
		TEST(test_an_undo_that_fails_keeps_the_entry),
		TEST(test_an_unknown_outcome_is_left_for_recover),
		TEST(test_an_optional_step_may_fail),
		TEST(test_an_attribute_that_is_missing_fails_the_plan_before_it_begins),
		TEST(test_a_transient_step_is_put_back_at_commit),
		TEST(test_one_attribute_changed_twice_comes_back_to_the_first_value),
		TEST(test_a_transient_step_that_cannot_be_put_back_is_put_back_later),
		TEST(test_what_a_later_undo_made_good_is_not_undone_again),
		TEST(test_a_step_may_speak_of_a_device_an_earlier_one_makes),
		TEST(test_a_device_that_is_gone_counts_as_undone),
		TEST(test_another_device_at_the_address_is_left_alone),
		TEST(test_a_change_until_exit_goes_with_its_process),
		TEST(test_what_a_living_process_changed_for_itself_is_not_changed_again),
		TEST(test_what_the_next_one_uses_stays_as_a_whole),
		TEST(test_a_pid_in_somebody_elses_proc_is_not_taken_for_ours),
		TEST(test_a_dead_owner_is_known_by_pid_and_start),
		TEST(test_an_owner_that_proc_does_not_show_is_not_taken_for_dead),
		TEST(test_without_proc_nobody_is_taken_for_dead),
		TEST(test_the_pids_of_another_namespace_tell_nothing),
		TEST(test_an_entry_without_namespace_is_of_the_initial_one),
		TEST(test_what_was_not_confirmed_goes_with_its_process),
		TEST(test_what_was_confirmed_stays),
		TEST(test_what_expires_is_undone_and_nothing_else),
		TEST(test_nothing_is_built_on_what_may_yet_be_undone),
		TEST(test_restore_own_leaves_what_others_did),
		TEST(test_what_is_kept_outlives_its_process),
		TEST(test_who_has_a_device_while_it_runs_is_told),
		TEST(test_an_entry_of_another_boot_is_dropped),
		TEST(test_forget_strikes_steps_out_without_undoing_them),
		TEST(test_a_change_to_forget_leaves_no_entry),
		TEST(test_notes_are_found_by_device_and_by_value),
		TEST(test_a_damaged_entry_is_an_error_at_every_length),
		TEST(test_a_damaged_entry_is_an_error_at_every_byte),
		TEST(test_an_unreadable_entry_stops_changes),
		TEST(test_a_journal_that_cannot_be_written_stops_the_change),
		TEST(test_a_change_that_cannot_be_committed_is_undone),
		TEST(test_a_restore_whose_entry_cannot_be_rewritten_says_that_the_host_is_restored),
		TEST(test_a_link_goes_down_behind_all_that_is_undone),
		TEST(test_a_link_that_was_up_before_all_comes_up),
		TEST(test_the_link_of_another_device_goes_down_all_the_same),
		TEST(test_a_plan_made_for_another_value_is_refused),
		TEST(test_a_signal_between_steps_undoes_the_change),
		TEST(test_a_held_lock_is_told_with_its_holder),
		TEST(test_a_hung_write_keeps_the_lock_and_is_named),
		TEST(test_a_waiter_is_not_taken_for_the_holder),
		TEST(test_others_may_look_into_the_directory_whatever_the_umask),
		TEST(test_the_journal_is_for_root_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
