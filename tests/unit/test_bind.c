// SPDX-License-Identifier: GPL-2.0-or-later
/* Binding and giving back, over a kernel played by tests/fake/kernel.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/size.h"
#include "host/change.h"
#include "host/node_owner.h"
#include "tests/fake/kernel.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "vfio/bind_step.h"

#define PF  "0000:01:00.0"
#define VF  "0000:01:10.0"
#define GPU "0000:04:00.0" /* shares group 42 with */
#define HDA "0000:04:00.1"
#define LPC   "0000:00:1f.0" /* shares group 9 with */
#define SMBUS "0000:00:1f.3"
#define DEV_DIR "sys/bus/pci/devices/"

static struct fake_kernel kernel;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "run", 0 }, { 0 } };
	static const struct fake_pci devs[] = {
		{ .bdf = PF, .driver = "igb", .group = "14", .total_vfs = 7, .num_vfs = 1,
		  .netdev = "eth0" },
		{ .bdf = VF, .ids = "8086:10ca", .driver = "igbvf", .group = "21", .pf = PF,
		  .netdev = "eth2" },
		{ .bdf = GPU, .ids = "10de:2204", .group = "42" },
		{ .bdf = HDA, .ids = "10de:1aef", .driver = "igbvf", .group = "42" },
		{ .bdf = "0000:05:00.0", .header_type = 1, .driver = "pcieport", .group = "5" },
		{ .bdf = "0000:06:00.0", .driver = "igbvf" },
		/* A chipset: its bridges have an endpoint's header. */
		{ .bdf = "0000:00:00.0", .class = 0x060000, .group = "0" },
		{ .bdf = LPC, .class = 0x060100, .driver = "lpc_ich", .group = "9" },
		{ .bdf = SMBUS, .class = 0x0c0500, .group = "9" },
		{ .bdf = "0000:07:00.0", .class = 0x068000, .group = "10" }, /* NVSwitch */
	};

	log_set_level(LOG_QUIET);
	err = (struct err)ERR_INIT;
	kernel = (struct fake_kernel){ .root = fake_sysfs(nodes), .native = "igbvf" };
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(kernel.root, &devs[i]);
	fake_kernel_start(&kernel);
	return 0;
}

static int teardown(void **state)
{
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	return 0;
}

static int bind_with(const char *name, struct bind_request req)
{
	struct journal_owner owner = { .command = "bind" };
	struct bdf bdf;

	assert_int_equal(bdf_parse(name, &bdf), 0);
	req.devs = &bdf;
	req.count = 1;
	return change_bind(kernel.root, &req, &owner, 1, &err);
}

static int bind_dev(const char *name)
{
	return bind_with(name, (struct bind_request){ 0 });
}

static int restore_dev(const char *name, enum change_restored *what)
{
	struct bdf bdf;

	assert_int_equal(bdf_parse(name, &bdf), 0);
	return change_restore(kernel.root, bdf, 0, 1, what, &err);
}

static const char *driver_of(const char *name)
{
	static char buf[64];

	if (hostfs_link_name(kernel.root, buf, sizeof(buf), DEV_DIR "%s/driver", name) < 0)
		return "";
	return buf;
}

static const char *override_of(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), DEV_DIR "%s/driver_override", name);
	return fake_get(kernel.root, path);
}

static void test_bind_unbinds_overrides_and_probes_and_never_writes_new_id(void **state)
{
	assert_int_equal(bind_dev(VF), 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
	assert_string_equal(override_of(VF), "vfio-pci"); /* stays while it is bound */
	assert_int_equal(kernel.nwrites, 3);
	assert_string_equal(kernel.writes[0], "drivers/igbvf/unbind=" VF);
	assert_string_equal(kernel.writes[1], "devices/" VF "/driver_override=vfio-pci");
	assert_string_equal(kernel.writes[2], "drivers_probe=" VF);
}

static void test_restore_gives_back_what_was_there(void **state)
{
	enum change_restored what = CHANGE_NOTHING;
	char name[64];

	assert_int_equal(bind_dev(VF), 0);
	assert_int_equal(journal_noted(kernel.root, BIND_NOTE_NETDEV, "eth2", name, sizeof(name)), 0);
	assert_string_equal(name, VF);
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_int_equal(what, CHANGE_UNDONE);
	assert_string_equal(driver_of(VF), "igbvf");
	assert_string_equal(override_of(VF), "(null)");
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_int_equal(what, CHANGE_NOTHING);
}

static int keep_address(const struct step *step, void *opaque)
{
	if (strcmp(step->op, "address") == 0)
		*(struct step *)opaque = *step;
	return 0;
}

static void test_a_mac_that_a_driver_made_up_is_remembered(void **state)
{
	enum change_restored what;
	struct step kept = { "" };
	char mac[64];

	/* The fake's interfaces stay when their driver goes; NET_ADDR_RANDOM. */
	fake_sysfs_text(kernel.root, "1", "sys/class/net/eth2/addr_assign_type");
	fake_sysfs_text(kernel.root, "62:00:00:00:00:09", "sys/class/net/eth2/address");
	assert_int_equal(bind_dev(VF), 0);
	assert_int_equal(journal_each(kernel.root, keep_address, &kept), 0);
	assert_true(kept.remember && kept.optional);
	assert_string_equal(kept.dev, VF);
	assert_string_equal(kept.before, "62:00:00:00:00:09");
	assert_int_equal(journal_note(kernel.root, VF, BIND_NOTE_MAC, mac, sizeof(mac)), -ENOENT);
	/* No netlink message reaches a fake interface: what cannot be put back is a warning. */
	fake_sysfs_text(kernel.root, "62:00:00:00:00:0a", "sys/class/net/eth2/address");
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_string_equal(driver_of(VF), "igbvf");
}

static void test_a_mac_it_was_made_with_is_not(void **state)
{
	struct step kept = { "" };

	fake_sysfs_text(kernel.root, "0", "sys/class/net/eth2/addr_assign_type");
	assert_int_equal(bind_dev(VF), 0);
	assert_int_equal(journal_each(kernel.root, keep_address, &kept), 0);
	assert_string_equal(kept.op, "");
}

static void test_the_mac_and_the_first_name_of_a_card_are_noted(void **state)
{
	char mac[64], name[64];

	fake_sysfs_text(kernel.root, "0", "sys/class/net/eth2/addr_assign_type");
	fake_sysfs_text(kernel.root, "52:54:00:00:00:09", "sys/class/net/eth2/address");
	fake_sysfs_text(kernel.root, "x", DEV_DIR VF "/net/eth3/address");
	assert_int_equal(bind_dev(VF), 0);
	assert_int_equal(journal_note(kernel.root, VF, BIND_NOTE_MAC, mac, sizeof(mac)), 0);
	assert_string_equal(mac, "52:54:00:00:00:09");
	assert_int_equal(journal_note(kernel.root, VF, BIND_NOTE_NETDEV, name, sizeof(name)), 0);
	assert_string_equal(name, "eth2");
	assert_int_equal(journal_noted(kernel.root, BIND_NOTE_NETDEV, "eth3", name, sizeof(name)), 0);
}

static void put_interface(const char *name, const char *mtu, const char *flags)
{
	fake_sysfs_text(kernel.root, "", DEV_DIR VF "/net/%s/address", name);
	fake_sysfs_text(kernel.root, mtu, "sys/class/net/%s/mtu", name);
	fake_sysfs_text(kernel.root, flags, "sys/class/net/%s/flags", name);
}

/* What the driver that came back calls its interface; no netlink message renames a fake one. */
static void test_an_interface_gets_mtu_and_state_back_whatever_it_is_called(void **state)
{
	static const char *const names[] = { "eth2", "eth9" };
	enum change_restored what;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char mtu[64], flags[64];

		snprintf(mtu, sizeof(mtu), "sys/class/net/%s/mtu", names[i]);
		snprintf(flags, sizeof(flags), "sys/class/net/%s/flags", names[i]);
		put_interface("eth2", "1400", "0x1003");
		assert_int_equal(bind_dev(VF), 0);
		fake_sysfs_remove(kernel.root, DEV_DIR VF "/net/eth2/address");
		fake_sysfs_remove(kernel.root, DEV_DIR VF "/net/eth2");
		put_interface(names[i], "1500", "0x1002");
		kernel.nwrites = 0;
		assert_int_equal(restore_dev(VF, &what), 0);
		assert_int_equal(what, CHANGE_UNDONE);
		assert_string_equal(fake_get(kernel.root, mtu), "1400");
		assert_string_equal(fake_get(kernel.root, flags), "0x1003");
		assert_string_equal(strchr(kernel.writes[kernel.nwrites - 2], '='), "=1400");
		assert_string_equal(strchr(kernel.writes[kernel.nwrites - 1], '='), "=0x1003");
		assert_false(hostfs_exists(kernel.root, "run/thruway/journal/0000000001"));
	}
}

static void test_an_interface_as_a_driver_makes_it_has_its_name_remembered(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	char line[128];

	put_interface("eth2", "1500", "0x1002");
	assert_int_equal(bind_dev(VF), 0);
	fake_sysfs_remove(kernel.root, DEV_DIR VF "/net/eth2/address");
	fake_sysfs_remove(kernel.root, DEV_DIR VF "/net/eth2");
	assert_int_equal(journal_plan_restore(kernel.root, change_ops, VF, &plan, &err), 0);
	assert_int_equal(plan.count, 4);
	assert_string_equal(plan_describe(change_ops, &plan.steps[3], line, sizeof(line)),
			    VF ": call its interface eth2");
}

static void test_binding_twice_changes_nothing_the_second_time(void **state)
{
	assert_int_equal(bind_dev(VF), 0);
	kernel.nwrites = 0;
	assert_int_equal(bind_dev(VF), 0);
	assert_int_equal(kernel.nwrites, 0);
}

static void test_a_bind_that_makes_no_node_is_undone(void **state)
{
	kernel.no_nodes = true;
	assert_int_equal(bind_dev(VF), -ENODEV);
	assert_non_null(strstr(err.text, "there is no /dev/vfio/21"));
	assert_string_equal(driver_of(VF), "igbvf");
	assert_string_equal(override_of(VF), "(null)");
	assert_false(hostfs_exists(kernel.root, "run/thruway/journal/0000000001"));
}

static void test_a_device_bound_by_ids_only_gets_its_override(void **state)
{
	fake_sysfs_link(kernel.root, "vfio-pci", DEV_DIR VF "/driver");
	fake_sysfs_text(kernel.root, "", "dev/vfio/21");
	assert_int_equal(bind_dev(VF), 0);
	assert_int_equal(kernel.nwrites, 1); /* and is not unbound under its user */
	assert_string_equal(override_of(VF), "vfio-pci");
}

static void test_a_group_in_other_hands_is_refused_with_its_members(void **state)
{
	assert_int_equal(bind_dev(GPU), -EBUSY);
	assert_string_equal(err.text, "cannot bind " GPU ": group 42 also holds " HDA " (igbvf)");
	assert_non_null(strstr(err.hint, "--group"));
	assert_int_equal(kernel.nwrites, 0);
}

static void test_a_whole_group_is_bound_and_comes_back(void **state)
{
	enum change_restored what;

	assert_int_equal(bind_with(GPU, (struct bind_request){ .whole_group = true }), 0);
	assert_string_equal(driver_of(GPU), "vfio-pci");
	assert_string_equal(driver_of(HDA), "vfio-pci");
	assert_int_equal(restore_dev(GPU, &what), 0);
	assert_int_equal(restore_dev(HDA, &what), 0);
	assert_string_equal(driver_of(GPU), "");
	assert_string_equal(driver_of(HDA), "igbvf");
}

#define VMD  "0000:00:0e.0"
#define NVME "10000:e1:00.0"
#define BEHIND "pci0000:00/" VMD "/pci10000:e0"

static void add_vmd(void)
{
	static const struct fake_pci devs[] = {
		{ .bdf = VMD, .class = 0x010400, .driver = "igbvf", .group = "8" },
		{ .bdf = "10000:e0:06.0", .place = BEHIND, .header_type = 1, .class = 0x060400,
		  .driver = "pcieport", .group = "8" },
		{ .bdf = NVME, .place = BEHIND "/10000:e0:06.0", .class = 0x010802,
		  .driver = "nvme", .group = "8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(kernel.root, &devs[i]);
}

static void test_what_is_behind_a_vmd_goes_with_it_and_not_alone(void **state)
{
	add_vmd();
	assert_int_equal(bind_dev(NVME), -EINVAL);
	assert_string_equal(err.text, "cannot bind " NVME ": " VMD " (igbvf) does its DMA");
	assert_non_null(strstr(err.hint, "thruway bind " VMD " takes it and all that is behind it"));
	assert_int_equal(kernel.nwrites, 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(bind_dev(VMD), 0);
	assert_string_equal(driver_of(VMD), "vfio-pci");
	assert_string_equal(driver_of(NVME), "nvme"); /* a real one is gone now */
}

static void test_a_whole_group_of_a_vmd_is_the_vmd(void **state)
{
	add_vmd();
	assert_int_equal(bind_with(VMD, (struct bind_request){ .whole_group = true }), 0);
	assert_string_equal(driver_of(VMD), "vfio-pci");
	assert_string_equal(driver_of(NVME), "nvme");
}

static void test_a_disk_behind_a_vmd_that_is_mounted_keeps_it(void **state)
{
	add_vmd();
	/* Of a multipath subsystem: its place does not name the VMD. */
	fake_sysfs_text(kernel.root, "", "sys/devices/" BEHIND "/10000:e0:06.0/" NVME
					 "/nvme/nvme0/serial");
	fake_sysfs_text(kernel.root, "259:0", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/"
					      "nvme0n1/dev");
	fake_sysfs_text(kernel.root, "", "sys/class/nvme-subsystem/nvme-subsys0/nvme0");
	fake_sysfs_text(kernel.root, "", "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1");
	fake_sysfs_link(kernel.root, "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
			"sys/class/block/nvme0n1");
	fake_sysfs_text(kernel.root, "29 1 259:0 / /srv rw - ext4 /dev/nvme0n1 rw\n",
			"proc/self/mountinfo");
	assert_int_equal(bind_dev(VMD), -EBUSY);
	assert_string_equal(err.text, "cannot take away " NVME ": nvme0n1 is mounted on /srv");
	assert_int_equal(kernel.nwrites, 0);
}

static void test_both_members_by_name_need_no_group_option(void **state)
{
	struct journal_owner owner = { .command = "bind" };
	struct bdf both[2];
	struct bind_request req = { .devs = both, .count = 2 };

	assert_int_equal(bdf_parse(GPU, &both[0]), 0);
	assert_int_equal(bdf_parse(HDA, &both[1]), 0);
	assert_int_equal(change_bind(kernel.root, &req, &owner, 1, &err), 0);
	assert_string_equal(driver_of(HDA), "vfio-pci");
}

static void test_what_cannot_be_bound_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *dev, *text;
		int r;
	} rows[] = {
		{ "0000:99:00.0", "no such PCI device", -ENODEV },
		{ "0000:05:00.0", "it is a bridge", -EINVAL },
		{ "0000:00:00.0", "it is a bridge of the chipset (class 0600)", -EINVAL },
		{ LPC, "it is a bridge of the chipset (class 0601)", -EINVAL },
		{ "0000:06:00.0", "it has no IOMMU group", -ENODEV },
		{ PF, "its 1 VFs would go with it", -EBUSY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		err = (struct err)ERR_INIT;
		assert_int_equal(bind_dev(rows[i].dev), rows[i].r);
		assert_non_null(strstr(err.text, rows[i].text));
		assert_non_null(strstr(err.text, rows[i].dev));
	}
	assert_int_equal(kernel.nwrites, 0);
	assert_false(hostfs_exists(kernel.root, "run/thruway")); /* not even the journal */
}

static void test_a_bridge_that_is_an_endpoint_can_be_bound(void **state)
{
	assert_int_equal(bind_dev("0000:07:00.0"), 0);
	assert_string_equal(driver_of("0000:07:00.0"), "vfio-pci");
}

static void test_a_chipset_bridge_keeps_its_group_unless_it_has_no_driver(void **state)
{
	struct bind_request group = { .whole_group = true };

	assert_int_equal(bind_dev(SMBUS), -EBUSY);
	assert_string_equal(err.text, "cannot bind " SMBUS ": group 9 also holds " LPC " (lpc_ich)");
	assert_non_null(strstr(err.hint, "echo " LPC " >/sys/bus/pci/drivers/lpc_ich/unbind"));
	err = (struct err)ERR_INIT;
	assert_int_equal(bind_with(SMBUS, group), -EBUSY); /* it would not follow */
	assert_int_equal(kernel.nwrites, 0);
	fake_sysfs_remove(kernel.root, DEV_DIR LPC "/driver");
	assert_int_equal(bind_with(SMBUS, group), 0);
	assert_string_equal(driver_of(SMBUS), "vfio-pci");
	assert_string_equal(driver_of(LPC), "");
	assert_string_equal(override_of(LPC), "(null)");
}

static void test_no_vfio_driver_needs_no_group(void **state)
{
	assert_int_equal(bind_with("0000:06:00.0", (struct bind_request){ .driver = "none" }), 0);
	assert_string_equal(driver_of("0000:06:00.0"), "");
	assert_string_equal(override_of("0000:06:00.0"), "(null)");
}

static void test_a_driver_that_is_not_there_changes_nothing(void **state)
{
	assert_int_equal(bind_with(VF, (struct bind_request){ .driver = "nosuch-vfio-pci" }), -ENOENT);
	assert_non_null(strstr(err.text, "cannot load the driver nosuch-vfio-pci"));
	assert_int_equal(kernel.nwrites, 0);
	assert_string_equal(driver_of(VF), "igbvf");
}

static void test_a_probe_that_fails_says_why_and_gives_the_device_back(void **state)
{
	kernel.refuses = "vfio-pci";
	assert_int_equal(bind_dev(VF), -EIO);
	assert_string_equal(err.text, "cannot bind (to vfio-pci) " VF ": Input/output error");
	assert_string_equal(driver_of(VF), "igbvf");
	assert_string_equal(override_of(VF), "(null)");
}

static void test_a_driver_that_never_lets_go_is_reported_and_left(void **state)
{
	kernel.hangs_in_unbind = "igbvf";
	assert_int_equal(bind_dev(VF), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "no answer from the kernel"));
	assert_int_equal(kernel.nwrites, 1);
}

static void test_a_device_that_is_not_ours_is_released(void **state)
{
	enum change_restored what;

	fake_sysfs_link(kernel.root, "vfio-pci", DEV_DIR VF "/driver");
	fake_sysfs_text(kernel.root, "vfio-pci", DEV_DIR VF "/driver_override");
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_int_equal(what, CHANGE_RELEASED);
	assert_string_equal(driver_of(VF), "igbvf");
	assert_string_equal(override_of(VF), "(null)");
}

static void test_a_left_over_override_goes_without_touching_the_driver(void **state)
{
	enum change_restored what;

	fake_sysfs_text(kernel.root, "vfio-pci", DEV_DIR VF "/driver_override");
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_int_equal(what, CHANGE_RELEASED);
	assert_int_equal(kernel.nwrites, 1);
	assert_string_equal(override_of(VF), "(null)");
}

static void test_a_device_that_left_is_said_to_be_gone(void **state)
{
	enum change_restored what;

	assert_int_equal(bind_dev(VF), 0);
	fake_sysfs_remove(kernel.root, DEV_DIR VF);
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_int_equal(what, CHANGE_GONE);
	assert_int_equal(restore_dev(VF, &what), -ENODEV); /* and forgotten */
	assert_string_equal(err.text, "cannot restore " VF ": no such PCI device");
}

static void test_a_device_a_vm_holds_is_not_restored(void **state)
{
	enum change_restored what;

	assert_int_equal(bind_dev(VF), 0);
	fake_sysfs_text(kernel.root, "thruway-vmm", "proc/77/comm");
	fake_sysfs_link(kernel.root, "/dev/vfio/21", "proc/77/fd/5");
	fake_sysfs_link(kernel.root, "anon_inode:kvm-vm", "proc/77/fd/6");
	assert_int_equal(restore_dev(VF, &what), -EBUSY);
	assert_string_equal(err.text,
			    "cannot restore " VF ": the VM of pid 77 (thruway-vmm) has it");
	assert_string_equal(driver_of(VF), "vfio-pci");
	/* Somebody else's unbind waits for the VM: the kernel shows no driver any more. */
	fake_sysfs_remove(kernel.root, DEV_DIR VF "/driver");
	err = (struct err)ERR_INIT;
	assert_int_equal(restore_dev(VF, &what), -EBUSY);
	assert_string_equal(override_of(VF), "vfio-pci");
}

static void test_the_owner_of_the_node_is_set_and_put_back(void **state)
{
	struct bind_request req = { .give = true, .uid = 12345, .gid = 54321 };
	enum change_restored what;
	struct stat st, before;

	if (geteuid() != 0)
		skip(); /* chown is root's */
	assert_int_equal(bind_dev(VF), 0);
	assert_int_equal(fstatat(kernel.root, "dev/vfio/21", &before, 0), 0);
	assert_int_equal(bind_with(VF, req), 0);
	assert_int_equal(fstatat(kernel.root, "dev/vfio/21", &st, 0), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	assert_int_equal(st.st_mode & 07777, 0600);
	req.give_group = true;
	assert_int_equal(bind_with(VF, req), 0);
	assert_int_equal(fstatat(kernel.root, "dev/vfio/21", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_int_equal(fstatat(kernel.root, "dev/vfio/21", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode, before.st_mode);
}

static int owner_of_group(unsigned group, struct node_owner *ret)
{
	err = (struct err)ERR_INIT;
	return node_owner(kernel.root, group, ret, &err);
}

/* What udev asks when the kernel has made the node anew. */
static void test_a_given_node_stays_given_until_it_is_restored(void **state)
{
	struct bind_request req = { .give = true, .uid = 12345, .gid = 54321 };
	struct node_owner owner = { .uid = 7 };
	enum change_restored what;

	if (geteuid() != 0)
		skip(); /* chown is root's */
	assert_int_equal(bind_dev(VF), 0);
	assert_false(hostfs_exists(kernel.root, NODES_GIVEN));
	assert_int_equal(owner_of_group(21, &owner), -ENOENT);
	assert_int_equal(owner.uid, 7);
	assert_int_equal(bind_with(VF, req), 0);
	assert_true(hostfs_exists(kernel.root, NODES_GIVEN));
	assert_int_equal(owner_of_group(21, &owner), 0);
	assert_int_equal(owner.uid, 12345);
	assert_int_equal(owner.gid, 54321);
	assert_int_equal(owner.mode, 0600);
	req = (struct bind_request){ .give = true, .uid = 8, .gid = 9, .give_group = true };
	assert_int_equal(bind_with(VF, req), 0);
	assert_int_equal(owner_of_group(21, &owner), 0);
	assert_int_equal(owner.uid, 8); /* the last word */
	assert_int_equal(owner.mode, 0660);
	assert_int_equal(owner_of_group(9999, &owner), -ENOENT);
	assert_int_equal(restore_dev(VF, &what), 0);
	assert_int_equal(owner_of_group(21, &owner), -ENOENT);
}

static void test_another_device_at_the_address_is_not_given(void **state)
{
	struct bind_request req = { .give = true, .uid = 12345, .gid = 54321 };
	struct node_owner owner;

	if (geteuid() != 0)
		skip(); /* chown is root's */
	assert_int_equal(bind_with(VF, req), 0);
	assert_int_equal(owner_of_group(21, &owner), 0);
	fake_sysfs_text(kernel.root, "0xbeef", DEV_DIR VF "/physfn/device");
	fake_sysfs_text(kernel.root, "0xbeef", DEV_DIR VF "/device");
	assert_int_equal(owner_of_group(21, &owner), -ENOENT);
}

static void test_an_owner_is_read_whole_or_not_at_all(void **state)
{
	static const char *const bad[] = { "", "1", "1:2", "1:2 ", "1:2 0600x", "1:2 10000", "a:b 0600",
					   "1:2 0600 " };
	unsigned uid = 1, gid = 2, mode = 3;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(bind_step_parse_owner(bad[i], &uid, &gid, &mode), -EINVAL);
	assert_int_equal(uid * 100 + gid * 10 + mode, 123);
	assert_int_equal(bind_step_parse_owner("4:5 0640", &uid, &gid, &mode), 0);
	assert_int_equal(mode, 0640);
}

/* kill -9 behind each write of a whole-group bind: the next command puts everything back. */
static void test_death_at_any_write_of_a_bind_is_recovered(void **state)
{
	for (unsigned at = 1;; at++) {
		unsigned undone;
		int status;
		pid_t pid;

		kernel.nwrites = 0;
		kernel.die_at = at;
		pid = fork();
		if (pid == 0) {
			int r = bind_with(GPU, (struct bind_request){ .whole_group = true });

			_exit(r == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		kernel.die_at = 0;
		if (WEXITSTATUS(status) == 0) {
			assert_true(at > 5); /* two devices: unbind, 2 overrides, 2 probes */
			return;
		}
		assert_int_equal(WEXITSTATUS(status), 77);
		assert_int_equal(journal_recover(kernel.root, change_ops, 1, &undone, &err), 0);
		assert_string_equal(driver_of(GPU), "");
		assert_string_equal(driver_of(HDA), "igbvf");
		assert_string_equal(override_of(GPU), "(null)");
		assert_string_equal(override_of(HDA), "(null)");
	}
}

static void test_a_plan_reads_as_what_will_be_done(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	char line[128];
	struct bdf vf;

	assert_int_equal(bdf_parse(VF, &vf), 0);
	assert_int_equal(bind_step_plan(&plan, vf, "vfio-pci"), 0);
	assert_int_equal(plan_prune(kernel.root, change_ops, &plan, &err), 0);
	assert_int_equal(plan.count, 3);
	assert_string_equal(plan_describe(change_ops, &plan.steps[2], line, sizeof(line)),
			    VF ": bind to vfio-pci");
	assert_string_equal(plan.steps[0].before, "igbvf");
	assert_string_equal(plan.steps[2].before, ""); /* by then */
	plan.count = 0;
	assert_int_equal(bind_step_plan(&plan, vf, ""), 0);
	assert_int_equal(plan_prune(kernel.root, change_ops, &plan, &err), 0);
	assert_int_equal(plan.count, 1); /* the override is none already */
	assert_int_equal(kernel.nwrites, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- resizable BARs --- */

static int bind_resized(uint64_t size)
{
	struct rebar rebar = { .bar = 0, .size = size };

	return bind_with(HDA, (struct bind_request){ .rebar = &rebar, .rebar_count = 1,
						     .whole_group = true });
}

static void make_resizable(void)
{
	fake_sysfs_text(kernel.root, "0x0000000400000000 0x0000000403ffffff 0x000000000014220c",
			DEV_DIR HDA "/resource");
	fake_sysfs_text(kernel.root, "0000000000000bc0", DEV_DIR HDA "/resource0_resize");
}

static void test_a_bar_is_resized_while_nobody_has_the_device(void **state)
{
	enum change_restored what;

	make_resizable();
	assert_int_equal(bind_resized(256 * MiB), 0);
	assert_non_null(strstr(fake_get(kernel.root, DEV_DIR HDA "/resource"), "0x000000040fffffff"));
	assert_int_equal(restore_dev(HDA, &what), 0);
	assert_non_null(strstr(fake_get(kernel.root, DEV_DIR HDA "/resource"), "0x0000000403ffffff"));
	/* One that has the size already is left alone. */
	kernel.nwrites = 0;
	assert_int_equal(bind_resized(64 * MiB), 0);
	for (unsigned i = 0; i < kernel.nwrites; i++)
		assert_null(strstr(kernel.writes[i], "resize"));
}

static void test_a_bar_that_has_no_room_undoes_all(void **state)
{
	make_resizable();
	assert_int_equal(bind_resized(512 * MiB), -ENOSPC);
	if (!strstr(err.text, HDA ": BAR 0 cannot be resized to 512 MiB: No space left"))
		fail_msg("%s", err.text);
	assert_non_null(strstr(err.hint, "Above 4G decoding"));
	assert_non_null(strstr(fake_get(kernel.root, DEV_DIR HDA "/resource"), "0x0000000403ffffff"));
	assert_string_equal(driver_of(HDA), "igbvf");
}

static void test_what_cannot_be_resized_is_said_before_anything_is_changed(void **state)
{
	assert_int_equal(bind_resized(256 * MiB), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "BAR 0 cannot be resized"));
	make_resizable();
	err = (struct err)ERR_INIT;
	assert_int_equal(bind_resized(1024 * MiB), -EINVAL);
	assert_string_equal(err.hint, "it can be of 64 MiB, 128 MiB, 256 MiB, 512 MiB, 2 GiB");
	err = (struct err)ERR_INIT;
	assert_int_equal(bind_resized(96 * MiB), -EINVAL);
	assert_int_equal(kernel.nwrites, 0);
	assert_int_equal(bind_resized(64 * MiB), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(bind_resized(256 * MiB), -EBUSY);
	assert_non_null(strstr(err.hint, "thruway restore"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bind_unbinds_overrides_and_probes_and_never_writes_new_id),
		TEST(test_a_bar_is_resized_while_nobody_has_the_device),
		TEST(test_a_bar_that_has_no_room_undoes_all),
		TEST(test_what_cannot_be_resized_is_said_before_anything_is_changed),
		TEST(test_restore_gives_back_what_was_there),
		TEST(test_a_mac_that_a_driver_made_up_is_remembered),
		TEST(test_a_mac_it_was_made_with_is_not),
		TEST(test_the_mac_and_the_first_name_of_a_card_are_noted),
		TEST(test_an_interface_gets_mtu_and_state_back_whatever_it_is_called),
		TEST(test_an_interface_as_a_driver_makes_it_has_its_name_remembered),
		TEST(test_binding_twice_changes_nothing_the_second_time),
		TEST(test_a_bind_that_makes_no_node_is_undone),
		TEST(test_a_device_bound_by_ids_only_gets_its_override),
		TEST(test_a_group_in_other_hands_is_refused_with_its_members),
		TEST(test_a_whole_group_is_bound_and_comes_back),
		TEST(test_what_is_behind_a_vmd_goes_with_it_and_not_alone),
		TEST(test_a_whole_group_of_a_vmd_is_the_vmd),
		TEST(test_a_disk_behind_a_vmd_that_is_mounted_keeps_it),
		TEST(test_both_members_by_name_need_no_group_option),
		TEST(test_what_cannot_be_bound_is_refused_with_its_reason),
		TEST(test_a_bridge_that_is_an_endpoint_can_be_bound),
		TEST(test_a_chipset_bridge_keeps_its_group_unless_it_has_no_driver),
		TEST(test_no_vfio_driver_needs_no_group),
		TEST(test_a_driver_that_is_not_there_changes_nothing),
		TEST(test_a_probe_that_fails_says_why_and_gives_the_device_back),
		TEST(test_a_driver_that_never_lets_go_is_reported_and_left),
		TEST(test_a_device_that_is_not_ours_is_released),
		TEST(test_a_left_over_override_goes_without_touching_the_driver),
		TEST(test_a_device_that_left_is_said_to_be_gone),
		TEST(test_a_device_a_vm_holds_is_not_restored),
		TEST(test_the_owner_of_the_node_is_set_and_put_back),
		TEST(test_a_given_node_stays_given_until_it_is_restored),
		TEST(test_another_device_at_the_address_is_not_given),
		TEST(test_an_owner_is_read_whole_or_not_at_all),
		TEST(test_death_at_any_write_of_a_bind_is_recovered),
		TEST(test_a_plan_reads_as_what_will_be_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
