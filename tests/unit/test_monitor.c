// SPDX-License-Identifier: GPL-2.0-or-later
/* What `monitor` tells of a fake host that changes, and what it reads in rtnetlink's messages. */
#include "host/monitor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "tests/fake/sysfs.h"

#define NIC "0000:01:00.0"
#define DIR "sys/bus/pci/devices/" NIC

static int root = -1;
static struct monitor *monitor;
static struct monitor_event told[8];
static unsigned count;

static void on_event(const struct monitor_event *e, void *opaque)
{
	assert_true(count < 8);
	told[count++] = *e;
}

static void counters(const char *total)
{
	char text[64];

	snprintf(text, sizeof(text), "RxErr 0\nBadTLP %s\nTOTAL_ERR_COR %s", total, total);
	fake_sysfs_text(root, text, DIR "/aer_dev_correctable");
}

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ DIR "/class", "0x020000" },
		{ DIR "/aer_dev_nonfatal", "TOTAL_ERR_NONFATAL 0" },
		{ DIR "/aer_dev_fatal", "TOTAL_ERR_FATAL 0" },
		{ "sys/class/net/eth0/device", NULL, "../../../bus/pci/devices/" NIC },
		{ "sys/class/net/eth0/ifindex", "2" },
		{ "sys/class/net/eth0/flags", "0x1002" },
		{ "sys/class/net/eth0/carrier", "0" },
		{ "sys/class/net/lo/ifindex", "1" },
		{ "sys/class/net/lo/flags", "0x9" },
		{ 0 },
	};

	root = fake_sysfs(nodes);
	counters("3");
	count = 0;
	monitor = monitor_new(root, on_event, NULL);
	return monitor ? 0 : -1;
}

static int teardown(void **state)
{
	monitor_free(monitor);
	fake_sysfs_free(&root);
	return 0;
}

static void test_how_it_is_at_first_is_no_event(void **state)
{
	monitor_look(monitor);
	assert_int_equal(count, 0);
}

static void test_a_link_is_told_once_for_each_change(void **state)
{
	const struct link_change c = { .index = 2, .name = "eth0" };

	fake_sysfs_text(root, "0x1003", "sys/class/net/eth0/flags");
	monitor_link(monitor, &c);
	monitor_link(monitor, &c);
	fake_sysfs_text(root, "1", "sys/class/net/eth0/carrier");
	monitor_look(monitor);
	assert_int_equal(count, 2);
	assert_int_equal(told[0].kind, MONITOR_LINK);
	assert_string_equal(told[0].before, "down");
	assert_string_equal(told[0].after, "no carrier");
	assert_string_equal(told[1].after, "up");
	assert_string_equal(told[1].netdev, "eth0");
	assert_int_equal(told[1].bdf.bus, 1);
}

static void test_an_interface_that_is_renamed_stays_the_same(void **state)
{
	const struct link_change c = { .index = 2, .name = "enp1s0" };

	fake_sysfs_link(root, "../../../bus/pci/devices/" NIC, "sys/class/net/enp1s0/device");
	fake_sysfs_text(root, "0x1003", "sys/class/net/enp1s0/flags");
	fake_sysfs_text(root, "1", "sys/class/net/enp1s0/carrier");
	monitor_link(monitor, &c);
	assert_int_equal(count, 1);
	assert_string_equal(told[0].before, "down");
	assert_string_equal(told[0].netdev, "enp1s0");
}

static void test_one_that_is_gone_is_not_compared_with_the_next(void **state)
{
	const struct link_change gone = { .index = 2, .name = "eth0", .gone = true };
	const struct link_change back = { .index = 2, .name = "eth0" };

	monitor_link(monitor, &gone);
	fake_sysfs_text(root, "0x1003", "sys/class/net/eth0/flags");
	monitor_link(monitor, &back);
	assert_int_equal(count, 0);
}

static void test_errors_are_told_by_how_many_more(void **state)
{
	counters("5");
	monitor_look(monitor);
	assert_int_equal(count, 1);
	assert_int_equal(told[0].kind, MONITOR_ERRORS);
	assert_int_equal(told[0].count, 2);
	assert_string_equal(told[0].key, "correctable");
	assert_string_equal(told[0].after, "BadTLP 5");
}

static void test_another_device_counts_from_nothing(void **state)
{
	counters("1");
	monitor_look(monitor);
	assert_int_equal(count, 1);
	assert_int_equal(told[0].count, 1);
}

static void test_uevents(void **state)
{
	static const struct {
		struct hotplug_event event;
		int kind; /* -1: not told */
		const char *after;
	} cases[] = {
		{ { .action = "add" }, MONITOR_ADDED, "" },
		{ { .action = "remove" }, MONITOR_REMOVED, "" },
		{ { .action = "bind", .driver = "vfio-pci" }, MONITOR_BOUND, "vfio-pci" },
		{ { .action = "unbind" }, MONITOR_UNBOUND, "" },
		{ { .action = "change" }, -1, "" },
		{ { .action = "change", .error = "BEGIN_RECOVERY" }, MONITOR_RECOVERY, "begins" },
		{ { .action = "change", .error = "SUCCESSFUL_RECOVERY" }, MONITOR_RECOVERY, "succeeded" },
		{ { .action = "change", .error = "FAILED_RECOVERY" }, MONITOR_RECOVERY, "failed" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		count = 0;
		monitor_hotplug(monitor, &cases[i].event);
		assert_int_equal(count, cases[i].kind >= 0);
		if (count) {
			assert_int_equal(told[0].kind, cases[i].kind);
			assert_string_equal(told[0].after, cases[i].after);
		}
	}
}

static void test_what_was_lost_is_looked_for(void **state)
{
	counters("4");
	monitor_lost(monitor);
	assert_int_equal(count, 2);
	assert_int_equal(told[0].kind, MONITOR_LOST);
	assert_int_equal(told[1].kind, MONITOR_ERRORS);
}

/* --- rtnetlink -------------------------------------------------------------------------------- */

static struct link_change changes[4];
static unsigned changed;

static void on_link(const struct link_change *c, void *opaque)
{
	assert_true(changed < 4);
	changes[changed++] = *c;
}

/* Append a message about interface `index`; the new length. */
static size_t put(char *buf, size_t len, unsigned type, unsigned family, int index, const char *name)
{
	struct nlmsghdr h = { .nlmsg_type = (uint16_t)type };
	struct ifinfomsg info = { .ifi_family = (unsigned char)family, .ifi_index = index };
	struct rtattr mtu = { 8, IFLA_MTU }, a = { 0, IFLA_IFNAME };

	a.rta_len = (unsigned short)RTA_LENGTH(strlen(name) + 1);
	h.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(info)) + 8 + a.rta_len);
	memcpy(buf + len, &h, sizeof(h));
	memcpy(buf + len + NLMSG_HDRLEN, &info, sizeof(info));
	memcpy(buf + len + NLMSG_LENGTH(sizeof(info)), &mtu, sizeof(mtu));
	memcpy(buf + len + NLMSG_LENGTH(sizeof(info)) + 8, &a, sizeof(a));
	memcpy(buf + len + NLMSG_LENGTH(sizeof(info)) + 8 + sizeof(a), name, strlen(name) + 1);
	return len + NLMSG_ALIGN(h.nlmsg_len);
}

static void test_messages_about_links_are_read(void **state)
{
	char buf[512] = { 0 };
	size_t n = put(buf, 0, RTM_NEWLINK, AF_UNSPEC, 7, "eth0");

	changed = 0;
	n = put(buf, n, RTM_NEWADDR, AF_UNSPEC, 7, "eth0");
	n = put(buf, n, RTM_DELLINK, AF_BRIDGE, 7, "eth0"); /* left its bridge, and is still there */
	n = put(buf, n, RTM_DELLINK, AF_UNSPEC, 9, "a-name-of-fifteen-and-more");
	assert_int_equal(link_watch_parse(buf, n, on_link, NULL), 0);
	assert_int_equal(changed, 2);
	assert_int_equal(changes[0].index, 7);
	assert_string_equal(changes[0].name, "eth0");
	assert_false(changes[0].gone);
	assert_true(changes[1].gone);
	assert_string_equal(changes[1].name, "a-name-of-fifte");
}

static void test_cut_messages_are_refused_and_not_read_past(void **state)
{
	char buf[128] = { 0 };
	size_t n = put(buf, 0, RTM_NEWLINK, AF_UNSPEC, 7, "eth0");

	for (size_t len = 1; len < n - NLMSG_ALIGNTO; len++) {
		char *exact = test_malloc(len); /* for AddressSanitizer */

		memcpy(exact, buf, len);
		assert_int_equal(link_watch_parse(exact, len, on_link, NULL), -EBADMSG);
		test_free(exact);
	}
	changed = 0;
	buf[NLMSG_LENGTH(sizeof(struct ifinfomsg))] = 0; /* an attribute of no length */
	assert_int_equal(link_watch_parse(buf, n, on_link, NULL), 0);
	assert_int_equal(changed, 1);
	assert_string_equal(changes[0].name, "");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_how_it_is_at_first_is_no_event),
		TEST(test_a_link_is_told_once_for_each_change),
		TEST(test_an_interface_that_is_renamed_stays_the_same),
		TEST(test_one_that_is_gone_is_not_compared_with_the_next),
		TEST(test_errors_are_told_by_how_many_more),
		TEST(test_another_device_counts_from_nothing),
		TEST(test_uevents),
		TEST(test_what_was_lost_is_looked_for),
		cmocka_unit_test(test_messages_about_links_are_read),
		cmocka_unit_test(test_cut_messages_are_refused_and_not_read_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
