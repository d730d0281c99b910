// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules about who has a device that is meant for a guest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/journal.h"
#include "tests/fake/doctor.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "vfio/pci_path.h"

#define GPU     "0000:04:00.0" /* with its audio function in one group */
#define HDA     "0000:04:00.1"
#define GPU_DIR "sys/bus/pci/devices/" GPU

static int root = -1;

static int setup(void **state)
{
	root = fake_doctor_host();
	fake_pci_add(root, &(struct fake_pci){ .bdf = GPU,
					       .group = "42",
					       .class = 0x030000,
					       .ids = "10de:1b80",
					       .node = "0" });
	fake_pci_add(root, &(struct fake_pci){ .bdf = HDA,
					       .group = "42",
					       .class = 0x040300,
					       .driver = "snd_hda_intel",
					       .node = "0" });
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
	fake_sysfs_text(root, "quiet vfio-pci.ids=1002:67df,1002:1b80", "proc/cmdline");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_SKIP);

	fake_sysfs_text(root, "# mine\noptions vfio_pci disable_vga=1 ids=10de:1b80",
			"etc/modprobe.d/vfio.conf");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_FAIL);
}

static void test_a_sibling_the_host_needs_is_not_to_be_bound(void **state)
{
	const struct doctor_finding *f;

	fake_pci_add(root, &(struct fake_pci){ .bdf = HDA,
					       .group = "42",
					       .driver = "igb",
					       .netdev = "eth1",
					       .node = "0" });
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
	assert_string_equal(fake_doctor_evidence(f, "/proc/net/route"),
			    "eth0 has the default route");
	assert_non_null(strstr(f->fix, "--force=route " FAKE_NIC));
}

static void test_a_device_that_a_native_driver_took_fails(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_link(root, "../../../bus/pci/drivers/nouveau", GPU_DIR "/driver");
	assert_int_equal(fake_doctor_see(root, GPU, "EARLY_DRIVER", GPU)->result, DOCTOR_SKIP);
	fake_sysfs_text(root, "vfio-pci", GPU_DIR "/driver_override");
	f = fake_doctor_see(root, NULL, "EARLY_DRIVER", GPU);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(f->text, "it is meant for vfio-pci, but nouveau has it");
	assert_string_equal(fake_doctor_evidence(f, "/" GPU_DIR "/driver"), "nouveau");
	fake_sysfs_text(root, "(null)", GPU_DIR "/driver_override");

	fake_sysfs_text(root, "vfio-pci.ids=10de:1b80", "proc/cmdline");
	f = fake_doctor_see(root, NULL, "EARLY_DRIVER", GPU);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(fake_doctor_evidence(f, "/proc/cmdline"), "ids=");
	assert_non_null(strstr(f->fix, "softdep nouveau pre: vfio-pci"));
	fake_sysfs_remove(root, GPU_DIR "/driver");
	assert_int_equal(fake_doctor_see(root, NULL, "EARLY_DRIVER", GPU)->result, DOCTOR_PASS);
}

static void test_a_process_with_a_native_device_open_is_a_warning(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_link(root, "../../../bus/pci/drivers/nouveau", GPU_DIR "/driver");
	fake_sysfs_text(root, "", GPU_DIR "/drm/card0/dev");
	assert_int_equal(fake_doctor_see(root, GPU, "BUSY_NATIVE", GPU)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "Xorg", "proc/77/comm");
	fake_sysfs_link(root, "/dev/dri/card0", "proc/77/fd/9");
	f = fake_doctor_see(root, GPU, "BUSY_NATIVE", GPU);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_string_equal(fake_doctor_evidence(f, "/proc"), "pid 77 (Xorg) has it open");
	assert_int_equal(fake_doctor_see(root, NULL, "BUSY_NATIVE", GPU)->result, DOCTOR_SKIP);
}

/* Unless the group is open for the other function in it. */
static void test_a_driver_that_waits_for_who_has_the_device_fails(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_text(root, "vfio-pci", GPU_DIR "/driver_override");
	fake_sysfs_text(root, "qemu", "proc/77/comm");
	assert_int_equal(fake_doctor_see(root, NULL, "BUSY_NATIVE", GPU)->result, DOCTOR_PASS);
	fake_sysfs_link(root, "/dev/vfio/42", "proc/77/fd/9");
	f = fake_doctor_see(root, NULL, "BUSY_NATIVE", GPU);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/proc"), "pid 77 (qemu) has it open");
	fake_sysfs_link(root, "../../../bus/pci/drivers/vfio-pci", "sys/bus/pci/devices/" HDA "/driver");
	assert_int_not_equal(fake_doctor_see(root, NULL, "BUSY_NATIVE", GPU)->result, DOCTOR_FAIL);
}

static void test_a_bound_device_without_a_node_fails(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(fake_doctor_see(root, GPU, "VFIO_OPEN", GPU)->result, DOCTOR_SKIP);
	fake_sysfs_link(root, "../../../bus/pci/drivers/vfio-pci", GPU_DIR "/driver");
	f = fake_doctor_see(root, NULL, "VFIO_OPEN", GPU);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_string_equal(fake_doctor_evidence(f, "/dev/vfio/42"), "not there");
	fake_sysfs_text(root, "", "dev/vfio/42");
	assert_int_equal(fake_doctor_see(root, NULL, "VFIO_OPEN", GPU)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "qemu", "proc/77/comm");
	fake_sysfs_link(root, "/dev/vfio/42", "proc/77/fd/12");
	f = fake_doctor_see(root, NULL, "VFIO_OPEN", GPU);
	assert_int_equal(f->result, DOCTOR_NOTE);
	assert_string_equal(fake_doctor_evidence(f, "/proc/77/comm"), "qemu");
}

static void test_host_yaml_says_what_is_wanted_and_where_it_was(void **state)
{
	const struct doctor_finding *f;

	fake_sysfs_text(root, "devices:\n  - match: {address: 0000:04:00.0, vendor: 10de}\n",
			"etc/thruway/host.yaml");
	assert_int_equal(fake_doctor_see(root, NULL, "HOST_YAML", NULL)->result, DOCTOR_PASS);
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_FAIL);
	assert_int_equal(fake_doctor_see(root, NULL, "ADDR_MOVED", GPU)->result, DOCTOR_PASS);

	fake_sysfs_text(root, "0x1002", GPU_DIR "/vendor");
	assert_int_equal(fake_doctor_see(root, NULL, "GRP_NOT_VIABLE", GPU)->result, DOCTOR_SKIP);
	f = fake_doctor_see(root, NULL, "ADDR_MOVED", GPU);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_non_null(strstr(fake_doctor_evidence(f, "/" GPU_DIR), "1002:1b80"));

	fake_sysfs_text(root, "devises: []\n", "etc/thruway/host.yaml");
	f = fake_doctor_see(root, NULL, "HOST_YAML", NULL);
	assert_int_equal(f->result, DOCTOR_WARN);
	assert_non_null(strstr(f->text, "devises"));
}

/* --- a change to the NIC, journalled with what it was then --- */

static char attribute[8];

static int read_attribute(int at, const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "%s", attribute);
	return 0;
}

static int write_attribute(int at, const struct step *step, const char *value, struct err *err)
{
	snprintf(attribute, sizeof(attribute), "%s", value);
	return 0;
}

static int identify(int at, const struct step *step, char *buf, size_t size)
{
	struct bdf bdf;

	return bdf_parse(step->dev, &bdf) < 0 ? -EINVAL : pci_path_identity(at, bdf, buf, size);
}

static const struct step_ops ops = {
	.op = "test",
	.read = read_attribute,
	.write = write_attribute,
	.identity = identify,
};
static const struct step_ops *const all_ops[] = { &ops, NULL };

static void change_the_nic(void)
{
	struct step step = { .op = "test", .dev = FAKE_NIC, .after = "on" };
	struct plan plan = { .steps = &step, .count = 1 };
	struct journal_owner owner = { .command = "test" };
	struct err err = ERR_INIT;
	struct txn *txn;

	strcpy(attribute, "off");
	fake_sysfs_add(root, (const struct fake_node[]){ { "run", 0 }, { 0 } });
	assert_int_equal(txn_begin(root, all_ops, &plan, &owner, 1, &txn, &err), 0);
	assert_int_equal(txn_apply(txn, &err), 0);
}

static void test_another_device_at_a_changed_ones_address_fails(void **state)
{
	const struct doctor_finding *f;

	assert_int_equal(fake_doctor_see(root, NULL, "ADDR_MOVED", FAKE_NIC)->result, DOCTOR_SKIP);
	change_the_nic();
	assert_int_equal(fake_doctor_see(root, NULL, "ADDR_MOVED", FAKE_NIC)->result, DOCTOR_PASS);
	fake_sysfs_text(root, "0x1521", FAKE_NIC_DIR "/device");
	f = fake_doctor_see(root, NULL, "ADDR_MOVED", FAKE_NIC);
	assert_int_equal(f->result, DOCTOR_FAIL);
	assert_non_null(strstr(fake_doctor_evidence(f, "/run/thruway/journal"), "8086:10c9"));
	assert_non_null(strstr(fake_doctor_evidence(f, "/" FAKE_NIC_DIR), "8086:1521"));
}

static void test_a_journal_that_cannot_be_read_is_a_note(void **state)
{
	fake_sysfs_text(root, "not a directory", "run/thruway/journal");
	assert_int_equal(fake_doctor_see(root, NULL, "ADDR_MOVED", FAKE_NIC)->result, DOCTOR_NOTE);
}

static void test_why_a_group_is_shared_is_told(void **state)
{
	const struct doctor_finding *f = fake_doctor_see(root, GPU, "ACS_WEAK", GPU);

	/* The fake functions are conventional ones of one slot, which the kernel cannot tell apart.
	 */
	assert_int_equal(f->result, DOCTOR_NOTE);
	assert_string_equal(fake_doctor_evidence(f, "/sys/kernel/iommu_groups/42/devices"), HDA);
	assert_int_equal(fake_doctor_see(root, FAKE_NIC, "ACS_WEAK", FAKE_NIC)->result,
			 DOCTOR_PASS);
	assert_int_equal(fake_doctor_see(root, NULL, "ACS_WEAK", GPU)->result, DOCTOR_SKIP);
}

static const struct doctor_finding *claims(void)
{
	return fake_doctor_see(root, FAKE_NIC, "OTHER_OWNER", FAKE_NIC);
}

static void test_each_program_that_claims_a_device_is_named(void **state)
{
	static const struct {
		const char *file, *text, *who;
	} rows[] = {
		{ "etc/driverctl.d/pci-" FAKE_NIC, "igb", "driverctl" },
		{ "etc/sriov-operator/pci/" FAKE_NIC, "{}", "the SR-IOV network operator" },
		{ "etc/systemd/network/10-x.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes",
		  "systemd-networkd" },
		{ "etc/systemd/network/10-x.network", "[Match]\nName=en* eth*",
		  "systemd-networkd" },
		{ "run/systemd/network/10-x.link", "[Match]\nPath=pci-" FAKE_NIC "\n[SR-IOV]\n",
		  "systemd-udevd" },
		{ "etc/systemd/network/10-x.network", "[Match]\nMACAddress=52:54:00:00:00:01",
		  "systemd-networkd" },
		{ "etc/NetworkManager/system-connections/a.nmconnection",
		  "[connection]\ntype=ethernet\ninterface-name=eth0", "NetworkManager" },
		{ "etc/libvirt/qemu/vm.xml",
		  "<domain><devices><hostdev mode='subsystem' type='pci' managed='yes'>\n<source>\n"
		  "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>",
		  "libvirt" },
		{ "etc/libvirt/qemu/networks/sriov.xml",
		  "<network><forward mode='hostdev' managed='yes'><pf dev='eth0'/></forward>",
		  "libvirt" },
	};

	assert_int_equal(claims()->result, DOCTOR_PASS);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct doctor_finding *f;
		char file[128];

		fake_sysfs_text(root, rows[i].text, "%s", rows[i].file);
		f = claims();
		snprintf(file, sizeof(file), "/%s", rows[i].file);
		if (f->result != DOCTOR_WARN ||
		    strncmp(f->text, rows[i].who, strlen(rows[i].who)) != 0 ||
		    strcmp(fake_doctor_evidence(f, file), "<none>") == 0)
			fail_msg("%s: %s: %s", rows[i].file, doctor_result_word(f->result),
				 f->text ? f->text : "");
		fake_sysfs_remove(root, "%s", rows[i].file);
	}
}

static void test_files_about_other_devices_are_no_claims(void **state)
{
	static const char *const rows[][2] = {
		{ "etc/driverctl.d/pci-0000:02:00.0", "igb" },
		{ "etc/systemd/network/a.network", "[Match]\nName=eth1" },
		{ "etc/systemd/network/b.network", "[Match]\nName=!eth0 eth1" },
		{ "etc/systemd/network/c.network", "[Match]\nName=eth0\nPath=pci-0000:02:00.0" },
		{ "etc/systemd/network/d.network", "[Match]\nName=eth0\n[Link]\nUnmanaged=yes" },
		{ "etc/systemd/network/e.link", "[Match]\nOriginalName=*" },
		{ "etc/systemd/network/f.txt", "[Match]\nName=eth0" },
		{ "etc/NetworkManager/system-connections/a", "[connection]\ninterface-name=eth1" },
		{ "etc/libvirt/qemu/vm.xml", /* the guest's address, and another host's */
		  "<hostdev managed='yes'><source><address domain='0x0000' bus='0x02' slot='0x00' "
		  "function='0x0'/></source><address type='pci' domain='0x0000' bus='0x01' "
		  "slot='0x00' function='0x0'/></hostdev>" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		fake_sysfs_text(root, rows[i][1], "%s", rows[i][0]);
	if (claims()->result != DOCTOR_PASS)
		fail_msg("%s: %s", claims()->evidence[0].file, claims()->text);
}

static void test_claims_that_cannot_be_read_are_a_note(void **state)
{
	/* A link that leads round in a circle: what even root cannot open. */
	fake_sysfs_link(root, "vm.xml", "etc/libvirt/qemu/vm.xml");
	assert_int_equal(claims()->result, DOCTOR_NOTE);
}

static void test_a_device_in_the_hands_of_driverctl_alone_is_in_order(void **state)
{
	fake_sysfs_text(root, "vfio-pci", "etc/driverctl.d/pci-" FAKE_NIC);
	assert_int_equal(fake_doctor_see(root, NULL, "OTHER_OWNER", FAKE_NIC)->result, DOCTOR_NOTE);
	assert_int_equal(claims()->result, DOCTOR_WARN); /* and somebody asks about it */
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
		TEST(test_a_device_that_a_native_driver_took_fails),
		TEST(test_a_process_with_a_native_device_open_is_a_warning),
		TEST(test_a_driver_that_waits_for_who_has_the_device_fails),
		TEST(test_a_bound_device_without_a_node_fails),
		TEST(test_host_yaml_says_what_is_wanted_and_where_it_was),
		TEST(test_another_device_at_a_changed_ones_address_fails),
		TEST(test_a_journal_that_cannot_be_read_is_a_note),
		TEST(test_why_a_group_is_shared_is_told),
		TEST(test_each_program_that_claims_a_device_is_named),
		TEST(test_files_about_other_devices_are_no_claims),
		TEST(test_claims_that_cannot_be_read_are_a_note),
		TEST(test_a_device_in_the_hands_of_driverctl_alone_is_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
