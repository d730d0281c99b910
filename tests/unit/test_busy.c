// SPDX-License-Identifier: GPL-2.0-or-later
/* A device whose lock the kernel does not give: nothing waits for it, and its holder is named. */
#include "vfio/busy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/aside.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "sriov/numvfs.h"
#include "sriov/vf_destroy.h"
#include "sriov/vf_plan.h"
#include "sriov/vf_users.h"
#include "tests/fake/pci.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "vfio/topology.h"

#define VF0 "0000:01:10.0"
#define VF1 "0000:01:10.2"

#define WRITER "pid 812 (sh) is writing its sriov_numvfs and does not get on"
#define HOLDER "it waits for " VF0 ": the VM of pid 900 (thruway-vmm) has it"

static struct fake_pf k;
static const struct bdf pf_bdf = { .bus = 1 };

static void put_holder(void)
{
	static const struct fake_node nodes[] = {
		{ "sys/bus/pci/devices/" VF0 "/iommu_group",
		  .link = "../../../kernel/iommu_groups/33" },
		{ "proc/900/comm", "thruway-vmm" },
		{ "proc/900/fd/7", .link = "/dev/vfio/33" },
		{ "proc/900/fd/8", .link = "anon_inode:kvm-vm" },
		{ 0 },
	};

	fake_sysfs_add(k.root, nodes);
}

/* `echo 0 >sriov_numvfs` that waits for a VM with vf0: its links are gone, vf1 is untouched. */
static int setup(void **state)
{
	static const struct fake_node writer[] = {
		{ "proc/812/comm", "sh" },
		{ "proc/812/fd/1",
		  .link = "/sys/devices/pci0000:00/0000:00:01.0/" FAKE_PF "/sriov_numvfs" },
		{ "proc/812/fdinfo/1", "pos:\t0\nflags:\t0100001\nmnt_id:\t21" },
		{ 0 },
	};

	log_set_level(LOG_QUIET);
	aside_wait_ms = 700; /* more than a loaded machine keeps a child waiting */
	fake_pf_init(&k);
	fake_pf_set(&k, 2);
	fake_sysfs_add(k.root, writer);
	put_holder();
	fake_sysfs_remove(k.root, FAKE_PF_DIR "/virtfn0");
	fake_sysfs_remove(k.root, "sys/bus/pci/devices/" VF0 "/physfn");
	/* Opening a FIFO that nobody writes to blocks, as the PF's lock does. */
	fake_sysfs_remove(k.root, FAKE_PF_DIR "/sriov_numvfs");
	assert_int_equal(mkfifoat(k.root, FAKE_PF_DIR "/sriov_numvfs", 0600), 0);
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

static struct pf read_pf(void)
{
	struct pf pf;

	assert_int_equal(pf_read(k.root, pf_bdf, &pf, NULL), 0);
	return pf;
}

static void test_a_busy_pf_is_read_with_the_vfs_that_are_still_there(void **state)
{
	struct pf pf = read_pf();
	struct bdf vf;

	assert_true(pf.busy);
	assert_int_equal(pf.totalvfs, 7);
	assert_string_equal(pf.driver, "igb");
	assert_int_equal(pf.numvfs, 2);
	assert_int_equal(pf_vf_here(k.root, &pf, 0, &vf), 0); /* by its address: no link is left */
	assert_string_equal(BDF_STR(vf), VF0);
	assert_int_equal(pf_vf_here(k.root, &pf, 1, &vf), 0);
	assert_string_equal(BDF_STR(vf), VF1);
	assert_int_equal(pf_vf_here(k.root, &pf, 2, &vf), -ENOENT);
}

static void test_who_is_at_work_and_what_it_waits_for_are_named(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(busy_refuse(k.root, pf_bdf, "bind", &err), -EBUSY);
	assert_string_equal(err.text, "cannot bind " FAKE_PF ": " WRITER);
	assert_string_equal(err.hint, HOLDER "; end that, and it goes on");
}

static void test_who_only_reads_is_not_at_work(void **state)
{
	struct err err = ERR_INIT;

	fake_sysfs_text(k.root, "pos:\t0\nflags:\t0100000", "proc/812/fdinfo/1");
	assert_int_equal(busy_refuse(k.root, pf_bdf, "bind", &err), -EBUSY);
	assert_non_null(strstr(err.text, "the kernel is at work on it, or hangs"));
	assert_non_null(strstr(err.hint, HOLDER));
}

static void test_an_unbind_is_found_by_the_file_of_its_driver(void **state)
{
	struct err err = ERR_INIT;
	struct bdf vf = { 0, 1, 0x10, 0 };

	fake_sysfs_link(k.root, "/sys/bus/pci/drivers/vfio-pci/unbind", "proc/812/fd/1");
	assert_int_equal(busy_refuse(k.root, vf, "restore", &err), -EBUSY);
	assert_string_equal(err.text, "cannot restore " VF0 ": pid 812 (sh) is writing "
				      "/sys/bus/pci/drivers/vfio-pci/unbind and does not get on");
	/* It has another driver: that unbind is somebody else's. */
	fake_sysfs_link(k.root, "../../drivers/igbvf", "sys/bus/pci/devices/" VF0 "/driver");
	err = (struct err)ERR_INIT;
	assert_int_equal(busy_refuse(k.root, vf, "restore", &err), -EBUSY);
	assert_null(strstr(err.text, "812"));
}

static void test_with_nobody_to_name_the_hint_says_where_to_look(void **state)
{
	struct err err = ERR_INIT;

	fake_sysfs_remove(k.root, "proc/900");
	busy_refuse(k.root, pf_bdf, "bind", &err);
	assert_string_equal(err.hint, "/proc/812/stack says where it waits");
	fake_sysfs_remove(k.root, "proc/812");
	err = (struct err)ERR_INIT;
	busy_refuse(k.root, pf_bdf, "bind", &err);
	assert_non_null(strstr(err.hint, "ps -eo"));
}

static void test_the_vfs_of_a_busy_pf_are_not_changed(void **state)
{
	struct vf_attrs attrs = { .have = 1u << VF_VLAN, .vlan = 5 };
	struct pf pf = read_pf();
	struct vf_create create = { .pf = &pf, .count = 3 };
	struct vf_destroy destroy = { .pf = &pf, .force = true, .command = "x" };
	struct plan plan = PLAN_INIT;
	struct err err[4] = { ERR_INIT };

	assert_int_equal(vf_plan_create(k.root, &create, &plan, &err[0]), -EBUSY);
	assert_int_equal(vf_plan_set(k.root, &pf, 1, &attrs, &plan, &err[1]), -EBUSY);
	assert_int_equal(vf_destroy(k.root, change_ops, &destroy, &err[2]), -EBUSY);
	assert_int_equal(numvfs_set(k.root, pf_bdf, 0, true, &err[3]), -EBUSY);
	for (unsigned i = 0; i < 4; i++) {
		assert_non_null(strstr(err[i].text, WRITER));
		assert_non_null(strstr(err[i].hint, HOLDER));
	}
	assert_int_equal(k.nwrites, 0);
	assert_int_equal(plan.count, 0);
}

static void test_users_of_a_busy_pfs_vfs_are_still_found(void **state)
{
	char users[256];

	assert_int_equal(vf_users(k.root, pf_bdf, users, sizeof(users)), 1);
	assert_string_equal(users, "vf0 " VF0 ": the VM of pid 900 (thruway-vmm) has it");
}

static void test_the_journals_rows_do_not_wait_for_it_either(void **state)
{
	struct step numvfs = { .op = "numvfs", .dev = FAKE_PF };
	struct step override = { .op = "override", .dev = VF0 };
	char text[64];

	assert_int_equal(numvfs_step_ops.read(k.root, &numvfs, text, sizeof(text)), -EBUSY);
	fake_sysfs_remove(k.root, "sys/bus/pci/devices/" VF0 "/driver_override");
	assert_int_equal(mkfifoat(k.root, "sys/bus/pci/devices/" VF0 "/driver_override", 0600), 0);
	for (unsigned i = 0; change_ops[i]; i++) {
		if (strcmp(change_ops[i]->op, "override") == 0)
			assert_int_equal(change_ops[i]->read(k.root, &override, text, sizeof(text)),
					 -EBUSY);
	}
}

static void test_vf_list_shows_a_busy_pf(void **state)
{
	struct ctx ctx = { .root = k.root, .command = &cmd_vf_list };
	char name[] = "list", *argv[] = { name, NULL }, *out = NULL;
	size_t size;

	ctx.out = open_memstream(&out, &size);
	assert_int_equal(cmd_vf_list.run(&ctx, 1, argv, NULL), 0);
	fclose(ctx.out);
	assert_non_null(strstr(out, "2 of 7 VFs, down, busy"));
	assert_non_null(strstr(out, "vf0  " VF0));
	assert_non_null(strstr(out, "vf1  " VF1));
	free(out);
}

static void test_one_function_is_read_and_marked(void **state)
{
	struct pci_function dev;

	assert_int_equal(pci_function_read(k.root, pf_bdf, &dev), 0);
	assert_true(dev.busy);
	assert_int_equal(dev.total_vfs, 7);
	assert_int_equal(dev.num_vfs, 1); /* by the links that are left */
	assert_int_equal(pci_function_read(k.root, (struct bdf){ 0, 1, 0x10, 2 }, &dev), 0);
	assert_false(dev.busy);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_busy_pf_is_read_with_the_vfs_that_are_still_there),
		TEST(test_who_is_at_work_and_what_it_waits_for_are_named),
		TEST(test_who_only_reads_is_not_at_work),
		TEST(test_an_unbind_is_found_by_the_file_of_its_driver),
		TEST(test_with_nobody_to_name_the_hint_says_where_to_look),
		TEST(test_the_vfs_of_a_busy_pf_are_not_changed),
		TEST(test_users_of_a_busy_pfs_vfs_are_still_found),
		TEST(test_the_journals_rows_do_not_wait_for_it_either),
		TEST(test_vf_list_shows_a_busy_pf),
		TEST(test_one_function_is_read_and_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
