// SPDX-License-Identifier: GPL-2.0-or-later
/* What people call devices, and what they are told when there is no such thing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "host/device.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define PF  "0000:01:00.0"
#define VF0 "0000:01:10.0"
#define VF1 "0000:01:10.2"

static int root = -1;
static struct topo topo;
static struct device_list list;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		/* VF1's interface is bound away; a committed change remembers its name. */
		{ "run/thruway/journal/0000000001",
		  "format=1\ncommand=bind\npid=1\nstart=0\nboot=\nuid=0\ntime=0\ncommitted=1\n"
		  "until_exit=0\nunconfirmed=0\nnote=netdev\nabout=" VF1 "\nvalue=eth3\nend=0" },
		{ 0 },
	};
	static const struct fake_pci devs[] = {
		{ .bdf = PF, .total_vfs = 7, .num_vfs = 2, .netdev = "eth0" },
		{ .bdf = VF0, .ids = "8086:10ca", .pf = PF, .vf_index = 0, .netdev = "eth2" },
		{ .bdf = VF1, .ids = "8086:10ca", .pf = PF, .vf_index = 1 },
		{ .bdf = "10000:e1:00.0", .ids = "144d:a808" },
		{ .bdf = "0000:00:01.0", .ids = "8086:10ca", .header_type = 1 },
	};

	root = fake_sysfs(nodes);
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(root, &devs[i]);
	err = (struct err)ERR_INIT;
	list = (struct device_list)DEVICE_LIST_INIT;
	return topo_scan(root, &topo, NULL);
}

static int teardown(void **state)
{
	device_list_fini(&list);
	topo_fini(&topo);
	fake_sysfs_free(&root);
	return 0;
}

static void test_every_way_to_name_one_device(void **state)
{
	static const struct {
		const char *name, *bdf;
	} rows[] = {
		{ PF, PF },	    { "01:00.0", PF },	   { "eth0", PF },	 { "eth2", VF0 },
		{ "eth3", VF1 }, /* by the journal */
		{ "eth0/vf1", VF1 }, { PF "/vf0", VF0 },   { "01:00.0/vf1", VF1 },
		{ "144d:a808", "10000:e1:00.0" },	   { "10000:*", "10000:e1:00.0" },
		{ "eth2*", VF0 },    { "01:00.?", PF },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bdf bdf;

		assert_int_equal(device_resolve_one(root, &topo, rows[i].name, "show", &bdf, &err), 0);
		assert_string_equal(BDF_STR(bdf), rows[i].bdf);
	}
}

static void test_only_the_address_of_what_is_there_needs_no_scan(void **state)
{
	struct bdf bdf = { .bus = 9 };

	assert_false(device_by_address(root, "eth0", &bdf));
	assert_false(device_by_address(root, PF "/vf0", &bdf));
	assert_false(device_by_address(root, "0000:09:00.0", &bdf));
	assert_int_equal(bdf.bus, 9);
	assert_true(device_by_address(root, "01:10.0", &bdf));
	assert_string_equal(BDF_STR(bdf), VF0);
}

static void test_several_devices_need_all(void **state)
{
	assert_int_equal(device_resolve(root, &topo, "8086:10ca", false, "bind", &list, &err),
			 -EINVAL);
	assert_string_equal(err.text,
			    "cannot bind 8086:10ca: it means 2 devices: " VF0 ", " VF1);
	assert_true(err.usage);
	assert_non_null(strstr(err.hint, "--all"));
	assert_int_equal(list.count, 0);
	assert_int_equal(device_resolve(root, &topo, "8086:10ca", true, "bind", &list, NULL), 0);
	assert_int_equal(list.count, 2); /* and not the bridge with the same ids */
	assert_int_equal(device_resolve(root, &topo, "01:*", true, "bind", &list, NULL), 0);
	assert_int_equal(list.count, 3); /* each once */
}

static void test_what_is_not_there_is_said_with_what_is(void **state)
{
	static const struct {
		const char *name, *text, *hint;
	} rows[] = {
		{ "0000:99:00.0", "cannot bind 0000:99:00.0: no such PCI device", "thruway list" },
		{ "01:10.1", "cannot bind 01:10.1: no such PCI device", "did you mean " VF0 ", " VF1 },
		{ "eth9", "cannot bind eth9: no such PCI device", "thruway list" },
		{ "eth0/vf2", "cannot bind eth0/vf2: " PF " has 2 VFs", "thruway vf create eth0" },
		{ "eth9/vf0", "cannot bind eth9/vf0: no PF called eth9", "thruway list" },
		{ "eth0/vfx", "cannot bind eth0/vfx: no such PCI device", "thruway list" },
		{ "dead:beef", "cannot bind dead:beef: no such PCI device", "thruway list" },
		{ "../../etc", "cannot bind ../../etc: no such PCI device", "thruway list" },
		{ "zz*", "cannot bind zz*: no such PCI device", "thruway list" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		err = (struct err)ERR_INIT;
		assert_int_equal(device_resolve(root, &topo, rows[i].name, false, "bind", &list, &err),
				 -ENODEV);
		assert_string_equal(err.text, rows[i].text);
		assert_non_null(strstr(err.hint, rows[i].hint));
	}
	assert_int_equal(list.count, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_the_address_of_what_is_there_needs_no_scan),
		TEST(test_every_way_to_name_one_device),
		TEST(test_several_devices_need_all),
		TEST(test_what_is_not_there_is_said_with_what_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
