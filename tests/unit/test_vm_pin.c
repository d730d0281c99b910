// SPDX-License-Identifier: GPL-2.0-or-later
/* --pin and --sched: their words, what a host has against them, and what is only warned of. */
#include "tools/vm_pin.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_siblings.h"

#define CPU(n)	  "sys/devices/system/cpu/cpu" #n "/"
#define CPUS	  "sys/devices/system/cpu/"
#define DEVICE	  "sys/bus/pci/devices/0000:01:10.0/numa_node"

/* Eight CPUs, two threads a core, four on each node; 7 is offline, 4-7 are as they should be. */
static const struct fake_node nodes[] = {
	{ CPUS "present", "0-7" },
	{ CPUS "online", "0-6" },
	{ CPUS "isolated", "4-7" },
	{ CPUS "nohz_full", "4-7" },
	{ CPU(2) "topology/thread_siblings_list", "2-3" },
	{ CPU(3) "topology/thread_siblings_list", "2-3" },
	{ CPU(4) "topology/thread_siblings_list", "4-5" },
	{ CPU(5) "topology/thread_siblings_list", "4-5" },
	{ CPU(4) "cpufreq/scaling_governor", "performance" },
	{ CPU(2) "cpufreq/scaling_governor", "powersave" },
	{ CPU(4) "cpuidle/state0/latency", "0" },
	{ CPU(4) "cpuidle/state1/latency", "133" },
	{ CPU(4) "cpuidle/state1/disable", "1" },
	{ CPU(3) "cpuidle/state0/latency", "2" },
	{ CPU(3) "cpuidle/state1/latency", "133" },
	{ CPU(3) "cpuidle/state1/disable", "0" },
	{ "sys/devices/system/node/node1/cpulist", "4-7" },
	{ DEVICE, "1" },
	{ "proc/self/cgroup", "0::/system.slice/vm.service" },
	{ "sys/fs/cgroup/system.slice/cpuset.cpus.effective", "0-6" },
	{ 0 },
};

static int host = -1;
static struct err err;
static char warned[4096];
static const struct bdf device = { 0, 1, 0x10, 0 };
static bool awake; /* the CPUs will be kept so */

/* What CPUs have done since boot at a first look, and at the second one. */
#define STAT(cpu3, cpu5)                                                                             \
	"cpu  900 0 900 90000 0 0 0 0 0 0\ncpu2 0 0 0 9000 0 0 0 0 0 0\ncpu3 " cpu3 "\ncpu5 " cpu5     \
	"\nintr 7 0 0\ncpu3 9999 0 0 0 0\n"
#define IDLE   "100 0 100 1000 50 0 0 0 0 0"
#define IDLE_2 "100 0 100 1015 55 0 0 0 0 0"

static const char *later;
static unsigned looks;

static void meanwhile(unsigned ms)
{
	assert_in_range(ms, 100, 1000);
	looks++;
	if (later)
		fake_sysfs_text(host, later, "proc/stat");
}

static int setup(void **state)
{
	host = fake_sysfs(nodes);
	fake_sysfs_text(host, STAT(IDLE, IDLE), "proc/stat");
	later = STAT(IDLE_2, IDLE_2);
	looks = 0;
	awake = false;
	vm_siblings_pause = meanwhile;
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static int parse(const char *text, struct vm_pin *ret)
{
	err = (struct err)ERR_INIT;
	*ret = (struct vm_pin){ 0 };
	return vm_pin_parse(text, ret, &err);
}

/* With what it says on stderr in `warned`. */
static int check(const char *list, unsigned devices)
{
	int into = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO), r;
	struct vm_pin pin;
	ssize_t len;

	assert_int_equal(parse(list, &pin), 0);
	dup2(into, STDERR_FILENO);
	r = vm_pin_check(host, &pin, &device, devices, awake, &err);
	dup2(saved, STDERR_FILENO);
	len = pread(into, warned, sizeof(warned) - 1, 0);
	warned[len > 0 ? len : 0] = '\0';
	close(saved);
	close(into);
	return r;
}

static void test_the_order_is_that_of_the_list(void **state)
{
	static const uint16_t want[] = { 8, 2, 3, 4, 0 };
	struct vm_pin pin;

	assert_int_equal(parse("8,2-4,0", &pin), 0);
	assert_int_equal(pin.count, 5);
	assert_memory_equal(pin.cpu, want, sizeof(want));
	assert_int_equal(vm_pin_sched_parse("fifo", &pin, &err), 0);
	assert_int_equal(pin.fifo, 40);
	assert_int_equal(vm_pin_sched_parse("fifo:1", &pin, &err), 0);
	assert_int_equal(pin.fifo, 1);
	assert_int_equal(pin.count, 5);
	assert_int_equal(vm_pin_parse("1", &pin, &err), 0); /* the other option's stays */
	assert_int_equal(pin.fifo, 1);
}

static void test_what_is_no_list_or_no_scheduler_is_named(void **state)
{
	static const char *const lists[] = { "", ",", "1,", "1,,2", "x", "3-1", "1;2", "-1", "1,1", "0-3,2",
					     "0-255", "9999" };
	static const char *const scheds[] = { "", "rr", "fif", "fifo:", "fifo:0", "fifo:99", "fifo,1",
					      "fifox" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct vm_pin pin;

		if (parse(lists[i], &pin) != -EINVAL)
			fail_msg("'%s' was taken", lists[i]);
		assert_true(err.usage);
		assert_int_equal(pin.count, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(scheds); i++) {
		struct vm_pin pin = { .fifo = 7 };

		err = (struct err)ERR_INIT;
		if (vm_pin_sched_parse(scheds[i], &pin, &err) != -EINVAL)
			fail_msg("'%s' was taken", scheds[i]);
		assert_int_equal(pin.fifo, 7);
	}
}

static void test_cpus_that_cannot_be_had_are_refused_by_number(void **state)
{
	assert_int_equal(check("6,8-9", 0), -ENODEV);
	assert_non_null(strstr(err.text, "no CPU 8-9"));
	assert_non_null(strstr(err.hint, "0-7"));
	assert_int_equal(check("6-7", 0), -EBUSY);
	assert_non_null(strstr(err.text, "CPU 7 of this host is offline"));
	assert_non_null(strstr(err.hint, "cpuN/online"));
	fake_sysfs_text(host, "0-3", "sys/fs/cgroup/system.slice/cpuset.cpus.effective");
	assert_int_equal(check("3-4", 0), -EPERM);
	assert_non_null(strstr(err.text, "CPU 4 is not in the cpuset of this cgroup, which has 0-3"));
	assert_non_null(strstr(err.hint, "AllowedCPUs="));
	/* The nearest counts. */
	fake_sysfs_text(host, "4", "sys/fs/cgroup/system.slice/vm.service/cpuset.cpus.effective");
	assert_int_equal(check("4", 0), 0);
}

static void test_good_cpus_are_not_warned_of(void **state)
{
	assert_int_equal(check("4,6", 1), 0);
	assert_string_equal(warned, "");
}

static void test_each_thing_that_hurts_is_a_warning_with_its_cpus(void **state)
{
	assert_int_equal(check("2-4", 1), 0);
	assert_non_null(strstr(warned, "CPU 2-3 is not isolated"));
	assert_non_null(strstr(warned, "CPU 2-3 has the scheduler's tick"));
	assert_non_null(strstr(warned, "CPUs 2-3 are threads of one core"));
	assert_non_null(strstr(warned, "CPU 2-3 is not on node 1, where 0000:01:10.0 is (CPUs 4-7)"));
	assert_non_null(strstr(warned, "CPU 2 changes its frequency"));
	assert_non_null(strstr(warned, "CPU 3 sleeps so deeply"));
	assert_null(strstr(warned, "CPU 4"));
	/* Kernels without it say so in words. */
	fake_sysfs_text(host, "(null)", CPUS "nohz_full");
	assert_int_equal(check("4", 0), 0);
	assert_non_null(strstr(warned, "CPU 4 has the scheduler's tick"));
}

static void test_cpus_that_are_kept_awake_do_not_sleep_deeply(void **state)
{
	assert_int_equal(check("3", 0), 0);
	assert_non_null(strstr(warned, "CPU 3 sleeps so deeply"));
	awake = true;
	assert_int_equal(check("2-3", 0), 0);
	assert_null(strstr(warned, "sleeps"));
	assert_non_null(strstr(warned, "CPU 2 changes its frequency"));
}

/* --- other threads of their cores ---------------------------------------------------------------- */

#define NOBODYS "CPU 3, of the same core as CPU 2, is nobody's"
#define BUSY_3	"CPU 3, of the same core as CPU 2, is busy"
#define BUSY_5	"CPU 5, of the same core as CPU 4, is busy"

static void test_a_thread_beside_that_nobody_pinned_is_named(void **state)
{
	assert_int_equal(check("2,4", 0), 0);
	assert_non_null(strstr(warned, NOBODYS));
	assert_null(strstr(warned, "CPU 5")); /* isolated, and idle */
	assert_int_equal(looks, 1);
	assert_int_equal(check("2-3", 0), 0); /* none is left */
	assert_null(strstr(warned, "of the same core as"));
	assert_int_equal(looks, 1); /* nor waited for */
	fake_sysfs_text(host, "", CPUS "isolated");
	assert_int_equal(check("2,4", 0), 0);
	assert_non_null(strstr(warned, "CPU 3,5, of the same core as CPU 2,4, is nobody's"));
	fake_sysfs_text(host, "2", CPU(2) "topology/thread_siblings_list"); /* 3 is offline now */
	assert_int_equal(check("2", 0), 0);
	assert_null(strstr(warned, "CPU 3"));
}

static void test_a_thread_beside_that_is_busy_is_named(void **state)
{
	static const struct {
		const char *first, *then;
		bool busy;
	} rows[] = {
		{ IDLE, "120 0 100 1000 50 0 0 0 0 0", true }, /* a guest that spins */
		{ IDLE, "100 0 100 1018 50 0 2 0 0 0", true }, /* interrupts */
		{ IDLE, "101 0 100 1019 50 0 0 0 0 0", false },
		{ IDLE, "100 0 100 1010 60 0 0 0 0 0", false }, /* waits for its disk */
		{ IDLE, "102 0 100 1001 50 0 0 0 0 0", false }, /* too short a look */
		{ IDLE, IDLE, false },
		{ IDLE, "0 0 0 1000 50 0 0 0 0 0", false },
		{ IDLE, "", false },
		{ IDLE, "x", false },
		{ "100 0 100", "200 0 100", false }, /* no kernel's */
		{ "100 0 100 1000 50", "120 0 100 1000 50", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char first[512], then[512];

		snprintf(first, sizeof(first), STAT("%s", "%s"), rows[i].first, rows[i].first);
		snprintf(then, sizeof(then), STAT("%s", "%s"), rows[i].then, rows[i].then);
		fake_sysfs_text(host, first, "proc/stat");
		later = then;
		assert_int_equal(check("2,4", 0), 0);
		if (!strstr(warned, "is busy, and takes from it") == rows[i].busy)
			fail_msg("%s, then %s: %s", rows[i].first, rows[i].then, warned);
		assert_true(!strstr(warned, NOBODYS) == rows[i].busy);
		if (rows[i].busy)
			assert_non_null(strstr(warned, "CPU 3,5, of the same core as CPU 2,4, is busy"));
	}
	fake_sysfs_text(host, STAT(IDLE, IDLE), "proc/stat");
	later = STAT(IDLE_2, "150 0 100 1000 50 0 0 0 0 0");
	assert_int_equal(check("2,4", 0), 0);
	assert_non_null(strstr(warned, NOBODYS));
	assert_non_null(strstr(warned, BUSY_5));
	assert_null(strstr(warned, BUSY_3));
	fake_sysfs_remove(host, "proc/stat");
	later = NULL;
	assert_int_equal(check("2,4", 0), 0); /* proc does not tell */
	assert_non_null(strstr(warned, NOBODYS));
}

static void test_others_are_kept_off_but_not_off_all(void **state)
{
	struct vm_pin pin = { 0 };
	cpu_set_t before, after;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (unsigned i = 0; i < CPU_SETSIZE && pin.count < VMM_MAX_CPUS; i++)
		if (CPU_ISSET(i, &before))
			pin.cpu[pin.count++] = (uint16_t)i;
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_pin_keep_off(&pin, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "taskset"));
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	if (pin.count < 2)
		return; /* a machine of one CPU shows no more */
	pin.count = 1;
	assert_int_equal(vm_pin_keep_off(&pin, &err), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_false(CPU_ISSET(pin.cpu[0], &after));
	assert_int_equal(CPU_COUNT(&after), CPU_COUNT(&before) - 1);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

#define ON_HOST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_order_is_that_of_the_list),
		cmocka_unit_test(test_what_is_no_list_or_no_scheduler_is_named),
		ON_HOST(test_cpus_that_cannot_be_had_are_refused_by_number),
		ON_HOST(test_good_cpus_are_not_warned_of),
		ON_HOST(test_each_thing_that_hurts_is_a_warning_with_its_cpus),
		ON_HOST(test_cpus_that_are_kept_awake_do_not_sleep_deeply),
		ON_HOST(test_a_thread_beside_that_nobody_pinned_is_named),
		ON_HOST(test_a_thread_beside_that_is_busy_is_named),
		cmocka_unit_test(test_others_are_kept_off_but_not_off_all),
	};

	return cmocka_run_group_tests_name("vm_pin", tests, NULL, NULL);
}
