// SPDX-License-Identifier: GPL-2.0-or-later
/* Each reason for which this host needs a device, once seen and once absent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <net/if.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "vfio/in_use.h"

#define DEV "0000:03:00.0"
#define PLACE "../../devices/pci0000:00/" DEV

static int root = -1;

static int setup(void **state)
{
	static const struct fake_node none[] = { { 0 } };

	root = fake_sysfs(none);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&root);
	return 0;
}

static struct in_use look(const char *name)
{
	struct in_use_host *h = NULL;
	struct pci_function d;
	struct in_use u;
	struct bdf bdf;

	assert_int_equal(bdf_parse(name, &bdf), 0);
	assert_int_equal(pci_function_read(root, bdf, &d), 0);
	assert_int_equal(in_use_open(root, &h, NULL), 0);
	in_use_find(h, &d, &u);
	in_use_close(h);
	return u;
}

/* Exactly this one reason, in these words. */
static void assert_only(enum in_use_reason reason, const char *what)
{
	struct in_use u = look(DEV);

	assert_int_equal(u.mask, 1u << reason);
	assert_int_equal(u.count, 1);
	assert_string_equal(u.items[0].what, what);
}

static void add_nic(void)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "igb", .netdev = "eth0" });
	fake_sysfs_text(root, "", "sys/class/net/eth0/mtu");
}

/* A disk with one partition behind the device. */
static void add_disk(void)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "ahci", .class = 0x010601 });
	fake_sysfs_link(root, PLACE "/ata1/host0/block/sda", "sys/class/block/sda");
	fake_sysfs_link(root, PLACE "/ata1/host0/block/sda/sda2", "sys/class/block/sda2");
	fake_sysfs_text(root, "8:0", "sys/devices/pci0000:00/" DEV "/ata1/host0/block/sda/dev");
	fake_sysfs_text(root, "8:2", "sys/devices/pci0000:00/" DEV "/ata1/host0/block/sda/sda2/dev");
}

static void mount_dev(const char *number, const char *source)
{
	char line[256];

	snprintf(line, sizeof(line), "22 1 %s / /srv rw,relatime shared:1 - ext4 %s rw", number,
		 source);
	fake_sysfs_text(root, line, "proc/self/mountinfo");
}

static void test_an_idle_device_has_no_users(void **state)
{
	add_nic();
	assert_int_equal(look(DEV).mask, 0);
}

static void test_mounted_by_device_number(void **state)
{
	add_disk();
	mount_dev("8:2", "/dev/root");
	assert_only(IN_USE_MOUNTED, "sda2 is mounted on /srv");
}

static void test_mounted_by_source_where_the_number_is_anonymous(void **state)
{
	add_disk();
	mount_dev("0:31", "/dev/sda2"); /* btrfs */
	assert_only(IN_USE_MOUNTED, "sda2 is mounted on /srv");
}

static void test_another_disks_mount_is_not_ours(void **state)
{
	add_disk();
	mount_dev("8:16", "/dev/sdb");
	assert_int_equal(look(DEV).mask, 0);
}

static void test_swap(void **state)
{
	add_disk();
	fake_sysfs_text(root,
			"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
			"/dev/sda22                             partition\t1\t0\t-2\n"
			"/dev/sda2                              partition\t1\t0\t-3",
			"proc/swaps");
	assert_only(IN_USE_SWAP, "sda2 is swap space");
}

static void test_swap_on_a_volume_that_nobody_linked(void **state)
{
	add_disk();
	fake_sysfs_text(root, "", "sys/devices/pci0000:00/" DEV
				  "/ata1/host0/block/sda/sda2/holders/dm-0");
	fake_sysfs_text(root, "vg-swap", "sys/class/block/dm-0/dm/name");
	fake_sysfs_text(root, "Filename\n/dev/mapper/vg-swap2 partition\t1\t0\t-2", "proc/swaps");
	assert_only(IN_USE_LVM, "sda2 is part of the volume vg-swap");
	fake_sysfs_text(root, "Filename\n/dev/mapper/vg-swap partition\t1\t0\t-2", "proc/swaps");
	assert_int_equal(look(DEV).mask, 1u << IN_USE_LVM | 1u << IN_USE_SWAP);
}

static void test_another_disk_of_a_btrfs(void **state)
{
	add_disk();
	fake_sysfs_link(root, "../../../../block/sdb", "sys/fs/btrfs/8a6d/devices/sdb");
	fake_sysfs_text(root, "", "sys/class/block/sdb/size");
	mount_dev("0:31", "/dev/sdb");
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_text(root, "", "sys/fs/btrfs/8a6d/devices/sda2/size");
	assert_only(IN_USE_MOUNTED, "sda2 is part of the btrfs 8a6d");
	mount_dev("0:31", "/dev/sda2");
	assert_only(IN_USE_MOUNTED, "sda2 is mounted on /srv");
}

static void test_a_loop_device_on_a_partition(void **state)
{
	add_disk();
	fake_sysfs_text(root, "/dev/sda22", "sys/class/block/loop3/loop/backing_file");
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_text(root, "/dev/sda2", "sys/class/block/loop3/loop/backing_file");
	assert_only(IN_USE_RAID, "sda2 is part of loop3");
}

static void test_a_volume_on_a_volume_that_is_mounted(void **state)
{
	struct in_use u;

	add_disk();
	fake_sysfs_text(root, "", "sys/devices/pci0000:00/" DEV
				  "/ata1/host0/block/sda/sda2/holders/dm-0");
	fake_sysfs_text(root, "vg-root", "sys/class/block/dm-0/dm/name");
	fake_sysfs_text(root, "254:0", "sys/class/block/dm-0/dev");
	mount_dev("254:0", "/dev/mapper/vg-root");
	u = look(DEV);
	assert_int_equal(u.mask, 1u << IN_USE_LVM | 1u << IN_USE_MOUNTED);
	assert_string_equal(u.items[0].what, "sda2 is part of the volume vg-root");
	assert_string_equal(u.items[1].what, "dm-0 is mounted on /srv");
}

static void test_raid(void **state)
{
	add_disk();
	fake_sysfs_text(root, "", "sys/devices/pci0000:00/" DEV
				  "/ata1/host0/block/sda/holders/md127");
	assert_only(IN_USE_RAID, "sda is part of md127");
}

static void test_stacked_disks_that_loop_end(void **state)
{
	add_disk();
	fake_sysfs_text(root, "", "sys/devices/pci0000:00/" DEV
				  "/ata1/host0/block/sda/holders/sda");
	assert_only(IN_USE_RAID, "sda is part of sda");
}

static void test_zfs_members_as_udev_saw_them(void **state)
{
	add_disk();
	fake_sysfs_text(root, "I:1\nE:ID_FS_TYPE=zfs_member", "run/udev/data/b8:2");
	assert_int_equal(look(DEV).mask, 0); /* ZFS is not even loaded */
	fake_sysfs_text(root, "", "sys/module/zfs/version");
	assert_only(IN_USE_ZFS, "sda2 belongs to a ZFS pool");
}

static void test_an_nvme_namespace_below_its_subsystem(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "nvme", .class = 0x010802 });
	fake_sysfs_text(root, "", "sys/bus/pci/devices/" DEV "/nvme/nvme0/model");
	fake_sysfs_text(root, "", "sys/class/nvme-subsystem/nvme-subsys0/nvme0/model");
	fake_sysfs_text(root, "", "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/size");
	fake_sysfs_text(root, "259:1", "sys/class/block/nvme0n1p1/dev");
	fake_sysfs_text(root, "259:0", "sys/class/block/nvme0n1/dev");
	mount_dev("259:1", "/dev/nvme0n1p1");
	assert_only(IN_USE_MOUNTED, "nvme0n1p1 is mounted on /srv");
}

static void test_an_nvme_namespace_open_by_either_node(void **state)
{
	static const char *const nodes[] = { "nvme0n1", "ng0n1", "nvme0n1p1", "nvme0" };

	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "nvme", .class = 0x010802 });
	fake_sysfs_text(root, "", "sys/bus/pci/devices/" DEV "/nvme/nvme0/model");
	fake_sysfs_text(root, "", "sys/class/nvme-subsystem/nvme-subsys0/nvme0/model");
	fake_sysfs_text(root, "", "sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/size");
	fake_sysfs_text(root, "", "sys/class/nvme-subsystem/nvme-subsys0/ng0n1/dev");
	fake_sysfs_text(root, "259:1", "sys/class/block/nvme0n1p1/dev");
	fake_sysfs_text(root, "fio", "proc/400/comm");
	fake_sysfs_link(root, "/dev/ng1n1", "proc/400/fd/8"); /* another one */
	assert_int_equal(look(DEV).mask, 0);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		char target[32];

		snprintf(target, sizeof(target), "/dev/%s", nodes[i]);
		fake_sysfs_link(root, target, "proc/400/fd/9");
		assert_only(IN_USE_PROCESS, "pid 400 (fio) has it open");
	}
}

static void test_routes(void **state)
{
	add_nic();
	fake_sysfs_text(root,
			"Iface\tDestination\tGateway\tFlags\n"
			"eth01\t0000A8C0\t00000000\t0001\n"
			"eth0\t0000A8C0\t00000000\t0001",
			"proc/net/route");
	assert_only(IN_USE_ROUTE, "eth0 has an address or route");
	fake_sysfs_text(root, "Iface\tDestination\neth0\t00000000\t0102A8C0\t0003", "proc/net/route");
	assert_only(IN_USE_ROUTE, "eth0 has the default route");
}

#define ROUTE6(dest, plen) dest " " plen " 00000000000000000000000000000000 00 " \
	"00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0"

static void test_ipv6_routes_but_not_link_local_ones(void **state)
{
	add_nic();
	fake_sysfs_text(root,
			ROUTE6("fe800000000000000000000000000000", "40") "\n"
			ROUTE6("ff000000000000000000000000000000", "08"),
			"proc/net/ipv6_route");
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_text(root, ROUTE6("20010db8000000000000000000000000", "40"),
			"proc/net/ipv6_route");
	assert_only(IN_USE_ROUTE, "eth0 has an address or route");
}

static int give_address(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct ifreq *req = arg;

	return request == SIOCGIFADDR && strcmp(req->ifr_name, "eth0") == 0 ? 0 : -EADDRNOTAVAIL;
}

static void test_an_address_without_a_route(void **state)
{
	add_nic();
	fake_ioctl_reset();
	fake_sysfs_text(root, "0x1003", "sys/class/net/eth0/flags");
	assert_int_equal(look(DEV).mask, 0);
	fake_ioctl_handle(-1, give_address, NULL);
	assert_only(IN_USE_ROUTE, "eth0 has an address");
	fake_sysfs_text(root, "0x1002", "sys/class/net/eth0/flags"); /* down */
	assert_int_equal(look(DEV).mask, 0);
	fake_ioctl_reset();
}

static void test_an_interface_in_another_namespace(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "igb" });
	assert_int_equal(look(DEV).mask, 0); /* no interface yet, or one that failed */
	fake_sysfs_text(root, "", "sys/bus/pci/devices/" DEV "/net/x/mtu");
	fake_sysfs_remove(root, "sys/bus/pci/devices/" DEV "/net/x/mtu");
	fake_sysfs_remove(root, "sys/bus/pci/devices/" DEV "/net/x");
	assert_only(IN_USE_ROUTE, "its interface is in another network namespace");
	fake_sysfs_link(root, "../vfio-pci", "sys/bus/pci/devices/" DEV "/driver");
	assert_int_equal(look(DEV).mask, 0);
}

static void test_a_guest_on_a_macvtap(void **state)
{
	add_nic();
	fake_sysfs_link(root, "../tap5", "sys/class/net/eth0/upper_tap5");
	fake_sysfs_text(root, "", "sys/class/net/tap5/macvtap/tap7/dev");
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_text(root, "qemu", "proc/400/comm");
	fake_sysfs_link(root, "/dev/tap7", "proc/400/fd/9");
	fake_sysfs_link(root, "anon_inode:kvm-vm", "proc/400/fd/12");
	assert_only(IN_USE_VM, "the VM of pid 400 (qemu) has it");
}

static void test_a_bridge_port_and_a_bond_slave(void **state)
{
	add_nic();
	fake_sysfs_link(root, "../br0", "sys/class/net/eth0/master");
	fake_sysfs_text(root, "", "sys/class/net/br0/bridge/bridge_id");
	assert_only(IN_USE_BRIDGE, "eth0 is a port of br0");
	fake_sysfs_link(root, "../bond0", "sys/class/net/eth0/master");
	fake_sysfs_text(root, "", "sys/class/net/bond0/bonding/mode");
	assert_only(IN_USE_BOND, "eth0 is part of the bond bond0");
}

static void test_a_route_through_a_vlan_on_it(void **state)
{
	add_nic();
	fake_sysfs_link(root, "../eth0.5", "sys/class/net/eth0/upper_eth0.5");
	fake_sysfs_link(root, "../eth0", "sys/class/net/eth0.5/lower_eth0");
	fake_sysfs_text(root, "Iface\tDestination\neth0.5\t0000A8C0\t0\t1", "proc/net/route");
	assert_only(IN_USE_ROUTE, "eth0.5 has an address or route");
}

static void test_the_boot_display_until_a_guest_driver_has_it(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "i915", .class = 0x030000 });
	fake_sysfs_text(root, "1", "sys/bus/pci/devices/" DEV "/boot_vga");
	assert_only(IN_USE_CONSOLE, "it is the display this host booted with");
	fake_sysfs_link(root, "../vfio-pci", "sys/bus/pci/devices/" DEV "/driver");
	assert_int_equal(look(DEV).mask, 0);
}

static void test_the_display_of_the_text_consoles(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "bochs-drm", .class = 0x038000 });
	fake_sysfs_link(root, PLACE "/graphics/fb0", "sys/class/graphics/fb0");
	fake_sysfs_text(root, "ttyS0 tty0", "sys/class/tty/console/active");
	fake_sysfs_text(root, "(S) dummy device", "sys/class/vtconsole/vtcon0/name");
	fake_sysfs_text(root, "1", "sys/class/vtconsole/vtcon0/bind");
	fake_sysfs_text(root, "(M) frame buffer device", "sys/class/vtconsole/vtcon1/name");
	fake_sysfs_text(root, "0", "sys/class/vtconsole/vtcon1/bind");
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_text(root, "1", "sys/class/vtconsole/vtcon1/bind");
	assert_only(IN_USE_CONSOLE, "it shows tty0, a console of this host");
	fake_sysfs_text(root, "ttyS0", "sys/class/tty/console/active");
	assert_int_equal(look(DEV).mask, 0);
}

static void test_a_serial_console(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "serial", .class = 0x070002 });
	fake_sysfs_text(root, "tty0 ttyS4", "sys/class/tty/console/active");
	fake_sysfs_link(root, PLACE "/tty/ttyS4", "sys/class/tty/ttyS4");
	assert_only(IN_USE_CONSOLE, "ttyS4 is a console of this host");
}

static void test_a_keyboard_but_not_a_power_button(void **state)
{
	const char *dir = "sys/devices/pci0000:00/" DEV "/usb1/input/input3";

	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "xhci_hcd", .class = 0x0c0330 });
	fake_sysfs_link(root, PLACE "/usb1/input/input3", "sys/class/input/input3");
	fake_sysfs_text(root, "Some Keyboard", "%s/name", dir);
	fake_sysfs_text(root, "10000000000000 0", "%s/capabilities/key", dir); /* KEY_POWER only */
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_text(root, "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe",
			"%s/capabilities/key", dir);
	assert_only(IN_USE_KEYBOARD, "a keyboard is behind it: Some Keyboard");
}

static void test_a_vm_and_another_process_are_told_apart(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "vfio-pci", .group = "12" });
	fake_sysfs_text(root, "qemu-system-x86", "proc/400/comm");
	fake_sysfs_link(root, "/dev/vfio/12", "proc/400/fd/9");
	fake_sysfs_link(root, "/dev/vfio/vfio", "proc/400/fd/8");
	assert_only(IN_USE_PROCESS, "pid 400 (qemu-system-x86) has it open");
	fake_sysfs_link(root, "anon_inode:kvm-vm", "proc/400/fd/12");
	assert_only(IN_USE_VM, "the VM of pid 400 (qemu-system-x86) has it");
	fake_sysfs_link(root, "/dev/vfio/121", "proc/400/fd/9"); /* another group */
	assert_int_equal(look(DEV).mask, 0);
}

/* A terminal would obey it, and JSON cannot hold it: the user would be missing there. */
static void test_a_process_that_calls_itself_something_unprintable(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "vfio-pci", .group = "5" });
	fake_sysfs_text(root, "\xff\x1b[2J\nq", "proc/400/comm");
	fake_sysfs_link(root, "/dev/vfio/5", "proc/400/fd/9");
	assert_only(IN_USE_PROCESS, "pid 400 (??[2J?q) has it open");
}

static void test_a_device_held_by_its_own_node(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "vfio-pci", .group = "12" });
	fake_sysfs_text(root, "", "sys/bus/pci/devices/" DEV "/vfio-dev/vfio3/dev");
	fake_sysfs_text(root, "vmm", "proc/400/comm");
	fake_sysfs_link(root, "/dev/vfio/devices/vfio3", "proc/400/fd/9");
	assert_only(IN_USE_PROCESS, "pid 400 (vmm) has it open");
}

static void test_a_gpu_that_a_compositor_has_open(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "amdgpu", .class = 0x030000 });
	fake_sysfs_text(root, "", "sys/bus/pci/devices/" DEV "/drm/card1/dev");
	fake_sysfs_text(root, "Xorg", "proc/700/comm");
	fake_sysfs_link(root, "/dev/dri/card1", "proc/700/fd/14");
	assert_only(IN_USE_PROCESS, "pid 700 (Xorg) has it open");
}

/* What a class of the kernel's leads to the function. */
static void test_nodes_of_what_is_behind_it(void **state)
{
	static const struct {
		const char *node, *class;
	} nodes[] = {
		{ "snd/pcmC0D3p", "sound" }, { "fb0", "graphics" },	 { "input/event4", "input" },
		{ "hidraw0", "hidraw" },     { "video0", "video4linux" }, { "accel/accel0", "accel" },
		{ "ttyS4", "tty" },
	};

	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "x", .class = 0x040300 });
	fake_sysfs_text(root, "someone", "proc/400/comm");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		const char *slash = strrchr(nodes[i].node, '/');
		const char *name = slash ? slash + 1 : nodes[i].node;
		char target[64];

		snprintf(target, sizeof(target), "/dev/%s", nodes[i].node);
		fake_sysfs_link(root, target, "proc/400/fd/9");
		assert_int_equal(look(DEV).mask, 0);
		fake_sysfs_link(root, "../../devices/pci0000:00/0000:03:00.1/a/b",
				"sys/class/%s/%s", nodes[i].class, name);
		assert_int_equal(look(DEV).mask, 0);
		/* A serial port of the mainboard: of no PCI function, whatever its name looks like. */
		fake_sysfs_link(root, "../../devices/pnp0/00:03/00:03:0/00:03:0.0/tty/x",
				"sys/class/%s/%s", nodes[i].class, name);
		assert_int_equal(look(DEV).mask, 0);
		fake_sysfs_link(root, "../../devices/pci0000:00/0000:00:1c.0/" DEV "/a/0003:046D:C52B.0003/b",
				"sys/class/%s/%s", nodes[i].class, name);
		assert_only(IN_USE_PROCESS, "pid 400 (someone) has it open");
	}
}

static void test_a_usb_device_given_to_a_guest(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "xhci_hcd", .class = 0x0c0330 });
	fake_sysfs_text(root, "1", "sys/devices/pci0000:00/" DEV "/usb1/1-4/busnum");
	fake_sysfs_text(root, "7", "sys/devices/pci0000:00/" DEV "/usb1/1-4/devnum");
	fake_sysfs_link(root, "../../../devices/pci0000:00/" DEV "/usb1/1-4", "sys/bus/usb/devices/1-4");
	fake_sysfs_text(root, "qemu", "proc/400/comm");
	fake_sysfs_link(root, "anon_inode:kvm-vm", "proc/400/fd/12");
	fake_sysfs_link(root, "/dev/bus/usb/001/008", "proc/400/fd/9");
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_link(root, "/dev/bus/usb/001/007", "proc/400/fd/9");
	assert_only(IN_USE_VM, "the VM of pid 400 (qemu) has it");
}

static void test_nvidias_nodes_by_their_number(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "nvidia", .class = 0x030000 });
	fake_sysfs_text(root, "Model: \t\t NVIDIA A2\nIRQ:   \t\t 77\nDevice Minor: \t 2\n",
			"proc/driver/nvidia/gpus/" DEV "/information");
	fake_sysfs_text(root, "nvidia-persiste", "proc/400/comm");
	fake_sysfs_link(root, "/dev/nvidiactl", "proc/400/fd/8");
	fake_sysfs_link(root, "/dev/nvidia0", "proc/400/fd/9");
	assert_int_equal(look(DEV).mask, 0);
	fake_sysfs_link(root, "/dev/nvidia2", "proc/400/fd/9");
	assert_only(IN_USE_PROCESS, "pid 400 (nvidia-persiste) has it open");
}

static void test_a_pf_is_in_use_when_a_vf_is(void **state)
{
	struct in_use u;
	struct pci_function pf;

	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "igb", .total_vfs = 7,
					       .num_vfs = 1 });
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:03:10.0", .driver = "vfio-pci",
					       .group = "12", .pf = DEV });
	u = look(DEV);
	assert_int_equal(u.mask, 0); /* VFs that nobody uses are no use of the PF … */
	assert_int_equal(pci_function_read(root, (struct bdf){ 0, 3, 0, 0 }, &pf), 0);
	in_use_add_vfs(&pf, &u); /* … unless they go with it */
	assert_string_equal(u.items[0].what, "its 1 VFs would go with it");
	fake_sysfs_text(root, "vmm", "proc/400/comm");
	fake_sysfs_link(root, "/dev/vfio/12", "proc/400/fd/9");
	assert_only(IN_USE_VF_IN_USE,
		    "VF 0 (0000:03:10.0) is in use: pid 400 (vmm) has it open");
}

static void test_a_vendors_vgpu(void **state)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEV, .driver = "nvidia" });
	fake_sysfs_text(root, "0", "sys/bus/pci/devices/" DEV "/nvidia/current_vgpu_type");
	assert_only(IN_USE_VENDOR_VFIO, "its vendor's driver hands it out as a vGPU");
}

static void test_only_the_named_reasons_are_forced(void **state)
{
	struct bdf bdf = { 0, 3, 0, 0 };
	struct err err = ERR_INIT;
	unsigned force = 0;
	struct in_use u;

	add_nic();
	fake_sysfs_text(root, "Iface\tDestination\neth0\t00000000\t0\t3", "proc/net/route");
	fake_sysfs_link(root, "../br0", "sys/class/net/eth0/master");
	u = look(DEV);
	assert_int_equal(in_use_refuse(&u, "bind", bdf, 0, &err), -EBUSY);
	assert_string_equal(err.text, "cannot bind " DEV ": eth0 has the default route");
	assert_non_null(strstr(err.hint, "--force=route,bridge "));
	assert_int_equal(in_use_parse_force("route", &force, NULL), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(in_use_refuse(&u, "bind", bdf, force, &err), -EBUSY);
	assert_string_equal(err.text, "cannot bind " DEV ": eth0 is a port of br0");
	assert_int_equal(in_use_parse_force("bridge", &force, NULL), 0);
	assert_int_equal(in_use_refuse(&u, "bind", bdf, force, NULL), 0);
}

static void test_force_takes_known_words_only(void **state)
{
	static const char *const bad[] = { "", "all", "route,", ",route", "route bridge", "Route",
					   "rout", "routes" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		unsigned force = 0;

		assert_int_equal(in_use_parse_force(bad[i], &force, &err), -EINVAL);
		assert_int_equal(force, 0);
		assert_true(err.usage);
		assert_non_null(strstr(err.hint, "mounted swap raid"));
	}
	for (int i = 0; i < IN_USE_REASONS; i++) {
		unsigned force = 0;

		assert_int_equal(in_use_parse_force(in_use_word((enum in_use_reason)i), &force, NULL),
				 0);
		assert_int_equal(force, 1u << i);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_process_that_calls_itself_something_unprintable),
		TEST(test_an_idle_device_has_no_users),
		TEST(test_mounted_by_device_number),
		TEST(test_mounted_by_source_where_the_number_is_anonymous),
		TEST(test_another_disks_mount_is_not_ours),
		TEST(test_swap),
		TEST(test_swap_on_a_volume_that_nobody_linked),
		TEST(test_another_disk_of_a_btrfs),
		TEST(test_a_loop_device_on_a_partition),
		TEST(test_a_volume_on_a_volume_that_is_mounted),
		TEST(test_raid),
		TEST(test_stacked_disks_that_loop_end),
		TEST(test_zfs_members_as_udev_saw_them),
		TEST(test_an_nvme_namespace_below_its_subsystem),
		TEST(test_an_nvme_namespace_open_by_either_node),
		TEST(test_routes),
		TEST(test_ipv6_routes_but_not_link_local_ones),
		TEST(test_an_address_without_a_route),
		TEST(test_an_interface_in_another_namespace),
		TEST(test_a_guest_on_a_macvtap),
		TEST(test_a_bridge_port_and_a_bond_slave),
		TEST(test_a_route_through_a_vlan_on_it),
		TEST(test_the_boot_display_until_a_guest_driver_has_it),
		TEST(test_the_display_of_the_text_consoles),
		TEST(test_a_serial_console),
		TEST(test_a_keyboard_but_not_a_power_button),
		TEST(test_a_vm_and_another_process_are_told_apart),
		TEST(test_a_device_held_by_its_own_node),
		TEST(test_a_gpu_that_a_compositor_has_open),
		TEST(test_nodes_of_what_is_behind_it),
		TEST(test_a_usb_device_given_to_a_guest),
		TEST(test_nvidias_nodes_by_their_number),
		TEST(test_a_pf_is_in_use_when_a_vf_is),
		TEST(test_a_vendors_vgpu),
		TEST(test_only_the_named_reasons_are_forced),
		TEST(test_force_takes_known_words_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
