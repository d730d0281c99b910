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
#include <unistd.h>

#include <cmocka.h>

#include "base/aside.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/size.h"
#include "host/change.h"
#include "host/lease.h"
#include "host/spec_apply.h"
#include "host/spec_save.h"
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

/* Opening a FIFO that nobody writes to blocks, as the PF's lock does. */
static void hold_numvfs(void)
{
	fake_sysfs_remove(k.root, FAKE_PF_DIR "/sriov_numvfs");
	assert_int_equal(mkfifoat(k.root, FAKE_PF_DIR "/sriov_numvfs", 0600), 0);
}

/* Between the scan of all functions and a closer look at one of them (linked with --wrap=topo_scan). */
static void (*after_scan)(void);

int __real_topo_scan(int root, struct topo *ret, struct err *err);
int __wrap_topo_scan(int root, struct topo *ret, struct err *err);
int __wrap_topo_scan(int root, struct topo *ret, struct err *err)
{
	int r = __real_topo_scan(root, ret, err);

	if (after_scan)
		after_scan();
	return r;
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
	hold_numvfs();
	after_scan = NULL;
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

/* --- host.yaml ------------------------------------------------------------------------------- */

static void test_a_spec_leaves_a_busy_pf_and_says_who_is_at_work(void **state)
{
	static const struct {
		const char *match, *says;
	} rows[] = {
		{ "address: " FAKE_PF, "it is busy: " WRITER "; " HOLDER },
		{ "netdev: eth0", "it is busy: " WRITER },
		{ "vendor: 8086, count: all", "it is busy: " WRITER },
		/* Known by what takes its lock to read: that may be this one. */
		{ "mac: 52:54:00:00:00:01", "this may be the device that is meant, and it is busy" },
		{ "serial: 0000000000000001, count: all", "this may be the device that is meant" },
		{ "netdev: eth1", "no PF of this host fits" },
		{ "serial: 0000000000000001, device: 1234", "no PF of this host fits" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
		const struct spec_remark *last;
		char text[200];

		snprintf(text, sizeof(text), "pfs:\n  - match: {%s}\n    numvfs: 2\n", rows[i].match);
		fake_sysfs_text(k.root, text, "etc/thruway/host.yaml");
		assert_int_equal(host_spec_read(k.root, NULL, 0, &hs, NULL), 0);
		assert_int_equal(hs.plan.plan.count, 0);
		assert_int_equal(hs.plan.left, 1);
		last = &hs.plan.remarks[hs.plan.remark_count - 1];
		if (!strstr(last->text, rows[i].says))
			fail_msg("%s: %s", rows[i].match, last->text);
	}
}

static void test_a_pf_that_becomes_busy_is_none_without_vfs(void **state)
{
	_cleanup_(spec_facts_fini) struct spec_facts facts = SPEC_FACTS_INIT;

	fake_sysfs_remove(k.root, FAKE_PF_DIR "/sriov_numvfs");
	fake_sysfs_text(k.root, "2", FAKE_PF_DIR "/sriov_numvfs");
	after_scan = hold_numvfs;
	assert_int_equal(spec_facts_read(k.root, &facts, NULL), 0);
	for (size_t i = 0; i < facts.count; i++) {
		const struct spec_fact *f = &facts.devs[i];

		if (!bdf_eq(f->dev->bdf, pf_bdf))
			continue;
		assert_false(f->dev->busy);
		assert_true(f->is_pf);
		assert_true(f->busy);
		assert_null(f->sriov);
		assert_string_equal(f->netdev, "eth0");
		return;
	}
	fail_msg("it is not among the facts");
}

static void test_save_says_that_a_busy_pf_is_left_out(void **state)
{
	_cleanup_(spec_facts_fini) struct spec_facts facts = SPEC_FACTS_INIT;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(spec_facts_read(k.root, &facts, NULL), 0);
	assert_int_equal(spec_save(&facts, f, NULL), 0);
	fflush(f);
	assert_non_null(strstr(text, "# " FAKE_PF " eth0 is left out, it is busy: " WRITER "; " HOLDER));
	assert_null(strstr(text, "pfs:"));
	fseek(f, 0, SEEK_SET);
	fake_sysfs_text(k.root, "vfio-pci", "etc/driverctl.d/pci-" FAKE_PF);
	assert_int_equal(spec_save_driverctl(&facts, f, NULL), 0);
	fclose(f);
	assert_non_null(strstr(text, "# /etc/driverctl.d/pci-" FAKE_PF ": " WRITER));
}

static void test_vfs_of_a_busy_pf_are_not_leased(void **state)
{
	struct ctx ctx = { .root = k.root, .command = &cmd_vf_lease };
	char *argv[] = { (char[]){ "lease" }, (char[]){ "--pf" }, (char[]){ "eth0" },
			 (char[]){ "--ttl" }, (char[]){ "1s" }, NULL };
	struct err err = ERR_INIT, none = ERR_INIT;
	struct bdf *among = NULL;
	size_t n;

	assert_int_equal(cmd_vf_lease.run(&ctx, 5, argv, &err), -EBUSY);
	assert_string_equal(err.text, "cannot lease a VF of " FAKE_PF ": " WRITER);
	fake_sysfs_text(k.root, "pfs:\n  - match: {netdev: eth0}\n    vfs: {0-1: {pool: fast}}\n",
			"etc/thruway/host.yaml");
	assert_int_equal(lease_pool(k.root, "fast", &among, &n, &none), -ENOENT);
	assert_non_null(strstr(none.hint, FAKE_PF " is busy"));
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
		TEST(test_a_spec_leaves_a_busy_pf_and_says_who_is_at_work),
		TEST(test_a_pf_that_becomes_busy_is_none_without_vfs),
		TEST(test_save_says_that_a_busy_pf_is_left_out),
		TEST(test_vfs_of_a_busy_pf_are_not_leased),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
