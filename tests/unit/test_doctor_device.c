// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules about who has a device that is meant for a guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/fake/doctor.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define GPU "0000:04:00.0" /* with its audio function in one group */
#define HDA "0000:04:00.1"

static int root = -1;

static int setup(void **state)
{
	root = fake_doctor_host();
	fake_pci_add(root, &(struct fake_pci){ .bdf = GPU, .group = "42", .class = 0x030000,
					       .ids = "10de:1b80", .node = "0" });
	fake_pci_add(root, &(struct fake_pci){ .bdf = HDA, .group = "42", .class = 0x040300,
					       .driver = "snd_hda_intel", .node = "0" });
	return 0;
}

static int teardown(void **state)
{
	fake_doctor_done();
	fake_sysfs_free(&root);
	return 0;
}

static void test_a_host_driver_in_the_group_fails_for_a_device_that_is_wanted(void **state)
{
	const struct doctor_finding *f = fake_doctor_see(root, GPU, "GRP_NOT_VIABLE", GPU);

	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(f->text, "its IOMMU group 42 also holds " HDA " (snd_hda_intel)");
	assert_string_equal(fake_doctor_evidence(f, "/sys/bus/pci/devices/" HDA "/driver"),
			    "snd_hda_intel");
	assert_string_equal(f->fix, "thruway bind --group " GPU);

	fake_sysfs_link(root, "../../../bus/pci/drivers/vfio-pci",
			"sys/bus/pci/devices/" HDA "/driver");
	assert_int_equal(fake_doctor_see(root, GPU, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_PASS);
}

static void test_devices_nobody_means_to_pass_are_left_alone(void **state)
{
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_SKIP);
	assert_int_equal(fake_doctor_see(root, NULL, "HOST_CRITICAL", FAKE_NIC)->result,
			 DOCTOR_SKIP);
}

/* Each place in which somebody may have written that a device is for guests. */
static void test_a_device_is_wanted_by_override_driverctl_and_ids(void **state)
{
	fake_sysfs_text(root, "vfio-pci", "sys/bus/pci/devices/" GPU "/driver_override");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_FAIL);
	fake_sysfs_text(root, "(null)", "sys/bus/pci/devices/" GPU "/driver_override");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_SKIP);

	fake_sysfs_text(root, "vfio-pci", "etc/driverctl.d/pci-" GPU);
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_FAIL);
	fake_sysfs_remove(root, "etc/driverctl.d");

	fake_sysfs_text(root, "quiet vfio-pci.ids=1002:67df,10de:1b80", "proc/cmdline");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_FAIL);
	fake_sysfs_text(root, "quiet vfio-pci.ids=1002:67df", "proc/cmdline");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_SKIP);

	fake_sysfs_text(root, "# mine\noptions vfio_pci disable_vga=1 ids=10de:1b80",
			"etc/modprobe.d/vfio.conf");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_FAIL);
}

static void test_a_sibling_the_host_needs_is_not_to_be_bound(void **state)
{
	const struct doctor_finding *f;

	fake_pci_add(root, &(struct fake_pci){ .bdf = HDA, .group = "42", .driver = "igb",
					       .netdev = "eth1", .node = "0" });
	fake_sysfs_text(root, "eth1\t00000000\t0102A8C0", "proc/net/route");
	f = fake_doctor_see(root, GPU, "GRP_NOT_VIABLE", GPU);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_non_null(strstr(f->fix, "slot"));
}

static void test_a_device_the_host_needs_fails_when_named(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(fake_doctor_see(root, FAKE_NIC, "HOST_CRITICAL", FAKE_NIC)->result,
			 DOCTOR_PASS);
	fake_sysfs_text(root, "eth0\t00000000\t0102A8C0", "proc/net/route");
	f = fake_doctor_see(root, FAKE_NIC, "HOST_CRITICAL", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(f->text, "this host needs it: eth0 has the default route");
	assert_string_equal(fake_doctor_evidence(f, "/proc/net/route"), "eth0 has the default route");
	assert_non_null(strstr(f->fix, "--force=route " FAKE_NIC));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_a_host_driver_in_the_group_fails_for_a_device_that_is_wanted),
		TEST(test_devices_nobody_means_to_pass_are_left_alone),
		TEST(test_a_device_is_wanted_by_override_driverctl_and_ids),
		TEST(test_a_sibling_the_host_needs_is_not_to_be_bound),
		TEST(test_a_device_the_host_needs_fails_when_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
