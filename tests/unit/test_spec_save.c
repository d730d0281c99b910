// SPDX-License-Identifier: GPL-2.0-or-later
/* A host written down, and what comes of it when it is applied. */
#include "host/spec_save.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/spec_apply.h"
#include "tests/fake/pci.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"

#define GPU   "0000:05:00.0"
#define SOUND "0000:05:00.1"

static struct fake_pf k;

static int setup(void **state)
{
	static const struct fake_pci gpu = { .bdf = GPU, .ids = "10de:2684", .group = "9",
					     .class = 0x030000, .driver = "vfio-pci" };
	static const struct fake_pci sound = { .bdf = SOUND, .ids = "10de:22ba", .group = "9",
					       .class = 0x040300 };

	log_set_level(LOG_QUIET);
	fake_pf_init(&k);
	/* A function with a place among the bridges, which is what it is known by. */
	fake_sysfs_text(k.root, "", "sys/devices/pci0000:00/0000:00:01.0/vendor");
	assert_int_equal(renameat(k.root, FAKE_PF_DIR, k.root,
				  "sys/devices/pci0000:00/0000:00:01.0/" FAKE_PF), 0);
	fake_sysfs_link(k.root, "../../../devices/pci0000:00/0000:00:01.0/" FAKE_PF, FAKE_PF_DIR);
	fake_pci_add(k.root, &gpu);
	fake_pci_add(k.root, &sound);
	fake_sysfs_text(k.root, "vfio-pci", "sys/bus/pci/devices/" GPU "/driver_override");
	fake_sysfs_text(k.root, "pci-stub", "sys/bus/pci/devices/" SOUND "/driver_override");
	fake_sysfs_text(k.root, "4", "sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
				     "nr_hugepages");
	fake_sysfs_text(k.root, "0", "sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
				     "surplus_hugepages");
	fake_sysfs_text(k.root, "4", "sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
				     "free_hugepages");
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

static char *save(int (*fn)(const struct spec_facts *facts, FILE *out, struct err *err),
		  struct err *err)
{
	_cleanup_(spec_facts_fini) struct spec_facts facts = SPEC_FACTS_INIT;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(spec_facts_read(k.root, &facts, err), 0);
	(void)fn(&facts, f, err);
	fclose(f);
	return text;
}

static void test_what_is_saved_and_applied_changes_nothing(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	fake_pf_set(&k, 3);
	fake_sysfs_link(k.root, "../../../bus/pci/drivers/igbvf",
			"sys/bus/pci/devices/0000:01:10.4/driver");
	text = save(spec_save, &err);
	assert_int_equal(err.code, 0);
	assert_string_equal(text,
			    "version: 1\n"
			    "devices:\n"
			    "  # " GPU "\n"
			    "  - match: {fingerprint: '10de:2684/0000:0000 serial=0000000000000000 "
			    "at pci0000:00/00.0'}\n"
			    "    driver: vfio-pci\n"
			    "  # " SOUND "\n"
			    "  - match: {fingerprint: '10de:22ba/0000:0000 serial=0000000000000000 "
			    "at pci0000:00/00.1'}\n"
			    "    driver: none\n"
			    "pfs:\n"
			    "  # " FAKE_PF " eth0\n"
			    "  - match: {fingerprint: '8086:10c9/0000:0000 serial=0000000000000000 "
			    "at pci0000:00/01.0/00.0'}\n"
			    "    numvfs: 3\n"
			    "    link: down\n"
			    "    vfs:\n"
			    "      0-1: {driver: none}\n"
			    "      2: {driver: igbvf}\n"
			    "hugepages:\n"
			    "  - {node: 0, size: 2M, count: 4}\n");
	fake_sysfs_text(k.root, text, "etc/thruway/host.yaml");
	assert_int_equal(host_spec_read(k.root, NULL, 0, &hs, &err), 0);
	assert_int_equal(hs.plan.plan.count, 0);
	assert_int_equal(hs.plan.remark_count, 0);
	assert_int_equal(k.nwrites, 0);
}

static void test_files_of_driverctl_are_taken_over(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	fake_sysfs_text(k.root, "vfio-pci", "etc/driverctl.d/pci-" GPU);
	fake_sysfs_text(k.root, "vfio-pci", "etc/driverctl.d/pci-0000:99:00.0");
	fake_sysfs_text(k.root, "../../x", "etc/driverctl.d/pci-" SOUND);
	fake_sysfs_text(k.root, "uio", "etc/driverctl.d/vmbus-1234");
	text = save(spec_save_driverctl, &err);
	assert_int_equal(err.code, 0);
	assert_string_equal(text,
			    "version: 1\n"
			    "devices:\n"
			    "  # " GPU "\n"
			    "  - match: {fingerprint: '10de:2684/0000:0000 serial=0000000000000000 "
			    "at pci0000:00/00.0'}\n"
			    "    driver: vfio-pci\n"
			    "# /etc/driverctl.d/pci-" SOUND ": it does not hold a driver's name\n"
			    "# /etc/driverctl.d/pci-0000:99:00.0: no such device is here now\n");
}

static void test_without_driverctl_it_is_said(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	text = save(spec_save_driverctl, &err);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "there are no files of driverctl: /etc/driverctl.d is not there");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_saved_and_applied_changes_nothing),
		TEST(test_files_of_driverctl_are_taken_over),
		TEST(test_without_driverctl_it_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
