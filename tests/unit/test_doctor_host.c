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
			r->scope == DOCTOR_DEVICE ? fake_doctor_see(root, NULL, r->id, FAKE_NIC)
						  : see(r->id);

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
	fake_sysfs_text(root, "Y",
			"sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	assert_int_equal(see("NO_IR")->result, DOCTOR_WARN);
	fake_sysfs_text(root, "N",
			"sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
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

	fake_sysfs_text(root, "kernel/drivers/vfio/pci/vfio-pci.ko: x",
			"lib/modules/6.12/modules.dep");
	assert_int_equal(see("VFIO_MODULE")->result, DOCTOR_PASS);
}

static void test_a_device_that_waits_for_vfio_pci_fails(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_remove(root, "sys/bus/pci/drivers/vfio-pci");
	fake_sysfs_text(root, "", "sys/bus/pci/drivers/igb/bind");
	fake_sysfs_text(root, "kernel/drivers/vfio/pci/vfio-pci.ko: x",
			"lib/modules/6.12/modules.dep");
	fake_sysfs_remove(root, FAKE_NIC_DIR "/driver");
	fake_sysfs_text(root, "vfio-pci", FAKE_NIC_DIR "/driver_override");
	f = see("VFIO_MODULE");
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/driver_override"),
			    "vfio-pci");
	assert_non_null(strstr(f->fix, "modprobe vfio-pci"));
}

static void test_an_iommu_narrower_than_the_cpu_is_a_warning(void **state)
{
	const struct doctor_finding *f = see("ADDR_WIDTH");

	assert_int_equal(f->result, DOCTOR_PASS); /* 48 bits against 46 */
	assert_string_equal(fake_doctor_evidence(f, "/sys/class/iommu/dmar0/intel-iommu/cap"),
			    "80d2008c222f0686");

	fake_sysfs_text(root, "80d2008c22260206", "sys/class/iommu/dmar1/intel-iommu/cap");
	f = see("ADDR_WIDTH");
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_non_null(strstr(f->text, "39 bits, the CPU 46"));
	assert_non_null(strstr(f->fix, "host-phys-bits-limit=39"));
}

static void test_a_wide_iommu_with_shallow_tables_is_narrow(void **state)
{
	/* 48 bits by MGAW, three levels of tables by SAGAW. */
	fake_sysfs_text(root, "80d2008c222f0206", "sys/class/iommu/dmar0/intel-iommu/cap");
	assert_int_equal(see("ADDR_WIDTH")->result, DOCTOR_WARN);
}

static void test_amd_tells_its_width_in_levels(void **state)
{
	fake_sysfs_remove(root, "sys/class/iommu/dmar0");
	fake_sysfs_text(root, "0:29d7", "sys/class/iommu/ivhd0/amd-iommu/features");
	assert_int_equal(see("ADDR_WIDTH")->result, DOCTOR_PASS);
	fake_sysfs_text(root, "address sizes : 52 bits physical, 57 bits virtual", "proc/cpuinfo");
	fake_sysfs_text(root, "21d7", "sys/class/iommu/ivhd0/amd-iommu/features");
	assert_non_null(strstr(see("ADDR_WIDTH")->text, "48 bits, the CPU 52"));
}

static void test_an_iommu_of_unknown_width_is_a_note(void **state)
{
	fake_sysfs_remove(root, "sys/class/iommu/dmar0/intel-iommu");
	assert_int_equal(see("ADDR_WIDTH")->result, DOCTOR_NOTE);
}

static void test_bars_the_iommu_cannot_address_fail(void **state)
{
	fake_sysfs_text(root, "80d2008c22260206", "sys/class/iommu/dmar0/intel-iommu/cap");
	fake_sysfs_text(root, "0x0000010000000000 0x0000013fffffffff 0x000000000014220c",
			FAKE_NIC_DIR "/resource");
	fake_sysfs_text(root, "vfio-pci", FAKE_NIC_DIR "/driver_override");
	assert_int_equal(see("ADDR_WIDTH")->result, DOCTOR_FAIL);
}

static void ordinary_user(const char *limit)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "Max locked memory         %s              %s              bytes", limit, limit);
	fake_sysfs_text(root, "Name:\tthruway\nCapEff:\t0000000000000000", "proc/self/status");
	fake_sysfs_text(root, text, "proc/self/limits");
	fake_sysfs_text(root, "", "dev/vfio/vfio");
}

static void test_a_user_with_a_device_and_no_memory_to_lock_fails(void **state)
{
	const struct doctor_finding *f;

	ordinary_user("8388608");
	assert_int_equal(see("MEMLOCK")->result, DOCTOR_PASS); /* no device was given to them */
	fake_sysfs_text(root, "", "dev/vfio/14");
	f = see("MEMLOCK");
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_non_null(strstr(f->text, "8 MiB"));
	assert_non_null(strstr(fake_doctor_evidence(f, "/proc/self/limits"), "8388608"));
	assert_non_null(strstr(f->fix, "5368709120"));

	ordinary_user("unlimited");
	assert_int_equal(see("MEMLOCK")->result, DOCTOR_PASS);
	ordinary_user("8388608");
	fake_sysfs_text(root, "CapEff:\t000001ffffffffff", "proc/self/status");
	assert_int_equal(see("MEMLOCK")->result, DOCTOR_PASS); /* root */
}

static void test_a_limit_that_cannot_be_read_is_a_note(void **state)
{
	ordinary_user("8388608");
	fake_sysfs_text(root, "", "dev/vfio/14");
	fake_sysfs_remove(root, "proc/self/limits");
	assert_int_equal(see("MEMLOCK")->result, DOCTOR_NOTE);
}

static void test_the_kernels_word_about_locked_memory_is_a_warning(void **state)
{
	const struct doctor_finding *f;

	fake_doctor_log(root, "vfio_pin_pages_remote: RLIMIT_MEMLOCK (65536) exceeded");
	f = see("MEMLOCK");
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_non_null(strstr(fake_doctor_evidence(f, "/dev/kmsg"), "(65536) exceeded"));
	fake_doctor_no_log(root);
	f = see("MEMLOCK");
	assert_int_equal(f->result, DOCTOR_NOTE);
	assert_non_null(strstr(f->text, "cannot tell without the kernel's log"));
}

static void test_hugepages_that_were_not_to_be_had_are_a_warning(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(see("HUGE_SHORT")->result, DOCTOR_SKIP);
	fake_sysfs_text(root, "hugepages=64 hugepagesz=1G hugepages=0:2,1:2", "proc/cmdline");
	fake_sysfs_text(root, "64", "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	fake_sysfs_text(root, "2",
			"sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages");
	assert_int_equal(see("HUGE_SHORT")->result, DOCTOR_NOTE); /* node 1 cannot be read */
	fake_sysfs_text(root, "1",
			"sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages");
	f = see("HUGE_SHORT");
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(f->text, "node 1 has 1 hugepages of 1 GiB, 2 were asked for at boot");
	fake_sysfs_text(root, "2",
			"sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages");
	assert_int_equal(see("HUGE_SHORT")->result, DOCTOR_PASS);
	fake_sysfs_text(root, "63", "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	assert_string_equal(see("HUGE_SHORT")->text,
			    "there are 63 hugepages of 2 MiB, 64 were asked for at boot");
}

static void test_a_log_that_forgot_the_boot_is_no_pass(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_text(root, "6,500,99000000,-;late", "dev/kmsg");
	f = see("MEMLOCK");
	assert_int_equal(f->result, DOCTOR_NOTE);
	assert_non_null(strstr(f->text, "no longer reaches back"));
}

static void test_what_files_say_is_made_printable(void **state)
{
	fake_sysfs_text(root, "IR-\033[31m\303\274", "sys/kernel/irq/9/chip_name");
	assert_string_equal(fake_doctor_evidence(see("NO_IR"), "/sys/kernel/irq/25/chip_name"),
			    "IR-PCI-MSI-0000:01:00.0"); /* in the order of names: 24, 25, 9 */
	fake_sysfs_remove(root, "sys/kernel/irq/25");
	assert_string_equal(fake_doctor_evidence(see("NO_IR"), "/sys/kernel/irq/9/chip_name"),
			    "IR-?[31m??");
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
		TEST(test_an_iommu_narrower_than_the_cpu_is_a_warning),
		TEST(test_a_wide_iommu_with_shallow_tables_is_narrow),
		TEST(test_amd_tells_its_width_in_levels),
		TEST(test_an_iommu_of_unknown_width_is_a_note),
		TEST(test_bars_the_iommu_cannot_address_fail),
		TEST(test_a_user_with_a_device_and_no_memory_to_lock_fails),
		TEST(test_a_limit_that_cannot_be_read_is_a_note),
		TEST(test_the_kernels_word_about_locked_memory_is_a_warning),
		TEST(test_hugepages_that_were_not_to_be_had_are_a_warning),
		TEST(test_a_log_that_forgot_the_boot_is_no_pass),
		TEST(test_what_files_say_is_made_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
