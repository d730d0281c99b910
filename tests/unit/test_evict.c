// SPDX-License-Identifier: GPL-2.0-or-later
/* Who holds a device is ended in a stated time, and nobody else. */
#include "host/evict.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "vfio/in_use.h"

#define VF "0000:01:10.0"
#define FORCE_VM (1u << IN_USE_VM)

static int host = -1;
static struct pci_function dev;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "proc" }, { 0 } };
	struct bdf bdf;

	log_set_level(LOG_QUIET);
	evict_wait_ms = 20000;
	err = (struct err)ERR_INIT;
	host = fake_sysfs(nodes);
	fake_pci_add(host, &(struct fake_pci){ .bdf = VF, .driver = "vfio-pci", .group = "21" });
	assert_int_equal(bdf_parse(VF, &bdf), 0);
	assert_int_equal(pci_function_read_unlocked(host, bdf, &dev), 0);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

/* A child that sleeps; deaf: SIGTERM does nothing to it. */
static pid_t start(bool deaf)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (deaf)
			signal(SIGTERM, SIG_IGN);
		if (write(ready[1], "", 1) == 1)
			sleep(60);
		_exit(9);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* proc says that pid runs a VM with the device's group. */
static void holds(pid_t pid, char state, pid_t parent)
{
	char stat[64];

	snprintf(stat, sizeof(stat), "%d (a ) b) %c %d 1 1", (int)pid, state, (int)parent);
	fake_sysfs_text(host, stat, "proc/%d/stat", (int)pid);
	fake_sysfs_text(host, "qemu", "proc/%d/comm", (int)pid);
	fake_sysfs_link(host, "/dev/vfio/21", "proc/%d/fd/5", (int)pid);
	fake_sysfs_link(host, "anon_inode:kvm-vm", "proc/%d/fd/6", (int)pid);
}

/* The signal that ended it. */
static int ended_by(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

/* It got no signal; ends it. */
static void assert_untouched(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGINT);
	assert_int_equal(ended_by(pid), SIGINT);
}

static void test_a_holder_gets_sigterm_and_that_may_do(void **state)
{
	pid_t pid = start(false);

	holds(pid, 'S', 1);
	assert_int_equal(evict_holders(host, &dev, FORCE_VM, &err), 0);
	assert_int_equal(ended_by(pid), SIGTERM);
}

static void test_one_that_does_not_listen_is_killed_after_the_stated_time(void **state)
{
	pid_t pid = start(true);

	evict_wait_ms = 300;
	holds(pid, 'S', 1);
	assert_int_equal(evict_holders(host, &dev, FORCE_VM, &err), 0);
	assert_int_equal(ended_by(pid), SIGKILL);
}

static void test_one_that_is_stopped_is_killed_at_once(void **state)
{
	pid_t pid = start(false);

	kill(pid, SIGSTOP);
	holds(pid, 'T', 1);
	alarm(10); /* and not evict_wait_ms later */
	assert_int_equal(evict_holders(host, &dev, FORCE_VM, &err), 0);
	alarm(0);
	assert_int_equal(ended_by(pid), SIGKILL);
}

static void test_of_our_own_vms_the_supervisor_is_told(void **state)
{
	pid_t supervisor = start(false), vmm = start(false);

	evict_wait_ms = 2000; /* also what a killed one may take on a busy machine */
	fake_sysfs_text(host, "thruway", "proc/%d/comm", (int)supervisor);
	holds(vmm, 'S', supervisor);
	assert_int_equal(evict_holders(host, &dev, FORCE_VM, &err), 0);
	assert_int_equal(ended_by(supervisor), SIGTERM);
	assert_int_equal(ended_by(vmm), SIGKILL); /* it was not asked, and is still there */
}

static void test_nobody_is_ended_unless_forced_by_that_reason(void **state)
{
	pid_t pid = start(false);

	holds(pid, 'S', 1);
	assert_int_equal(evict_holders(host, &dev, 0, &err), 0);
	assert_int_equal(evict_holders(host, &dev, 1u << IN_USE_PROCESS, &err), 0);
	assert_int_equal(evict_holders(host, &dev, 1u << IN_USE_ROUTE, &err), 0);
	assert_untouched(pid);
}

static void test_users_of_a_host_driver_are_left_alone(void **state)
{
	pid_t pid = start(false);

	holds(pid, 'S', 1);
	strcpy(dev.driver, "igbvf"); /* its remove() waits for nobody */
	assert_int_equal(evict_holders(host, &dev, FORCE_VM, &err), 0);
	assert_untouched(pid);
}

static void keep_line(const char *line, void *opaque)
{
	strcpy(opaque, line);
}

static void test_a_preview_names_them_and_ends_nobody(void **state)
{
	char line[320] = "", want[320];
	pid_t pid = start(false);

	evict_wait_ms = 30000;
	holds(pid, 'S', 1);
	assert_int_equal(evict_preview(host, &dev, FORCE_VM, keep_line, line, &err), 0);
	snprintf(want, sizeof(want), VF ": the VM of pid %d (qemu) has it: pid %d gets SIGTERM, and "
		 "after 30 s pid %d SIGKILL", (int)pid, (int)pid, (int)pid);
	assert_string_equal(line, want);
	assert_untouched(pid);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_holder_gets_sigterm_and_that_may_do),
		TEST(test_one_that_does_not_listen_is_killed_after_the_stated_time),
		TEST(test_one_that_is_stopped_is_killed_at_once),
		TEST(test_of_our_own_vms_the_supervisor_is_told),
		TEST(test_nobody_is_ended_unless_forced_by_that_reason),
		TEST(test_users_of_a_host_driver_are_left_alone),
		TEST(test_a_preview_names_them_and_ends_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
