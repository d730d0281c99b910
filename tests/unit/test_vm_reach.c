// SPDX-License-Identifier: GPL-2.0-or-later
/* More RAM than the host has, and than the IOMMU of a device maps: both is said, and what would do. */
#include "tools/vm_reach.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/size.h"
#include "tests/fake/sysfs.h"
#include "vfio/iommu_width.h"

#define DEV "sys/bus/pci/devices/0000:"

static int host = -1;
static struct err err;
static struct bdf devices[4];

static int setup(void **state)
{
	/* 48 bits, 39 bits, AMD's 48, and one whose IOMMU tells nothing. */
	static const struct fake_node nodes[] = {
		{ "sys/class/iommu/dmar0/intel-iommu/cap", "80d2008c222f0686" },
		{ "sys/class/iommu/dmar1/intel-iommu/cap", "80d2008c22260206" },
		{ "sys/class/iommu/ivhd0/amd-iommu/features", "0:21d7" },
		{ DEV "01:00.0/iommu", .link = "../../../../class/iommu/dmar0" },
		{ DEV "02:00.0/iommu", .link = "../../../../class/iommu/dmar1" },
		{ DEV "03:00.0/iommu", .link = "../../../../class/iommu/ivhd0" },
		{ DEV "04:00.0" },
		{ 0 },
	};

	host = fake_sysfs(nodes);
	for (unsigned i = 0; i < 4; i++)
		devices[i] = (struct bdf){ .bus = (uint8_t)(i + 1) };
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static int refuse(uint64_t size, unsigned ndevices)
{
	const struct mem_node nodes[] = { { .size = size / 2 }, { .size = size / 2 } };
	struct err no = ERR_INIT;

	err_plain(&no, -ENOMEM, "the host does not have it");
	err_hint(&no, "give it less");
	err = (struct err)ERR_INIT;
	return vm_reach_refuse(host, nodes, 2, devices, ndevices, &no, &err);
}

static void test_widths_are_those_of_the_devices_own_iommu(void **state)
{
	assert_int_equal(iommu_width_of(host, devices[0]), 48);
	assert_int_equal(iommu_width_of(host, devices[1]), 39);
	assert_int_equal(iommu_width_of(host, devices[2]), 48);
	assert_int_equal(iommu_width_of(host, devices[3]), 0);
}

static void test_what_is_out_of_reach_is_said_with_it(void **state)
{
	assert_int_equal(refuse(600 * GiB, 4), -ENOMEM);
	assert_string_equal(err.text, "the host does not have it; besides, it does not fit below "
				      "0x8000000000, where the addresses end that the IOMMU of "
				      "0000:02:00.0 maps");
	assert_string_equal(err.hint, "with this device the guest can have at most 511 GiB (--memory), and "
				      "no more than the host has");
	/* The machine's hole counts. */
	assert_int_equal(refuse(512 * GiB, 2), -ENOMEM);
	assert_non_null(strstr(err.text, "besides"));
}

static void test_what_is_in_reach_is_refused_for_the_hosts_ram_alone(void **state)
{
	static const struct {
		uint64_t size;
		unsigned ndevices;
	} rows[] = { { 511 * GiB, 4 }, { 600 * GiB, 1 }, { 600 * GiB, 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(refuse(rows[i].size, rows[i].ndevices), -ENOMEM);
		assert_string_equal(err.text, "the host does not have it");
		assert_string_equal(err.hint, "give it less");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_widths_are_those_of_the_devices_own_iommu),
		TEST(test_what_is_out_of_reach_is_said_with_it),
		TEST(test_what_is_in_reach_is_refused_for_the_hosts_ram_alone),
#undef TEST
	};

	return cmocka_run_group_tests_name("vm_reach", tests, NULL, NULL);
}
