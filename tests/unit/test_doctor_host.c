// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules about the host: each with its fault, without it, and with the fact not to be read. */
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

static int root = -1;

static int setup(void **state)
{
	root = fake_doctor_host();
	return 0;
}

static int teardown(void **state)
{
	fake_doctor_done();
	fake_sysfs_free(&root);
	return 0;
}

static const struct doctor_finding *see(const char *rule)
{
	return fake_doctor_see(root, NULL, rule, NULL);
}

static void test_a_healthy_host_passes_every_rule(void **state)
{
	for (const struct doctor_rule *r = doctor_rules; r->id; r++) {
		const struct doctor_finding *f =
			r->scope == DOCTOR_DEVICE ? fake_doctor_see(root, NULL, r->id, FAKE_NIC) :
						    see(r->id);

		if (f->result > DOCTOR_PASS)
			fail_msg("%s: %s: %s", r->id, doctor_result_word(f->result), f->text);
	}
}

static void no_iommu(void)
{
	fake_sysfs_remove(root, "sys/class/iommu");
	fake_sysfs_remove(root, "sys/kernel/iommu_groups");
	fake_sysfs_remove(root, FAKE_NIC_DIR "/iommu_group");
}

static void test_no_iommu_in_the_firmware_is_told_from_one_not_enabled(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(see("IOMMU_OFF")->result, DOCTOR_PASS);
	no_iommu();
	f = see("IOMMU_OFF");
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_non_null(strstr(f->text, "the kernel does not use it"));
	assert_string_equal(fake_doctor_evidence(f, "/sys/firmware/acpi/tables/DMAR"), "there");
	assert_string_equal(fake_doctor_evidence(f, "/proc/cmdline"), "quiet");
	assert_non_null(strstr(f->fix, "intel_iommu=on"));

	fake_sysfs_remove(root, "sys/firmware/acpi/tables/DMAR");
	f = see("IOMMU_OFF");
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(f->text, "this host shows no IOMMU");
	assert_non_null(strstr(f->fix, "VT-d"));

	fake_sysfs_text(root, "flags : fpu hypervisor", "proc/cpuinfo");
	assert_string_equal(see("IOMMU_OFF")->text, "this is a virtual machine without an IOMMU");
}

static void test_the_word_that_switches_the_iommu_off_is_named(void **state)
{
	no_iommu();
	fake_sysfs_text(root, "quiet intel_iommu=off", "proc/cmdline");
	assert_string_equal(see("IOMMU_OFF")->fix,
			    "take intel_iommu=off off the kernel's command line and boot again");
}

static void test_without_sysfs_the_iommu_is_not_judged(void **state)
{
	no_iommu();
	fake_sysfs_remove(root, "sys/kernel");
	fake_sysfs_remove(root, "sys/class");
	assert_int_equal(see("IOMMU_OFF")->result, DOCTOR_NOTE);
}

static void plain_interrupts(void)
{
	fake_sysfs_text(root, "IO-APIC", "sys/kernel/irq/9/chip_name");
	fake_sysfs_text(root, "PCI-MSI-0000:01:00.0", "sys/kernel/irq/25/chip_name");
}

static void test_interrupts_that_are_not_remapped_fail(void **state)
{
	const struct doctor_finding *f;

	plain_interrupts();
	fake_doctor_log(root, "DMAR-IR: not supported");
	f = see("NO_IR");
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/sys/kernel/irq/25/chip_name"),
			    "PCI-MSI-0000:01:00.0");
	assert_string_equal(fake_doctor_evidence(f, "/dev/kmsg"),
			    "[    1.500000] DMAR-IR: not supported");
}

static void test_unsafe_interrupts_are_a_warning(void **state)
{
	plain_interrupts();
	fake_sysfs_text(root, "Y", "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	assert_int_equal(see("NO_IR")->result, DOCTOR_WARN);
	fake_sysfs_text(root, "N", "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	assert_int_equal(see("NO_IR")->result, DOCTOR_FAIL);
}

static void test_interrupts_that_cannot_be_looked_at_are_a_note(void **state)
{
	fake_sysfs_remove(root, "sys/kernel/irq");
	assert_int_equal(see("NO_IR")->result, DOCTOR_NOTE);
	no_iommu();
	assert_int_equal(see("NO_IR")->result, DOCTOR_SKIP);
}

static void test_a_kernel_without_vfio_pci_fails(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_remove(root, "sys/bus/pci/drivers/vfio-pci");
	fake_sysfs_text(root, "", "sys/bus/pci/drivers/igb/bind");
	assert_int_equal(see("VFIO_MODULE")->result, DOCTOR_NOTE); /* no list of modules */

	fake_sysfs_text(root, "kernel/net/igb.ko:", "lib/modules/6.12/modules.dep");
	f = see("VFIO_MODULE");
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/lib/modules/6.12/modules.dep"),
			    "no vfio-pci.ko");

	fake_sysfs_text(root, "kernel/drivers/vfio/pci/vfio-pci.ko: x", "lib/modules/6.12/modules.dep");
	assert_int_equal(see("VFIO_MODULE")->result, DOCTOR_PASS);
}

static void test_a_device_that_waits_for_vfio_pci_fails(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_remove(root, "sys/bus/pci/drivers/vfio-pci");
	fake_sysfs_text(root, "", "sys/bus/pci/drivers/igb/bind");
	fake_sysfs_text(root, "kernel/drivers/vfio/pci/vfio-pci.ko: x", "lib/modules/6.12/modules.dep");
	fake_sysfs_remove(root, FAKE_NIC_DIR "/driver");
	fake_sysfs_text(root, "vfio-pci", FAKE_NIC_DIR "/driver_override");
	f = see("VFIO_MODULE");
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/driver_override"), "vfio-pci");
	assert_non_null(strstr(f->fix, "modprobe vfio-pci"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_a_healthy_host_passes_every_rule),
		TEST(test_no_iommu_in_the_firmware_is_told_from_one_not_enabled),
		TEST(test_the_word_that_switches_the_iommu_off_is_named),
		TEST(test_without_sysfs_the_iommu_is_not_judged),
		TEST(test_interrupts_that_are_not_remapped_fail),
		TEST(test_unsafe_interrupts_are_a_warning),
		TEST(test_interrupts_that_cannot_be_looked_at_are_a_note),
		TEST(test_a_kernel_without_vfio_pci_fails),
		TEST(test_a_device_that_waits_for_vfio_pci_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
