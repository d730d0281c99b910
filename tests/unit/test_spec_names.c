// SPDX-License-Identifier: GPL-2.0-or-later
/* An entry that means a network card by its MAC or name still does when the card has no interface. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "host/spec_apply.h"
#include "host/udev_rules.h"
#include "tests/fake/kernel.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define NIC	   "0000:06:00.0"
#define OTHER	   "0000:07:00.0"
#define NIC_DIR	   "sys/bus/pci/devices/" NIC
#define RULES_PATH UDEV_RULES_DIR "/" UDEV_RULES_NAME

static struct fake_kernel kernel;
static struct err err;

static const char *const matches[] = { "mac: 52:54:00:00:00:05", "netdev: eth5" };

static void add_interface(void)
{
	fake_sysfs_text(kernel.root, "x", NIC_DIR "/net/eth5/address");
	fake_sysfs_text(kernel.root, "0", "sys/class/net/eth5/addr_assign_type");
	fake_sysfs_text(kernel.root, "52:54:00:00:00:05", "sys/class/net/eth5/address");
}

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "run", 0 }, { "etc/udev/udev.conf", "" }, { 0 } };
	static const struct fake_pci devs[] = {
		{ .bdf = NIC, .driver = "igb", .group = "30" },
		{ .bdf = OTHER, .place = "pci0000:00/0000:00:02.0", .driver = "igb", .group = "31" },
	};

	err = (struct err)ERR_INIT;
	log_set_level(LOG_QUIET);
	kernel = (struct fake_kernel){ .root = fake_sysfs(nodes), .native = "igb" };
	for (unsigned i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(kernel.root, &devs[i]);
	add_interface();
	fake_kernel_start(&kernel);
	return 0;
}

static int teardown(void **state)
{
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	return 0;
}

static void read_spec(const char *match, const char *more, struct host_spec *ret)
{
	char text[256];

	*ret = (struct host_spec)HOST_SPEC_INIT;
	snprintf(text, sizeof(text), "devices:\n  - match: {%s}\n%s", match, more);
	fake_sysfs_text(kernel.root, text, "etc/thruway/host.yaml");
	if (host_spec_read(kernel.root, NULL, 0, ret, &err) < 0)
		fail_msg("%s: %s", match, err.text);
}

/* The fake's interfaces stay when their driver goes. */
static void bind_it(const char *match)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	const struct journal_owner owner = { .command = "host apply" };

	read_spec(match, "", &hs);
	assert_int_equal(hs.plan.left, 0);
	if (host_spec_apply(kernel.root, &hs, &owner, 0, &err) < 0)
		fail_msg("%s: %s", match, err.text);
	fake_sysfs_remove(kernel.root, NIC_DIR "/net");
	fake_sysfs_remove(kernel.root, "sys/class/net/eth5");
}

static void unbind_it(void)
{
	unsigned undone;

	add_interface();
	assert_int_equal(journal_restore(kernel.root, change_ops, NULL, 0, &undone, NULL), 0);
}

/* What is left, and that there is nothing to do where nothing is. */
static size_t left(const char *match)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	read_spec(match, "", &hs);
	if (!hs.plan.left && hs.plan.plan.count)
		fail_msg("%s: %zu steps, %s", match, hs.plan.plan.count, hs.rules);
	return hs.plan.left;
}

static void test_what_was_bound_is_known_by_the_journal(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(matches); i++) {
		bind_it(matches[i]);
		assert_int_equal(left(matches[i]), 0);
		unbind_it();
	}
	bind_it(matches[0]);
	assert_int_equal(left("mac: 52:54:00:00:00:06"), 1);
	fake_sysfs_remove(kernel.root, RULES_PATH);
	{
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

		read_spec(matches[0], "", &hs); /* without udev's file, too */
		assert_int_equal(hs.plan.left, 0);
		assert_int_equal(hs.plan.plan.count, 1);
	}
	/* Not a card that has come into its place. */
	fake_sysfs_text(kernel.root, "0x10fb", NIC_DIR "/device");
	assert_int_equal(left(matches[0]), 1);
}

static void test_what_udev_bound_is_known_by_its_rule(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(matches); i++) {
		bind_it(matches[0]);
		fake_sysfs_remove(kernel.root, "run/thruway"); /* a boot */
		assert_int_equal(left(matches[i]), 0);
		assert_int_equal(left("mac: 52:54:00:00:00:06"), 1);
		assert_int_equal(left("netdev: eth"), 1);
	}
	assert_non_null(strstr(fake_get(kernel.root, RULES_PATH),
			       "\n# had mac 52:54:00:00:00:05 netdev eth5: 8086:10c9/"));
	fake_sysfs_text(kernel.root, "0x10fb", NIC_DIR "/device");
	assert_int_equal(left(matches[0]), 1);
	fake_sysfs_text(kernel.root, "0x10c9", NIC_DIR "/device");
	assert_int_equal(left(matches[0]), 0);
	fake_sysfs_remove(kernel.root, RULES_PATH);
	assert_int_equal(left(matches[0]), 1);
}

/* The rule was too late: it has a driver, and an interface that has another name by now. */
static void test_what_is_there_goes_before_what_was(void **state)
{
	bind_it(matches[0]);
	fake_sysfs_remove(kernel.root, "run/thruway");
	fake_sysfs_text(kernel.root, "x", NIC_DIR "/net/eth9/address");
	fake_sysfs_text(kernel.root, "0", "sys/class/net/eth9/addr_assign_type");
	fake_sysfs_text(kernel.root, "52:54:00:00:00:05", "sys/class/net/eth9/address");
	assert_int_equal(left("netdev: eth5"), 1);
	{
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

		read_spec("netdev: eth9", "", &hs);
		assert_int_equal(hs.plan.left, 0);
		assert_non_null(strstr(hs.rules, "\n# had mac 52:54:00:00:00:05 netdev eth9: "));
	}
}

/* It keeps its interface, which may be called anything at the next boot. */
static void test_a_card_that_stays_with_the_host_is_not_remembered(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec igb = HOST_SPEC_INIT, none = HOST_SPEC_INIT;

	read_spec("netdev: eth5", "    driver: igb\n", &igb);
	assert_non_null(strstr(igb.rules, "# " NIC ", "));
	assert_null(strstr(igb.rules, "# had "));
	read_spec("netdev: eth5", "    driver: none\n", &none);
	assert_non_null(strstr(none.rules, "# had mac "));
}

/* root alone writes the file, and still. */
static void test_a_damaged_file_is_no_harm(void **state)
{
	static const char *const lines[] = {
		"# had mac", "# had mac 52:54:00:00:00:05", "# had mac 52:54:00:00:00:05 netdev : x",
		"# had mac - netdev -: ", "# had mac 52:54:00:00:00:0552:54:00:00:00:05 netdev e: ",
		": ", "# had mac x netdev ",
	};
	struct spec_fact fact = { .identity = "8086:10c9/0000:0000 serial=0 at pci0000:00/00.0" };
	char text[400];

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text), "x\n%s%s\n", lines[i], fact.identity);
		udev_rules_recall(text, &fact);
		if (fact.mac[0] || fact.netdev[0])
			fail_msg("%s: %s %s", lines[i], fact.mac, fact.netdev);
	}
	snprintf(text, sizeof(text), "# had mac - netdev eth5: %s", fact.identity); /* cut off */
	udev_rules_recall(text, &fact);
	assert_string_equal(fact.netdev, "");
	snprintf(text, sizeof(text), "# had mac - netdev eth5: %s\n", fact.identity);
	udev_rules_recall(text, &fact);
	assert_string_equal(fact.netdev, "eth5");
	assert_string_equal(fact.mac, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_bound_is_known_by_the_journal),
		TEST(test_what_udev_bound_is_known_by_its_rule),
		TEST(test_what_is_there_goes_before_what_was),
		TEST(test_a_card_that_stays_with_the_host_is_not_remembered),
		TEST(test_a_damaged_file_is_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
