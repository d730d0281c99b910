// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules about PFs and VFs: each with its fault, without it, and with the fact not to be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/le.h"
#include "tests/fake/doctor.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define VF0     "0000:01:10.0"
#define VF0_DIR "sys/bus/pci/devices/" VF0

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

static const struct doctor_finding *see(const char *rule, const char *of)
{
	return fake_doctor_see(root, NULL, rule, of);
}

static const struct doctor_finding *ask(const char *rule, const char *of)
{
	return fake_doctor_see(root, of, rule, of);
}

static void make_vf(const char *driver)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = VF0,
					       .place = "pci0000:00/0000:00:01.0",
					       .ids = "8086:10ca",
					       .pf = FAKE_NIC,
					       .group = "21",
					       .driver = driver,
					       .node = "0" });
	fake_sysfs_text(root, "1", FAKE_NIC_DIR "/sriov_numvfs");
	fake_sysfs_text(root, "", "dev/vfio/21");
}

static void pf_link(const char *flags, const char *carrier)
{
	fake_sysfs_text(root, flags, "sys/class/net/eth0/flags");
	fake_sysfs_text(root, carrier, "sys/class/net/eth0/carrier");
	fake_sysfs_text(root, flags, FAKE_NIC_DIR "/net/eth0/flags");
	fake_sysfs_text(root, carrier, FAKE_NIC_DIR "/net/eth0/carrier");
}

static void test_vfs_in_use_hold_their_number(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(ask("VFS_BUSY", FAKE_NIC)->result, DOCTOR_SKIP);
	make_vf("vfio-pci");
	assert_int_equal(ask("VFS_BUSY", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "qemu", "proc/77/comm");
	fake_sysfs_link(root, "/dev/vfio/21", "proc/77/fd/12");
	f = ask("VFS_BUSY", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_non_null(strstr(f->text, "vf0 " VF0 ": pid 77 (qemu) has it open"));
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/sriov_numvfs"), "1");
	assert_int_equal(see("VFS_BUSY", FAKE_NIC)->result, DOCTOR_PASS); /* as it should be */
}

static void test_a_refused_number_of_vfs_is_seen_in_the_log(void **state)
{
	make_vf("vfio-pci");
	fake_doctor_log(root,
			"igb " FAKE_NIC ": 1 VFs already enabled. Disable before enabling 2 VFs");
	assert_int_equal(see("VFS_BUSY", FAKE_NIC)->result, DOCTOR_WARN);
}

static void put_resources(const char *vf_bar)
{
	static const char none[] = "0x0000000000000000 0x0000000000000000 0x0000000000000000";
	char text[2048];
	int n = 0;

	for (int i = 0; i < 13; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s", i == 7 ? vf_bar : none,
			      i < 12 ? "\n" : "");
	fake_sysfs_text(root, text, FAKE_NIC_DIR "/resource");
}

static void test_vfs_without_address_space_fail(void **state)
{
	const struct doctor_finding *f;

	put_resources("0x000000c0a0000000 0x000000c0a001ffff 0x000000000014220c");
	assert_int_equal(ask("VF_MMIO", FAKE_NIC)->result, DOCTOR_PASS);
	put_resources("0x0000000000000000 0x0000000000000000 0x0000000000000000");
	assert_int_equal(see("VF_MMIO", FAKE_NIC)->result, DOCTOR_NOTE); /* nobody asked for VFs */
	f = ask("VF_MMIO", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/resource"),
			    "the VFs' BARs are empty");
	fake_doctor_log(root, "igb " FAKE_NIC ": not enough MMIO resources for SR-IOV");
	assert_int_equal(see("VF_MMIO", FAKE_NIC)->result, DOCTOR_FAIL);
	fake_sysfs_remove(root, FAKE_NIC_DIR "/resource");
	assert_int_equal(ask("VF_MMIO", FAKE_NIC)->result, DOCTOR_FAIL); /* by the log alone */
}

static void test_resources_that_cannot_be_read_are_a_note(void **state)
{
	fake_sysfs_remove(root, FAKE_NIC_DIR "/resource");
	assert_int_equal(ask("VF_MMIO", FAKE_NIC)->result, DOCTOR_NOTE);
}

static void put_config(bool sriov, size_t size)
{
	uint8_t cfg[4096] = { 0x86, 0x80, 0xc9, 0x10 };

	if (sriov)
		put_le32(cfg + 0x100, 0x00010010);
	fake_put_bytes(root, FAKE_NIC_DIR "/config", cfg, size);
}

static void test_a_capability_without_vfs_is_the_firmwares(void **state)
{
	const struct doctor_finding *f;

	put_config(true, 4096);
	assert_int_equal(ask("VF_NONE", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_remove(root, FAKE_NIC_DIR "/sriov_totalvfs");
	f = ask("VF_NONE", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_non_null(strstr(f->fix, "SRIOV_EN=1"));
	assert_int_equal(see("VF_NONE", FAKE_NIC)->result, DOCTOR_NOTE);
	put_config(false, 4096);
	assert_int_equal(ask("VF_NONE", FAKE_NIC)->result, DOCTOR_SKIP);
	put_config(false, 64); /* as an ordinary user sees it */
	assert_int_equal(ask("VF_NONE", FAKE_NIC)->result, DOCTOR_NOTE);
}

static void test_vfs_take_a_driver_that_makes_them(void **state)
{
	fake_doctor_log(root,
			"uio " FAKE_NIC ": driver does not support SR-IOV configuration via sysfs");
	assert_int_equal(see("VF_NONE", FAKE_NIC)->result, DOCTOR_PASS); /* it has another by now */
	fake_sysfs_link(root, "../../../bus/pci/drivers/uio", FAKE_NIC_DIR "/driver");
	assert_int_equal(see("VF_NONE", FAKE_NIC)->result, DOCTOR_WARN);
	fake_sysfs_remove(root, FAKE_NIC_DIR "/driver");
	assert_int_equal(see("VF_NONE", FAKE_NIC)->result, DOCTOR_PASS);
	fake_doctor_log(root, "pci " FAKE_NIC
			": no driver bound to device; cannot configure SR-IOV");
	assert_string_equal(see("VF_NONE", FAKE_NIC)->fix, "thruway restore " FAKE_NIC);
}

static void test_the_vf_of_a_vfio_pf_takes_a_token(void **state)
{
	const struct doctor_finding *f;

	make_vf("vfio-pci");
	assert_int_equal(see("VF_TOKEN", VF0)->result, DOCTOR_PASS);
	fake_sysfs_link(root, "../../../bus/pci/drivers/vfio-pci", FAKE_NIC_DIR "/driver");
	f = see("VF_TOKEN", VF0);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(fake_doctor_evidence(f, "/" FAKE_NIC_DIR "/driver"), "vfio-pci");
}

static void test_the_vf_of_a_pf_that_went_is_a_note(void **state)
{
	make_vf("vfio-pci");
	fake_sysfs_remove(root, FAKE_NIC_DIR);
	assert_int_equal(see("VF_TOKEN", VF0)->result, DOCTOR_NOTE);
}

static void test_vfs_of_guests_have_addresses(void **state)
{
	struct vf_attrs vf = { .have = 1u << VF_MAC };
	const struct doctor_finding *f;

	make_vf("vfio-pci");
	pf_link("0x1003", "1");
	fake_doctor_vfs(&vf, 1);
	f = see("VF_MAC_TRUST", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(f->fix, "thruway vf set eth0/vf0 mac 52:54:00:...");
	vf.mac[5] = 1;
	assert_int_equal(see("VF_MAC_TRUST", FAKE_NIC)->result, DOCTOR_PASS);
	fake_doctor_log(root,
			"igb " FAKE_NIC ": VF 0 attempted to override administratively set MAC "
			"address");
	assert_int_equal(see("VF_MAC_TRUST", FAKE_NIC)->result, DOCTOR_WARN);
	fake_doctor_no_log(root);
	assert_int_equal(see("VF_MAC_TRUST", FAKE_NIC)->result, DOCTOR_NOTE);
}

static void test_a_host_vf_needs_no_address(void **state)
{
	struct vf_attrs vf = { .have = 1u << VF_MAC };

	make_vf("igbvf");
	fake_doctor_vfs(&vf, 1);
	assert_int_equal(see("VF_MAC_TRUST", FAKE_NIC)->result, DOCTOR_SKIP);
}

static void test_vf_attributes_that_cannot_be_read_are_a_note(void **state)
{
	make_vf("vfio-pci");
	assert_int_equal(see("VF_MAC_TRUST", FAKE_NIC)->result, DOCTOR_NOTE);
}

static void test_a_pf_that_is_down_takes_its_vfs_along(void **state)
{
	struct vf_attrs vf = { .state = VF_STATE_AUTO };

	make_vf("vfio-pci");
	fake_doctor_vfs(&vf, 1);
	pf_link("0x1003", "1");
	assert_int_equal(see("VF_LINK_FDB", FAKE_NIC)->result, DOCTOR_PASS);
	pf_link("0x1002", "0");
	assert_string_equal(see("VF_LINK_FDB", FAKE_NIC)->fix, "ip link set eth0 up");
	pf_link("0x1003", "0");
	assert_int_equal(see("VF_LINK_FDB", FAKE_NIC)->result, DOCTOR_WARN);
	vf.state = VF_STATE_ENABLE;
	assert_int_equal(see("VF_LINK_FDB", FAKE_NIC)->result, DOCTOR_PASS);
}

static void test_a_pf_in_a_bridge_hides_the_bridge_from_its_vfs(void **state)
{
	struct vf_attrs vf = { .state = VF_STATE_AUTO };
	const struct doctor_finding *f;

	make_vf("vfio-pci");
	fake_doctor_vfs(&vf, 1);
	pf_link("0x1003", "1");
	fake_sysfs_link(root, "../br0", "sys/class/net/eth0/master");
	f = see("VF_LINK_FDB", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_NOTE);
	assert_string_equal(fake_doctor_evidence(f, "/sys/class/net/eth0/master"), "br0");
}

static void test_a_vf_that_the_host_configures_is_a_warning(void **state)
{
	make_vf("igbvf");
	fake_sysfs_text(root, "5", VF0_DIR "/net/eth5/ifindex");
	fake_sysfs_text(root, "5", "sys/class/net/eth5/ifindex");
	assert_int_equal(see("NM_UDEV_RACE", VF0)->result, DOCTOR_SKIP); /* it may well */
	assert_int_equal(ask("NM_UDEV_RACE", VF0)->result, DOCTOR_PASS);

	fake_sysfs_text(root, "ADMIN_STATE=unmanaged", "run/systemd/netif/links/5");
	assert_int_equal(ask("NM_UDEV_RACE", VF0)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "ADMIN_STATE=configured", "run/systemd/netif/links/5");
	assert_string_equal(ask("NM_UDEV_RACE", VF0)->text,
			    "systemd-networkd configures its interface eth5");
	fake_sysfs_remove(root, "run/systemd");

	fake_sysfs_text(root, "[device]\nmanaged=true", "run/NetworkManager/devices/5");
	assert_string_equal(ask("NM_UDEV_RACE", VF0)->text,
			    "NetworkManager configures its interface eth5");
	fake_sysfs_remove(root, "run/NetworkManager");

	fake_sysfs_text(root, "eth5\t0002000A\t00000000", "proc/net/route");
	assert_int_equal(ask("NM_UDEV_RACE", VF0)->result, DOCTOR_WARN);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_vfs_in_use_hold_their_number),
		TEST(test_a_refused_number_of_vfs_is_seen_in_the_log),
		TEST(test_vfs_without_address_space_fail),
		TEST(test_resources_that_cannot_be_read_are_a_note),
		TEST(test_a_capability_without_vfs_is_the_firmwares),
		TEST(test_vfs_take_a_driver_that_makes_them),
		TEST(test_the_vf_of_a_vfio_pf_takes_a_token),
		TEST(test_the_vf_of_a_pf_that_went_is_a_note),
		TEST(test_vfs_of_guests_have_addresses),
		TEST(test_a_host_vf_needs_no_address),
		TEST(test_vf_attributes_that_cannot_be_read_are_a_note),
		TEST(test_a_pf_that_is_down_takes_its_vfs_along),
		TEST(test_a_pf_in_a_bridge_hides_the_bridge_from_its_vfs),
		TEST(test_a_vf_that_the_host_configures_is_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
