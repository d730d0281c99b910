// SPDX-License-Identifier: GPL-2.0-or-later
/* Several `vm run --bind` and one device: one has it, and no end of another takes it away. */
#include "tools/vm_devices.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tests/fake/kernel.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/vm_opts.h"

#define VF    "0000:01:10.0"
#define OTHER "0000:02:00.0"

static struct fake_kernel kernel;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "run", 0 }, { "proc", 0 }, { 0 } };
	static const struct fake_pci devs[] = {
		{ .bdf = VF, .ids = "8086:10ca", .driver = "igbvf", .group = "21" },
		{ .bdf = OTHER, .ids = "8086:10cb", .driver = "igbvf", .group = "22" },
	};

	log_set_level(LOG_QUIET);
	err = (struct err)ERR_INIT;
	kernel = (struct fake_kernel){ .root = fake_sysfs(nodes), .native = "igbvf" };
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(kernel.root, &devs[i]);
	fake_sysfs_text(kernel.root, "", "dev/vfio/21");
	fake_sysfs_text(kernel.root, "", "dev/vfio/22");
	fake_kernel_start(&kernel);
	return 0;
}

static int teardown(void **state)
{
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	return 0;
}

static const char *driver_of(const char *name)
{
	static char buf[64];

	if (hostfs_link_name(kernel.root, buf, sizeof(buf), "sys/bus/pci/devices/%s/driver",
			     name) < 0)
		return "";
	return buf;
}

/* This process shows in proc from now on. */
static void appear(void)
{
	char stat[128];

	snprintf(stat, sizeof(stat),
		 "%d (thruway) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", (int)getpid(),
		 (int)getpid());
	fake_sysfs_text(kernel.root, stat, "proc/%d/stat", (int)getpid());
}

static int take(const char *first, const char *second, bool bind, struct vm_devices *ret)
{
	struct ctx ctx = { .root = kernel.root, .lock_timeout_s = 1 };
	struct vm_opts o = { .bind = bind, .device_count = second ? 2 : 1 };
	int r;

	snprintf(o.devices[0].name, sizeof(o.devices[0].name), "%s", first);
	if (second)
		snprintf(o.devices[1].name, sizeof(o.devices[1].name), "%s", second);
	r = vm_devices_find(&ctx, &o, ret, &err);
	return r < 0 ? r : vm_devices_take(&ctx, &o, ret, &err);
}

/* A `vm run --bind` that has VF, and stays as it is. Its pid as long as nobody reaps it. */
static pid_t another_has_it(void)
{
	struct vm_devices devices = VM_DEVICES_INIT;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		appear();
		_exit(take(VF, NULL, true, &devices) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
	return pid; /* proc shows it still */
}

static void test_what_a_living_vm_run_bound_is_refused_before_anything(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;
	pid_t pid = another_has_it();
	char says[64];

	appear();
	snprintf(says, sizeof(says), "the VM of pid %d has it", (int)pid);
	assert_int_equal(take(OTHER, VF, true, &devices), -EBUSY);
	assert_non_null(strstr(err.text, says));
	assert_string_equal(driver_of(VF), "vfio-pci");
	assert_string_equal(driver_of(OTHER), "igbvf");
	assert_int_equal(vm_devices_give_back(kernel.root, &devices, &err), 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
}

static void test_what_another_has_open_is_not_given_back(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;

	appear();
	assert_int_equal(take(VF, OTHER, true, &devices), 0);
	assert_string_equal(driver_of(OTHER), "vfio-pci");
	fake_sysfs_link(kernel.root, "/dev/vfio/21", "proc/77/fd/5");
	fake_sysfs_link(kernel.root, "anon_inode:kvm-vm", "proc/77/fd/6");
	assert_int_equal(vm_devices_give_back(kernel.root, &devices, &err), 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
	assert_string_equal(driver_of(OTHER), "igbvf");
}

static void test_one_device_by_two_names_is_refused_before_it_is_bound(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;

	appear();
	assert_int_equal(take(VF, "01:10.0", true, &devices), -EINVAL);
	assert_non_null(strstr(err.text, "is given twice"));
	assert_string_equal(driver_of(VF), "igbvf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_what_a_living_vm_run_bound_is_refused_before_anything),
		TEST(test_what_another_has_open_is_not_given_back),
		TEST(test_one_device_by_two_names_is_refused_before_it_is_bound),
#undef TEST
	};

	return cmocka_run_group_tests_name("vm_devices", tests, NULL, NULL);
}
