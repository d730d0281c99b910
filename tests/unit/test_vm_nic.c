// SPDX-License-Identifier: GPL-2.0-or-later
/* --nic: interfaces of a made-up host that can be had, and that cannot. */
#include "tools/vm_nic.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "base/fd.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/sysfs.h"

static int root = -1;

/* What the kernel is told. */
static struct {
	unsigned tuns, flags, detached, mtu, joined, up;
	int fail_tun;
	char name[IFNAMSIZ];
} told;

static int kernel(void *opaque, int fd, unsigned long request, void *arg)
{
	struct ifreq *req = arg;

	switch (request) {
	case TUNSETIFF:
		if (told.fail_tun)
			return told.fail_tun;
		told.flags = (unsigned short)req->ifr_flags;
		if (strchr(req->ifr_name, '%'))
			strcpy(req->ifr_name, "thruway5");
		else if (told.tuns)
			assert_string_equal(req->ifr_name, told.name);
		strcpy(told.name, req->ifr_name);
		told.tuns++;
		return 0;
	case TUNDETACHFILTER: told.detached++; return 0;
	case SIOCSIFMTU: told.mtu = (unsigned)req->ifr_mtu; return told.joined ? -EBUSY : 0;
	case SIOCBRADDIF: told.joined++; return 0;
	case SIOCGIFFLAGS: req->ifr_flags = IFF_BROADCAST; return 0;
	case SIOCSIFFLAGS: told.up = (unsigned)req->ifr_flags; return 0;
	default: return -ENOTTY;
	}
}

static const struct fake_node host[] = {
	{ "dev/net/tun", .text = "" },
	{ "dev/vhost-net", .text = "" },
	{ "sys/class/net/br0/bridge/bridge_id", .text = "8000" },
	{ "sys/class/net/br0/mtu", .text = "1500" },
	{ "sys/class/net/jumbo/bridge/bridge_id", .text = "8000" },
	{ "sys/class/net/jumbo/mtu", .text = "9000" },
	{ "sys/class/net/lo/ifindex", .text = "1" },
	{ "sys/class/net/tap0/tun_flags", .text = "0x1802" },
	{ "sys/class/net/tap0/flags", .text = "0x1003" },
	{ "sys/class/net/tap0/mtu", .text = "1400" },
	{ "sys/class/net/tap4/tun_flags", .text = "0x1902" },
	{ "sys/class/net/tap4/flags", .text = "0x1003" },
	{ "sys/class/net/down0/tun_flags", .text = "0x1802" },
	{ "sys/class/net/down0/flags", .text = "0x1002" },
	{ "sys/class/net/tun0/tun_flags", .text = "0x1801" },
	{ "sys/class/net/mv0/ifindex", .text = "7" },
	{ "sys/class/net/mv0/flags", .text = "0x1003" },
	{ "sys/class/net/mv0/address", .text = "52:54:00:aa:bb:cc" },
	{ "sys/class/net/mv0/mtu", .text = "1500" },
	{ 0 },
};

static int setup(void **state)
{
	root = fake_sysfs(host);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&root);
	return 0;
}

static int fresh(void **state)
{
	memset(&told, 0, sizeof(told));
	fake_ioctl_reset();
	fake_ioctl_handle(-1, kernel, NULL);
	return 0;
}

static int open_nic(const char *text, struct vmm_nic *ret, struct err *err)
{
	struct vm_opt_nic opts;

	vm_nic_init(ret);
	assert_int_equal(vm_nic_parse(text, &opts, err), 0);
	return vm_nic_open(root, &opts, "web", 2, ret, err);
}

static unsigned close_nic(struct vmm_nic *nic)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VMM_NIC_PAIRS_MAX; i++) {
		n += (nic->tap_fd[i] >= 0) + (nic->vhost_fd[i] >= 0);
		close_fdp(&nic->tap_fd[i]);
		close_fdp(&nic->vhost_fd[i]);
	}
	return n;
}

static void refused(const char *text, int code, const char *words, const char *hint)
{
	struct err err = ERR_INIT;
	struct vmm_nic nic;

	assert_int_equal(open_nic(text, &nic, &err), code);
	if (!strstr(err.text, words) || !strstr(err.hint, hint))
		fail_msg("%s: '%s', '%s'", text, err.text, err.hint);
	close_nic(&nic);
}

static void test_a_tap_on_a_bridge(void **state)
{
	struct err err = ERR_INIT;
	struct vmm_nic nic, again;

	assert_int_equal(open_nic("tap:br0", &nic, &err), 0);
	assert_int_equal(told.tuns, 1);
	assert_int_equal(told.flags, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	assert_int_equal(told.mtu, 0); /* a tap has 1500 by itself */
	assert_int_equal(told.joined, 1);
	assert_int_equal(told.up, IFF_BROADCAST | IFF_UP);
	assert_string_equal(nic.host, "thruway5");
	assert_int_equal(nic.mtu, 1500);
	assert_int_equal(nic.pairs, 1);
	assert_int_equal(nic.mac[0] & 3, 2);
	assert_true(fcntl(nic.tap_fd[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(close_nic(&nic), 2);
	assert_int_equal(open_nic("tap:br0", &again, &err), 0);
	assert_memory_equal(again.mac, nic.mac, 6);
	close_nic(&again);
}

static void test_queues_and_mtu(void **state)
{
	struct err err = ERR_INIT;
	struct vmm_nic nic;

	assert_int_equal(open_nic("tap:jumbo,queues=8", &nic, &err), 0);
	assert_int_equal(told.tuns, 8);
	assert_int_equal(told.flags, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	assert_int_equal(told.mtu, 9000);
	assert_int_equal(nic.mtu, 9000);
	assert_int_equal(close_nic(&nic), 16);
	fresh(NULL);
	assert_int_equal(open_nic("tap:jumbo,mtu=1280,vhost=off,mac=02:00:00:00:00:09", &nic, &err), 0);
	assert_int_equal(told.mtu, 1280);
	assert_int_equal(nic.mtu, 1280);
	assert_int_equal(nic.vhost_fd[0], -1);
	assert_int_equal(nic.mac[5], 9);
	assert_int_equal(close_nic(&nic), 1);
	fresh(NULL);
	fake_sysfs_text(root, "65535", "sys/class/net/jumbo/mtu");
	assert_int_equal(open_nic("tap:jumbo", &nic, &err), 0);
	assert_int_equal(told.mtu, 65521);
	close_nic(&nic);
}

static void test_a_tap_that_is_there(void **state)
{
	struct err err = ERR_INIT;
	struct vmm_nic nic;

	assert_int_equal(open_nic("tap:tap0", &nic, &err), 0);
	assert_int_equal(told.flags, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	assert_string_equal(nic.host, "tap0");
	assert_int_equal(nic.mtu, 1400);
	assert_int_equal(told.joined + told.up + told.mtu, 0);
	assert_int_equal(told.detached, 1);
	close_nic(&nic);
	fresh(NULL);
	/* One that was made for many is told so even for one. */
	assert_int_equal(open_nic("tap:tap4", &nic, &err), 0);
	assert_int_equal(told.flags & IFF_MULTI_QUEUE, IFF_MULTI_QUEUE);
	close_nic(&nic);
	fresh(NULL);
	assert_int_equal(open_nic("tap:tap4,queues=4", &nic, &err), 0);
	assert_int_equal(told.tuns, 4);
	close_nic(&nic);
	/* Somebody has it, and the kernel would give us some of its packets. */
	fake_sysfs_text(root, "1", "sys/class/net/tap4/carrier");
	told.tuns = 0;
	refused("tap:tap4", -EBUSY, "another program has the tap tap4", "");
	assert_int_equal(told.tuns, 0);
	fake_sysfs_text(root, "0", "sys/class/net/tap4/carrier");
	assert_int_equal(open_nic("tap:tap4", &nic, &err), 0);
	close_nic(&nic);
	refused("tap:tap0,queues=2", -EINVAL, "the tap tap0 was made for one queue, and queues=2 asks for more",
		"multi_queue");
	refused("tap:tap0,mtu=1500", -EINVAL, "has its own MTU", "ip link set tap0 mtu");
	refused("tap:down0", -ENETDOWN, "down0 is down", "ip link set down0 up");
	told.fail_tun = -EBUSY;
	refused("tap:tap0", -EBUSY, "another program has the tap tap0", "");
	told.fail_tun = -EPERM;
	refused("tap:tap0", -EPERM, "cannot open the tap tap0", "user NAME");
	refused("tap:br0", -EPERM, "cannot make a tap", "as root");
	told.fail_tun = -EACCES;
	refused("tap:tap0", -EACCES, "cannot open /dev/net/tun", "chmod 666");
	refused("tap:br0", -EACCES, "cannot open /dev/net/tun", "chmod 666");
}

static void test_what_is_no_interface_for_a_guest(void **state)
{
	refused("tap:br1", -ENODEV, "there is no bridge br1, and no tap", "ip link add br1 type bridge");
	refused("tap:lo", -EINVAL, "lo is no bridge and no tap", "");
	refused("tap:tun0", -EINVAL, "tun0 is no bridge and no tap", "");
	refused("macvtap:mv1", -ENODEV, "there is no interface mv1", "type macvtap");
	refused("macvtap:lo", -EINVAL, "lo is no macvtap", "");
	assert_int_equal(told.tuns, 0);
}

static void test_a_macvtap(void **state)
{
	struct err err = ERR_INIT;
	struct vmm_nic nic;
	int device = posix_openpt(O_RDWR | O_NOCTTY); /* some character device, nobody else's */
	struct stat st;
	char dev[32];

	assert_true(device >= 0 && unlockpt(device) == 0 && stat(ptsname(device), &st) == 0);
	refused("macvtap:mv0", -EINVAL, "mv0 is no macvtap", "");
	fake_sysfs_text(root, "1:3", "sys/class/macvtap/tap7/dev");
	refused("macvtap:mv0", -ENOENT, "cannot open /dev/tap7 of mv0", "devtmpfs");
	fake_sysfs_text(root, "", "dev/tap7");
	refused("macvtap:mv0", -ENXIO, "/dev/tap7 is not mv0's", "");
	assert_int_equal(told.tuns, 0);
	fake_sysfs_remove(root, "dev/tap7");
	fake_sysfs_link(root, ptsname(device), "dev/tap7");
	refused("macvtap:mv0", -ENXIO, "/dev/tap7 is not mv0's", "");
	snprintf(dev, sizeof(dev), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	fake_sysfs_text(root, dev, "sys/class/macvtap/tap7/dev");
	assert_int_equal(open_nic("macvtap:mv0,queues=2", &nic, &err), 0);
	assert_true(nic.macvtap);
	assert_string_equal(nic.host, "mv0");
	assert_memory_equal(nic.mac, "\x52\x54\x00\xaa\xbb\xcc", 6);
	assert_int_equal(nic.mtu, 1500);
	assert_int_equal(told.tuns, 2);
	assert_int_equal(told.flags, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	/* Whoever comes second would have half of its packets. */
	refused("macvtap:mv0", -EBUSY, "another program has the macvtap mv0", "lslocks");
	assert_int_equal(close_nic(&nic), 4);
	fake_sysfs_text(root, "0x1002", "sys/class/net/mv0/flags");
	refused("macvtap:mv0", -ENETDOWN, "mv0 is down", "ip link set mv0 up");
	close(device);
}

static void test_without_vhost_net(void **state)
{
	struct err err = ERR_INIT;
	struct vmm_nic nic;

	assert_int_equal(renameat(root, "dev/vhost-net", root, "dev/hidden"), 0);
	refused("tap:br0", -ENOENT, "cannot open /dev/vhost-net", "vhost=off");
	assert_int_equal(told.tuns, 0);
	assert_int_equal(open_nic("tap:br0,vhost=off", &nic, &err), 0);
	close_nic(&nic);
	assert_int_equal(renameat(root, "dev/hidden", root, "dev/vhost-net"), 0);
	assert_int_equal(renameat(root, "dev/net/tun", root, "dev/hidden"), 0);
	refused("tap:br0", -ENOENT, "cannot open /dev/net/tun", "modprobe tun");
	assert_int_equal(renameat(root, "dev/hidden", root, "dev/net/tun"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_tap_on_a_bridge, fresh),
		cmocka_unit_test_setup(test_queues_and_mtu, fresh),
		cmocka_unit_test_setup(test_a_tap_that_is_there, fresh),
		cmocka_unit_test_setup(test_what_is_no_interface_for_a_guest, fresh),
		cmocka_unit_test_setup(test_a_macvtap, fresh),
		cmocka_unit_test_setup(test_without_vhost_net, fresh),
	};

	return cmocka_run_group_tests_name("vm-nic", tests, setup, teardown);
}
