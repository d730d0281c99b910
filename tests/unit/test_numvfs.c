// SPDX-License-Identifier: GPL-2.0-or-later
/* How VFs come and go, against a kernel that keeps the rules of sriov_numvfs. */
#include "sriov/numvfs.h"

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
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"

static struct fake_pf k;
static const struct bdf pf = { .bus = 1 };

static int setup(void **state)
{
	fake_pf_init(&k);
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

static unsigned numvfs(void)
{
	uint64_t n = 99;

	(void)hostfs_read_u64(k.root, &n, FAKE_PF_DIR "/sriov_numvfs");
	return (unsigned)n;
}

static void test_numvfs_goes_through_zero(void **state)
{
	struct err err = ERR_INIT;

	fake_pf_set(&k, 2);
	assert_int_equal(numvfs_set(k.root, pf, 5, false, &err), 0);
	assert_int_equal(k.nwrites, 2);
	assert_string_equal(k.writes[0], "sriov_numvfs=0");
	assert_string_equal(k.writes[1], "sriov_numvfs=5");
	assert_int_equal(numvfs(), 5);
}

static void test_the_same_number_is_not_written(void **state)
{
	fake_pf_set(&k, 2);
	assert_int_equal(numvfs_set(k.root, pf, 2, false, NULL), 0);
	assert_int_equal(k.nwrites, 0);
}

static void test_fewer_than_asked_is_an_error_though_the_write_succeeds(void **state)
{
	struct err err = ERR_INIT;

	k.at_most = 3;
	assert_int_equal(numvfs_set(k.root, pf, 7, false, &err), -EIO);
	assert_non_null(strstr(err.text, "7 VFs were asked for and the driver made 3"));
}

static void test_links_back_are_waited_for(void **state)
{
	struct err err = ERR_INIT;

	k.no_physfn = true;
	fake_pf_set(&k, 3);
	assert_int_equal(numvfs_wait_links(k.root, pf, 3, 30, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "only 0 of 3 VFs"));
	k.no_physfn = false;
	fake_pf_set(&k, 0);
	fake_pf_set(&k, 3);
	assert_int_equal(numvfs_wait_links(k.root, pf, 3, 30, NULL), 0);
}

static void test_each_errno_of_the_write_has_its_cause(void **state)
{
	static const struct {
		int code;
		const char *says;
	} rows[] = {
		{ EBUSY, "only from 0" },	 { ERANGE, "more than the device" },
		{ ENOENT, "no driver is bound" }, { ENOMEM, "memory window or bus number" },
		{ ENOSPC, "interrupt vectors" },  { ENODEV, "does not answer" },
		{ EIO, "does not answer" },	  { EPERM, "forbids it" },
		{ EINVAL, "forbids it" },	  { EACCES, "needs root" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		k.fail = rows[i].code;
		assert_int_equal(numvfs_set(k.root, pf, 2, false, &err), -rows[i].code);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_non_null(strstr(err.text, FAKE_PF));
		assert_null(strstr(err.text, strerror(rows[i].code))); /* it would say less */
		assert_int_equal(numvfs(), 0);
	}
}

/* vf1 is held by a VM through /dev/vfio/33. */
static void open_vf1(void)
{
	static const struct fake_node nodes[] = {
		{ "sys/bus/pci/devices/0000:01:10.2/iommu_group",
		  .link = "../../../kernel/iommu_groups/33" },
		{ "sys/bus/pci/devices/0000:01:10.2/driver", .link = "../../drivers/vfio-pci" },
		{ "proc/311/comm", "thruway-vmm" },
		{ "proc/311/fd/7", .link = "/dev/vfio/33" },
		{ "proc/311/fd/8", .link = "anon_inode:kvm-vm" },
		{ 0 },
	};

	fake_sysfs_add(k.root, nodes);
}

static void test_vfs_in_use_are_not_taken_away(void **state)
{
	struct err err = ERR_INIT;

	fake_pf_set(&k, 2);
	open_vf1();
	assert_int_equal(numvfs_set(k.root, pf, 0, false, &err), -EBUSY);
	assert_non_null(strstr(err.text, "vf1 0000:01:10.2"));
	assert_non_null(strstr(err.text, "311"));
	assert_int_equal(k.nwrites, 0);
	assert_int_equal(numvfs_set(k.root, pf, 0, true, NULL), 0);
	assert_int_equal(numvfs(), 0);
}

static void test_a_vf_whose_interface_is_up_is_in_use(void **state)
{
	struct err err = ERR_INIT;

	fake_pf_set(&k, 1);
	fake_sysfs_text(k.root, "0x1002", "sys/class/net/eth5/flags");
	fake_sysfs_add(k.root, (struct fake_node[]){
		{ "sys/bus/pci/devices/0000:01:10.0/net/eth5" }, { 0 } });
	assert_int_equal(numvfs_check_unused(k.root, pf, 0, "x", NULL), 0);
	fake_sysfs_text(k.root, "0x1003", "sys/class/net/eth5/flags");
	assert_int_equal(numvfs_check_unused(k.root, pf, 0, "x", &err), -EBUSY);
	assert_non_null(strstr(err.text, "eth5 is up"));
}

static void test_a_vf_driver_without_interface_has_it_in_another_namespace(void **state)
{
	struct err err = ERR_INIT;

	fake_pf_set(&k, 1);
	fake_sysfs_add(k.root, (struct fake_node[]){
		{ "sys/bus/pci/devices/0000:01:10.0/net" },
		{ "sys/bus/pci/devices/0000:01:10.0/driver", .link = "../../drivers/igbvf" },
		{ 0 } });
	assert_int_equal(numvfs_check_unused(k.root, pf, 0, "x", &err), -EBUSY);
	assert_non_null(strstr(err.text, "another network namespace"));
}

static void test_autoprobe_comes_back_only_when_udev_rests(void **state)
{
	const struct step step = { .op = "autoprobe", .dev = FAKE_PF };
	char text[16];
	int status;
	pid_t udev;

	assert_int_equal(autoprobe_step_ops.write(k.root, &step, "0", NULL), 0);
	fake_sysfs_text(k.root, "", "run/udev/queue");
	udev = fork();
	if (udev == 0) {
		/* udev is done in 50 ms; what autoprobe read until then is its exit status. */
		usleep(50000);
		(void)autoprobe_step_ops.read(k.root, &step, text, sizeof(text));
		fake_sysfs_remove(k.root, "run/udev/queue");
		_exit(text[0] - '0');
	}
	assert_int_equal(autoprobe_step_ops.write(k.root, &step, "1", NULL), 0);
	assert_int_equal(waitpid(udev, &status, 0), udev);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(autoprobe_step_ops.read(k.root, &step, text, sizeof(text)), 0);
	assert_string_equal(text, "1");
}

static void test_link_changes_one_flag_and_keeps_the_others(void **state)
{
	const struct step step = { .op = "link", .dev = FAKE_PF, .key = "eth0" };
	const struct step other = { .op = "link", .dev = FAKE_PF, .key = "eth7" };
	char text[16];

	assert_int_equal(link_step_ops.read(k.root, &step, text, sizeof(text)), 0);
	assert_string_equal(text, "down");
	assert_int_equal(link_step_ops.write(k.root, &step, "up", NULL), 0);
	assert_string_equal(k.writes[0], "flags=0x1003");
	assert_int_equal(link_step_ops.write(k.root, &step, "down", NULL), 0);
	assert_string_equal(k.writes[1], "flags=0x1002");
	assert_int_equal(link_step_ops.read(k.root, &other, text, sizeof(text)), -ENODEV);
}

static void test_rows_say_a_missing_device_from_a_missing_attribute(void **state)
{
	const struct step gone = { .op = "numvfs", .dev = "0000:09:00.0" };
	const struct step plain = { .op = "numvfs", .dev = "0000:00:1f.0" };
	char text[16];

	assert_int_equal(numvfs_step_ops.read(k.root, &gone, text, sizeof(text)), -ENODEV);
	assert_int_equal(numvfs_step_ops.read(k.root, &plain, text, sizeof(text)), -EOPNOTSUPP);
	assert_int_equal(numvfs_step_ops.write(k.root, &plain, "two", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_numvfs_goes_through_zero),
		T(test_the_same_number_is_not_written),
		T(test_fewer_than_asked_is_an_error_though_the_write_succeeds),
		T(test_links_back_are_waited_for),
		T(test_each_errno_of_the_write_has_its_cause),
		T(test_vfs_in_use_are_not_taken_away),
		T(test_a_vf_whose_interface_is_up_is_in_use),
		T(test_a_vf_driver_without_interface_has_it_in_another_namespace),
		T(test_autoprobe_comes_back_only_when_udev_rests),
		T(test_link_changes_one_flag_and_keeps_the_others),
		T(test_rows_say_a_missing_device_from_a_missing_attribute),
#undef T
	};

	return cmocka_run_group_tests_name("numvfs", tests, NULL, NULL);
}
