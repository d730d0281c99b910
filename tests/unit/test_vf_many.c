// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many VFs of a slow device: 64 that appear 0.3 s apart, and a write that never ends. The
 * clock is the test's own and goes on when somebody sleeps, so 19 s of it take none.
 */
#include "sriov/numvfs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "sriov/pf.h"
#include "vfio/pci_function.h"
#include "tests/fake/hostfs.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"

#define VFS   64
#define VF_MS 300

static struct fake_pf k;
static const struct bdf pf = { .bus = 1 };

static bool own_clock;
static unsigned long clock_ms;
static unsigned made, limit; /* VFs that are there, and that ever come */
static unsigned links;	     /* read so far */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_nanosleep(const struct timespec *ts, struct timespec *left);
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);
ssize_t __wrap_hostfs_link_name(int root, char *buf, size_t size, const char *fmt, ...);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!own_clock)
		return __real_clock_gettime(id, ts);
	*ts = (struct timespec){ .tv_sec = (time_t)(clock_ms / 1000),
				 .tv_nsec = (long)(clock_ms % 1000) * 1000000 };
	return 0;
}

int __wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
	if (!own_clock)
		return __real_nanosleep(ts, left);
	clock_ms += (unsigned long)ts->tv_sec * 1000 + (unsigned long)ts->tv_nsec / 1000000;
	while (made < limit && (made + 1) * VF_MS <= clock_ms)
		fake_pf_vf(&k, made++);
	return 0;
}

/* The last component, as the real one has it, which takes its arguments one by one. */
ssize_t __wrap_hostfs_link_name(int root, char *buf, size_t size, const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX], target[HOSTFS_PATH_MAX];
	const char *name;
	va_list ap;
	ssize_t r;

	links++;
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	r = readlinkat(root, path, target, sizeof(target) - 1);
	if (r < 0)
		return -errno;
	target[r] = '\0';
	name = strrchr(target, '/');
	return snprintf(buf, size, "%s", name ? name + 1 : target);
}

static int setup(void **state)
{
	log_set_level(LOG_QUIET);
	fake_pf_init(&k);
	fake_pf_total(&k, VFS);
	clock_ms = 0;
	made = links = 0;
	return 0;
}

static int teardown(void **state)
{
	own_clock = false;
	fake_hostfs_deadline_ms = 0;
	fake_pf_fini(&k);
	return 0;
}

/* Make n VFs of which `come` ever appear. The links that were read for it. */
static unsigned wait_for(unsigned n, unsigned come, int want, struct err *err)
{
	k.late = true;
	limit = come;
	own_clock = true;
	assert_int_equal(numvfs_set(k.root, pf, n, false, err), want);
	own_clock = false;
	return links;
}

static void test_sixty_four_vfs_in_19_seconds_are_waited_for(void **state)
{
	unsigned read = wait_for(VFS, VFS, 0, NULL);

	assert_int_equal(made, VFS);
	assert_in_range(clock_ms, VFS * VF_MS, VFS * VF_MS + 150);
	/* Two for each VF, and one for each look in vain: 2.4 of them in 0.3 s, a little more. */
	assert_in_range(read, 2 * VFS, 5 * VFS + 10);
}

static void test_what_it_costs_grows_with_the_number(void **state)
{
	unsigned few = wait_for(VFS / 4, VFS / 4, 0, NULL), many;

	teardown(state);
	setup(state);
	many = wait_for(VFS, VFS, 0, NULL);
	assert_in_range(many, 3 * few, 5 * few);
}

static void test_vfs_that_never_come_are_said_at_the_deadline(void **state)
{
	struct err err = ERR_INIT;

	wait_for(VFS, 40, -ETIMEDOUT, &err);
	assert_string_equal(err.text, FAKE_PF ": only 40 of 64 VFs appeared within 120 s");
	assert_in_range(clock_ms, HOSTFS_DEADLINE_MS, HOSTFS_DEADLINE_MS + 150);
}

static void test_each_vf_finds_its_pf_at_the_same_cost(void **state)
{
	struct bdf vf, found;
	unsigned index, last = 0;

	fake_pf_set(&k, VFS);
	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(pf_vf_bdf(k.root, pf, i, &vf), 0);
		links = 0;
		assert_int_equal(pf_of_vf(k.root, vf, &found, &index), 0);
		assert_true(bdf_eq(found, pf));
		assert_int_equal(index, i);
		last = links;
		assert_in_range(links, 1, 12);
	}
	/* Where the first ones do not say how far apart they are, it is looked for. */
	fake_sysfs_remove(k.root, FAKE_PF_DIR "/virtfn0");
	links = 0;
	assert_int_equal(pf_of_vf(k.root, vf, &found, &index), 0);
	assert_int_equal(index, VFS - 1);
	assert_true(links > last);
}

/* A host is scanned by reading each of them: not the links of all before it. */
static void test_each_vf_knows_its_number_at_the_same_cost(void **state)
{
	struct pci_function dev;
	struct bdf vf;

	fake_pf_set(&k, VFS);
	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(pf_vf_bdf(k.root, pf, i, &vf), 0);
		links = 0;
		assert_int_equal(pci_function_read_unlocked(k.root, vf, &dev), 0);
		assert_int_equal(dev.vf_index, i);
		assert_in_range(links, 1, 10);
	}
}

/*
 * The deadline is 120 s; here the write is left alone after 0.2. It waits in a child, which
 * the sentence names.
 */
static void test_a_write_that_hangs_is_left_at_the_deadline(void **state)
{
	struct err err = ERR_INIT;
	unsigned count, seconds;
	int pid = 0;

	k.hangs = true;
	fake_hostfs_deadline_ms = 200;
	assert_int_equal(numvfs_set(k.root, pf, VFS, false, &err), -ETIMEDOUT);
	assert_int_equal(sscanf(err.text, FAKE_PF ": igb has been setting the number of VFs to %u "
				"for %u s (pid %d)", &count, &seconds, &pid), 3);
	assert_int_equal(count, VFS);
	assert_int_equal(seconds, 120);
	assert_non_null(strstr(err.hint, "/stack says where"));
	assert_int_equal(kill(pid, 0), 0); /* it is still there, and has the lock */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_sixty_four_vfs_in_19_seconds_are_waited_for),
		T(test_what_it_costs_grows_with_the_number),
		T(test_vfs_that_never_come_are_said_at_the_deadline),
		T(test_each_vf_finds_its_pf_at_the_same_cost),
		T(test_each_vf_knows_its_number_at_the_same_cost),
		T(test_a_write_that_hangs_is_left_at_the_deadline),
#undef T
	};

	return cmocka_run_group_tests_name("vf_many", tests, NULL, NULL);
}
