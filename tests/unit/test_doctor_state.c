// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules about what state a device is in: reset, sleep, errors, memory, its place. */
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

#define PORT    "0000:00:01.0" /* above the NIC */
#define GPU     "0000:04:00.0"
#define GPU_DIR "sys/bus/pci/devices/" GPU

static int root = -1;

static int setup(void **state)
{
	root = fake_doctor_host();
	fake_pci_add(root, &(struct fake_pci){ .bdf = PORT, .header_type = 1, .class = 0x060400 });
	fake_pci_add(root, &(struct fake_pci){ .bdf = GPU,
					       .group = "42",
					       .class = 0x030000,
					       .ids = "1002:687f",
					       .node = "0" });
	fake_sysfs_text(root, "0x00000000c0000000 0x00000000cfffffff 0x0000000000042208",
			GPU_DIR "/resource");
	fake_sysfs_text(root, "", "sys/kernel/iommu_groups/42/reserved_regions");
	return 0;
}

static int teardown(void **state)
{
	fake_doctor_done();
	fake_sysfs_free(&root);
	return 0;
}

static const struct doctor_finding *see(const char *rule, const char *of)
{
	return fake_doctor_see(root, NULL, rule, of);
}

static const struct doctor_finding *ask(const char *rule, const char *of)
{
	return fake_doctor_see(root, of, rule, of);
}

static void test_a_device_that_cannot_be_reset_is_a_warning(void **state)
{
	const struct doctor_finding *f = ask("RESET", FAKE_NIC);

	assert_int_equal(f->result, DOCTOR_PASS);
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/reset_method"), "flr bus");
	fake_sysfs_remove(root, FAKE_NIC_DIR "/reset_method");
	assert_int_equal(ask("RESET", FAKE_NIC)->result, DOCTOR_WARN);
	assert_int_equal(see("RESET", FAKE_NIC)->result, DOCTOR_SKIP);
	fake_sysfs_text(root, "", FAKE_NIC_DIR "/reset");
	fake_sysfs_text(root, "", FAKE_NIC_DIR "/reset_method"); /* emptied by somebody */
	f = ask("RESET", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/reset_method"), "empty");
	fake_sysfs_remove(root, FAKE_NIC_DIR "/reset_method"); /* a kernel before 5.15 */
	assert_int_equal(ask("RESET", FAKE_NIC)->result, DOCTOR_PASS);
	fake_doctor_log(root, "vfio-pci " FAKE_NIC ": not ready 65535ms after FLR; giving up");
	assert_int_equal(ask("RESET", FAKE_NIC)->result, DOCTOR_WARN);
}

static void test_a_chip_that_hangs_after_resets_is_known(void **state)
{
	fake_sysfs_text(root, "bus", GPU_DIR "/reset_method");
	assert_non_null(strstr(ask("RESET", GPU)->fix, "vendor-reset"));
	fake_sysfs_text(root, "device_specific bus", GPU_DIR "/reset_method");
	assert_int_equal(ask("RESET", GPU)->result, DOCTOR_PASS);
}

static void test_a_device_that_does_not_answer_fails(void **state)
{
	static unsigned char ones[256];

	memset(ones, 0xff, sizeof(ones));
	fake_put_bytes(root, FAKE_NIC_DIR "/config", ones, sizeof(ones));
	assert_int_equal(ask("RESET", FAKE_NIC)->result, DOCTOR_FAIL);
	assert_int_equal(see("RESET", FAKE_NIC)->result, DOCTOR_WARN);
}

static void test_a_device_that_did_not_wake_up_fails(void **state)
{
	const struct doctor_finding *f;

	fake_doctor_log(root,
			"vfio-pci " FAKE_NIC ": Unable to change power state from D3cold to D0");
	fake_sysfs_text(root, "1", FAKE_NIC_DIR "/d3cold_allowed");
	f = ask("D3COLD", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/d3cold_allowed"), "1");
	assert_int_equal(see("D3COLD", GPU)->result, DOCTOR_PASS); /* of another device */
	fake_doctor_no_log(root);
	assert_int_equal(ask("D3COLD", FAKE_NIC)->result, DOCTOR_NOTE);
}

static void test_uncorrected_errors_on_the_way_are_a_warning(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(see("AER", FAKE_NIC)->result, DOCTOR_SKIP); /* nobody counts */
	fake_sysfs_text(root, "DLP 0\nTOTAL_ERR_FATAL 0", FAKE_NIC_DIR "/aer_dev_fatal");
	fake_sysfs_text(root, "RxErr 4\nTOTAL_ERR_COR 4", FAKE_NIC_DIR "/aer_dev_correctable");
	fake_sysfs_text(root, "TOTAL_ERR_NONFATAL 0", FAKE_NIC_DIR "/aer_dev_nonfatal");
	assert_int_equal(see("AER", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "CmpltTO 2\nTOTAL_ERR_NONFATAL 2",
			"sys/bus/pci/devices/" PORT "/aer_dev_nonfatal");
	fake_sysfs_text(root, "TOTAL_ERR_FATAL 0", "sys/bus/pci/devices/" PORT "/aer_dev_fatal");
	fake_sysfs_text(root, "TOTAL_ERR_COR 0",
			"sys/bus/pci/devices/" PORT "/aer_dev_correctable");
	f = see("AER", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(
		fake_doctor_evidence(f, "/sys/bus/pci/devices/" PORT "/aer_dev_nonfatal"),
		"2 (CmpltTO 2)");
}

static void test_faults_are_counted_for_the_device_that_made_them(void **state)
{
	const struct doctor_finding *f;

	fake_doctor_log(root,
			"DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0x1000");
	fake_doctor_log(root,
			"DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0x2000");
	f = see("IOMMU_FAULTS", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(f->text,
			    "the IOMMU stopped it 2 times from reaching memory it may not");
	assert_int_equal(see("IOMMU_FAULTS", GPU)->result, DOCTOR_PASS);
	fake_doctor_no_log(root);
	assert_int_equal(see("IOMMU_FAULTS", GPU)->result, DOCTOR_NOTE);
}

static void test_behind_a_bridge_faults_come_from_the_bridge(void **state)
{
	uint8_t cfg[256] = {
		[0x00] = 0x86, [0x06] = 0x10, [0x0e] = 1,
		[0x34] = 0x40, [0x40] = 0x10, [0x42] = 0x72
	}; /* an Express function of the type PCI bridge */

	fake_put_bytes(root, "sys/bus/pci/devices/" PORT "/config", cfg, sizeof(cfg));
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:05:01.0",
					       .place = "pci0000:00/" PORT,
					       .group = "16" });
	fake_doctor_log(root,
			"DMAR: [DMA Read NO_PASID] Request device [05:00.0] fault addr 0x1000");
	assert_int_equal(see("IOMMU_FAULTS", "0000:05:01.0")->result, DOCTOR_WARN);
	cfg[0x42] = 0x42; /* a root port: what is below it speaks for itself */
	fake_put_bytes(root, "sys/bus/pci/devices/" PORT "/config", cfg, sizeof(cfg));
	assert_int_equal(see("IOMMU_FAULTS", "0000:05:01.0")->result, DOCTOR_PASS);
}

static void test_memory_the_firmware_keeps_fails(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(ask("RMRR", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "0x0000000000000000 0x0000000000ffffff direct-relaxable",
			"sys/kernel/iommu_groups/14/reserved_regions");
	assert_int_equal(ask("RMRR", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "0x00000000bdf83000 0x00000000bdf84fff direct",
			"sys/kernel/iommu_groups/14/reserved_regions");
	f = ask("RMRR", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/sys/kernel/iommu_groups/14/reserved_regions"),
			    "0xbdf83000 0xbdf84fff direct");
	assert_int_equal(see("RMRR", FAKE_NIC)->result, DOCTOR_SKIP);
	fake_sysfs_remove(root, "sys/kernel/iommu_groups/14/reserved_regions");
	assert_int_equal(ask("RMRR", FAKE_NIC)->result, DOCTOR_NOTE);
}

static void test_the_firmwares_framebuffer_fails_for_its_card(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(ask("BOOTFB", GPU)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "c0000000-cfffffff : 0000:04:00.0\n  c0000000-c0ffffff : BOOTFB",
			"proc/iomem");
	f = ask("BOOTFB", GPU);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/proc/iomem"), "c0000000-c0ffffff : BOOTFB ");
	assert_int_equal(see("BOOTFB", GPU)->result, DOCTOR_SKIP);
	assert_int_equal(ask("BOOTFB", FAKE_NIC)->result, DOCTOR_SKIP);
	fake_sysfs_text(root, "d0000000-d0ffffff : BOOTFB", "proc/iomem"); /* another card's */
	assert_int_equal(ask("BOOTFB", GPU)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "00000000-00000000 : BOOTFB", "proc/iomem"); /* an ordinary user */
	assert_int_equal(ask("BOOTFB", GPU)->result, DOCTOR_NOTE);
	fake_sysfs_remove(root, "proc/iomem");
	assert_int_equal(ask("BOOTFB", GPU)->result, DOCTOR_NOTE);
}

static void test_the_card_the_host_booted_with_has_a_used_rom(void **state)
{
	assert_int_equal(ask("ROM_CODE43", GPU)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "1", GPU_DIR "/boot_vga");
	assert_int_equal(ask("ROM_CODE43", GPU)->result, DOCTOR_WARN);
	assert_int_equal(see("ROM_CODE43", GPU)->result, DOCTOR_SKIP);
}

static void test_an_unknown_node_matters_where_there_are_several(void **state)
{
	fake_sysfs_text(root, "-1", FAKE_NIC_DIR "/numa_node");
	assert_int_equal(see("NUMA_UNKNOWN", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "0-1", "sys/devices/system/node/online");
	assert_int_equal(see("NUMA_UNKNOWN", FAKE_NIC)->result, DOCTOR_NOTE);
	assert_int_equal(see("NUMA_UNKNOWN", GPU)->result, DOCTOR_SKIP);
	fake_sysfs_text(root, "1", FAKE_NIC_DIR "/numa_node");
	assert_int_equal(see("NUMA_UNKNOWN", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_remove(root, "sys/devices/system/node/online");
	assert_non_null(strstr(see("NUMA_UNKNOWN", FAKE_NIC)->text, "cannot tell"));
}

static void test_a_device_the_iommu_does_not_cover_fails(void **state)
{
	assert_int_equal(ask("NO_GROUP", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_remove(root, FAKE_NIC_DIR "/iommu_group");
	assert_int_equal(ask("NO_GROUP", FAKE_NIC)->result, DOCTOR_FAIL);
	assert_int_equal(see("NO_GROUP", FAKE_NIC)->result, DOCTOR_SKIP);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_a_device_that_cannot_be_reset_is_a_warning),
		TEST(test_a_chip_that_hangs_after_resets_is_known),
		TEST(test_a_device_that_does_not_answer_fails),
		TEST(test_a_device_that_did_not_wake_up_fails),
		TEST(test_uncorrected_errors_on_the_way_are_a_warning),
		TEST(test_faults_are_counted_for_the_device_that_made_them),
		TEST(test_behind_a_bridge_faults_come_from_the_bridge),
		TEST(test_memory_the_firmware_keeps_fails),
		TEST(test_the_firmwares_framebuffer_fails_for_its_card),
		TEST(test_the_card_the_host_booted_with_has_a_used_rom),
		TEST(test_an_unknown_node_matters_where_there_are_several),
		TEST(test_a_device_the_iommu_does_not_cover_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
