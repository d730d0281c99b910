// SPDX-License-Identifier: GPL-2.0-or-later
/* Making VFs as a plan, and the plan carried out, failing and killed. */
#include "sriov/vf_plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "sriov/vf_destroy.h"
#include "tests/fake/pci.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"
#include "vfio/bind_step.h"

static struct fake_pf k;
static struct pf pf;

/* A device that has nothing to do with the PF. */
#define OTHER	  "0000:05:00.0"
#define OTHER_DIR "sys/bus/pci/devices/" OTHER

static int setup(void **state)
{
	log_set_level(LOG_QUIET);
	fake_pf_init(&k);
	return pf_find(k.root, "eth0", &pf, NULL);
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

static unsigned number(const char *file)
{
	uint64_t n = 99;

	(void)hostfs_read_u64(k.root, &n, FAKE_PF_DIR "/%s", file);
	return (unsigned)n;
}

static void is_step(const struct plan *plan, size_t i, const char *op, const char *dev,
		    const char *key, const char *after)
{
	assert_true(i < plan->count);
	assert_string_equal(plan->steps[i].op, op);
	assert_string_equal(plan->steps[i].dev, dev);
	assert_string_equal(plan->steps[i].key, key);
	assert_string_equal(plan->steps[i].after, after);
}

static void test_a_creation_is_planned_in_the_order_that_works(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct vf_create req = { .pf = &pf, .count = 2, .up = true, .driver = "vfio-pci" };
	struct vf_attrs each[2] = { 0 };

	assert_int_equal(vf_attr_parse(&req.all, "mac", "02:00:00:00:00:ff", NULL), 0);
	assert_int_equal(vf_attr_parse(&req.all, "vlan", "5", NULL), 0);
	assert_int_equal(vf_attr_parse(&each[1], "vlan", "6", NULL), 0);
	assert_int_equal(vf_attr_parse(&each[1], "trust", "on", NULL), 0);
	req.each = each;
	fake_sysfs_link(k.root, "../../../kernel/iommu_groups/14", FAKE_PF_DIR "/iommu_group");
	assert_int_equal(vf_plan_create(k.root, &req, &plan, NULL), 0);
	is_step(&plan, 0, "link", FAKE_PF, "eth0", "up");
	is_step(&plan, 1, "autoprobe", FAKE_PF, "", "0");
	assert_true(plan.steps[1].transient);
	is_step(&plan, 2, "numvfs", FAKE_PF, "", "2");
	is_step(&plan, 3, "vfattr", FAKE_PF, "vf0 mac", "mac 02:00:00:00:00:ff");
	is_step(&plan, 4, "vfattr", FAKE_PF, "vf0 vlan", "vlan 5 qos 0 proto 802.1Q");
	is_step(&plan, 5, "vfattr", FAKE_PF, "vf1 trust", "trust on");
	is_step(&plan, 6, "vfattr", FAKE_PF, "vf1 mac", "mac 02:00:00:00:01:00");
	is_step(&plan, 7, "vfattr", FAKE_PF, "vf1 vlan", "vlan 6 qos 0 proto 802.1Q");
	is_step(&plan, plan.count - 1, "driver", "0000:01:10.2", "", "vfio-pci");
	assert_int_equal(k.nwrites, 0);
}

static void refused(const struct vf_create *req, int code, const char *says)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(vf_plan_create(k.root, req, &plan, &err), code);
	assert_non_null(strstr(err.text, says));
}

static void test_what_cannot_work_is_said_before_anything_is_touched(void **state)
{
	struct vf_create none = { .pf = &pf }, many = { .pf = &pf, .count = 8 };
	struct vf_create queues = { .pf = &pf, .count = 1, .queues = 2 };
	struct vf_create mac = { .pf = &pf, .count = 2 }, two = { .pf = &pf, .count = 2 };
	struct vf_create guid = { .pf = &pf, .count = 2 };
	struct vf_attrs same[2] = { { 0 } };
	struct pf disk = pf, ports = pf;
	struct vf_create attrs = { .pf = &disk, .count = 1 }, up = { .pf = &ports, .count = 1 };

	assert_int_equal(vf_attr_parse(&mac.all, "mac", "02:00:00:ff:ff:ff", NULL), 0);
	assert_int_equal(vf_attr_parse(&guid.all, "node_guid", "02:00:00:ff:ff:ff:ff:ff", NULL), 0);
	assert_int_equal(vf_attr_parse(&attrs.all, "vlan", "5", NULL), 0);
	disk.netdevs = 0;
	disk.class = 0x010802;
	ports.netdevs = 2;
	up.up = true;
	refused(&none, -EINVAL, "1 or more");
	refused(&many, -ERANGE, "can have 7 VFs at most, not 8");
	refused(&queues, -EOPNOTSUPP, "not an NVMe controller");
	refused(&mac, -EINVAL, "the MAC of vf1");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(vf_attr_parse(&same[i], "mac", "02:00:00:00:00:01", NULL), 0);
	two.each = same;
	refused(&two, -EINVAL, "vf0 and vf1 would both have the MAC 02:00:00:00:00:01");
	same[0] = (struct vf_attrs){ 0 };
	assert_int_equal(vf_attr_parse(&same[0], "mac", "02:00:00:00:00:0a", NULL), 0);
	fake_sysfs_text(k.root, "02:00:00:00:00:0a", "sys/class/net/eth0/address");
	refused(&two, -EINVAL, "vf0 would have the MAC of eth0 itself, 02:00:00:00:00:0a");
	memset(same, 0, sizeof(same));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(vf_attr_parse(&same[i], "port_guid", "02:00:00:00:00:00:00:01", NULL), 0);
	refused(&two, -EINVAL, "vf0 and vf1 would both have the same GUID");
	two.each = NULL;
	two.driver = "vfio-pci"; /* and the PF is in no IOMMU group */
	refused(&two, -ENODEV, "cannot bind VFs of " FAKE_PF " to vfio-pci: it has no IOMMU group");
	two.driver = NULL;
	refused(&guid, -EINVAL, "the GUID of vf1");
	refused(&attrs, -EOPNOTSUPP, "not a network device");
	refused(&up, -EOPNOTSUPP, "no network interface");
	pf.numvfs = 3;
	refused(&two, -EBUSY, "has 3 VFs already");
	assert_int_equal(k.nwrites, 0);
}

static void test_a_pf_whose_driver_makes_no_vfs_is_refused_in_the_plan(void **state)
{
	struct vf_create two = { .pf = &pf, .count = 2 };

	strcpy(pf.driver, "vfio-pci");
	refused(&two, -ENOENT, "it is bound to vfio-pci, which makes none");
	fake_sysfs_text(k.root, "N", "sys/module/vfio_pci/parameters/enable_sriov");
	refused(&two, -ENOENT, "it is bound to vfio-pci, which makes none");
	strcpy(pf.driver, "mlx5_vfio_pci");
	refused(&two, -ENOENT, "it is bound to mlx5_vfio_pci");
	pf.driver[0] = '\0';
	refused(&two, -ENOENT, "no driver is bound to it");
	assert_int_equal(k.nwrites, 0);
}

static void test_vfio_pci_makes_vfs_when_it_was_told_to(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct vf_create two = { .pf = &pf, .count = 2 };

	strcpy(pf.driver, "vfio-pci");
	fake_sysfs_text(k.root, "Y", "sys/module/vfio_pci/parameters/enable_sriov");
	assert_int_equal(vf_plan_create(k.root, &two, &plan, NULL), 0);
}

static int create(struct vf_create *req, struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct journal_owner owner = { .command = "vf create" };
	int r = vf_plan_create(k.root, req, &plan, err);

	return r < 0 ? r : change_apply(k.root, &plan, &owner, 0, err);
}

static void test_a_creation_leaves_autoprobe_as_it_was(void **state)
{
	struct vf_create req = { .pf = &pf, .count = 3, .up = true };
	unsigned undone = 0;

	assert_int_equal(create(&req, NULL), 0);
	assert_string_equal(k.writes[0], "flags=0x1003");
	assert_string_equal(k.writes[1], "sriov_drivers_autoprobe=0");
	assert_string_equal(k.writes[2], "sriov_numvfs=3");
	assert_string_equal(k.writes[3], "sriov_drivers_autoprobe=1");
	assert_int_equal(k.nwrites, 4);
	assert_int_equal(journal_restore(k.root, change_ops, FAKE_PF, 0, &undone, NULL), 0);
	assert_int_equal(undone, 2);
	assert_int_equal(number("sriov_numvfs"), 0);
	assert_string_equal(k.writes[k.nwrites - 1], "flags=0x1002");
}

static void test_a_creation_that_fails_leaves_nothing(void **state)
{
	struct vf_create fewer = { .pf = &pf, .count = 5 };
	struct vf_create unbound = { .pf = &pf, .count = 2, .driver = "vfio-pci" };
	struct err err = ERR_INIT;

	k.at_most = 2;
	assert_int_equal(create(&fewer, &err), -EIO);
	assert_non_null(strstr(err.text, "5 VFs were asked for and the driver made 2"));
	assert_int_equal(number("sriov_numvfs"), 0);
	assert_int_equal(number("sriov_drivers_autoprobe"), 1);
	/* Nobody answers drivers_probe here, so the VFs stay without driver. */
	assert_true(create(&unbound, NULL) < 0);
	assert_int_equal(number("sriov_numvfs"), 0);
	assert_int_equal(number("sriov_drivers_autoprobe"), 1);
}

static void test_vfs_that_came_meanwhile_are_neither_taken_nor_replaced(void **state)
{
	struct vf_create req = { .pf = &pf, .count = 3, .up = true };
	struct journal_owner owner = { .command = "vf create" };
	unsigned undone = 0;

	for (unsigned theirs = 2; theirs <= 4; theirs++) {
		_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(vf_plan_create(k.root, &req, &plan, NULL), 0);
		fake_pf_set(&k, theirs);
		assert_int_equal(change_apply(k.root, &plan, &owner, 0, &err), -ESTALE);
		assert_non_null(strstr(err.text, "numvfs of " FAKE_PF " was '0'"));
		assert_int_equal(number("sriov_numvfs"), theirs);
		assert_int_equal(journal_restore(k.root, change_ops, FAKE_PF, 0, &undone, NULL), 0);
		assert_int_equal(undone, 0);
		assert_int_equal(k.nwrites, 0);
		fake_pf_set(&k, 0);
	}
}

static void test_a_pf_whose_vf_is_in_use_is_not_restored_even_in_part(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	_cleanup_(plan_fini) struct plan other = PLAN_INIT;
	_cleanup_(plan_fini) struct plan all = PLAN_INIT;
	struct vf_create req = { .pf = &pf, .count = 2 };
	struct journal_owner owner = { .command = "vf create" };
	enum change_restored what;
	struct err err = ERR_INIT;
	unsigned undone;

	fake_sysfs_text(k.root, "(null)", FAKE_PF_DIR "/driver_override");
	assert_int_equal(vf_plan_create(k.root, &req, &plan, NULL), 0);
	/* Behind numvfs, so that it is undone before: as the attributes of VFs are. */
	assert_int_equal(bind_step_plan_override(&plan, pf.bdf, "igb"), 0);
	assert_int_equal(change_apply(k.root, &plan, &owner, 0, NULL), 0);
	fake_sysfs_text(k.root, "0x1003", "sys/bus/pci/devices/0000:01:10.0/net/ethv/flags");
	fake_sysfs_text(k.root, "0x1003", "sys/class/net/ethv/flags");
	assert_int_equal(change_restore(k.root, pf.bdf, 0, 0, &what, &err), -EBUSY);
	assert_non_null(strstr(err.text, FAKE_PF ": cannot restore it: VFs are in use (vf0 "));
	/* Of all that is restored the PF alone stays as it is. */
	fake_sysfs_text(k.root, "(null)", OTHER_DIR "/driver_override");
	assert_int_equal(bind_step_plan_override(&other, (struct bdf){ .bus = 5 }, "igb"), 0);
	assert_int_equal(change_apply(k.root, &other, &owner, 0, NULL), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(change_plan_restore_all(k.root, 0, &all, &err), -EBUSY);
	assert_int_equal(all.count, 1);
	assert_string_equal(all.steps[0].dev, OTHER);
	err = (struct err)ERR_INIT;
	assert_int_equal(change_restore_all(k.root, 0, 0, &undone, &err), -EBUSY);
	assert_string_equal(err.text, "1 device was not restored: " FAKE_PF);
	assert_int_equal(undone, 1);
	assert_string_equal(fake_get(k.root, OTHER_DIR "/driver_override"), "");
	assert_string_equal(fake_get(k.root, FAKE_PF_DIR "/driver_override"), "igb");
	assert_int_equal(number("sriov_numvfs"), 2);
	fake_sysfs_text(k.root, "0x1002", "sys/class/net/ethv/flags");
	assert_int_equal(change_restore(k.root, pf.bdf, 0, 0, &what, NULL), 0);
	assert_int_equal(number("sriov_numvfs"), 0);
}

static void test_a_creation_killed_at_any_write_is_undone(void **state)
{
	unsigned undone;

	for (unsigned at = 1; at <= 4; at++) {
		struct vf_create req = { .pf = &pf, .count = 3, .up = true };
		int status;
		pid_t child = fork();

		if (child == 0) {
			k.die_at = at;
			(void)create(&req, NULL);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(WEXITSTATUS(status), 77);
		assert_int_equal(journal_recover(k.root, change_ops, 0, &undone, NULL), 0);
		assert_int_equal(number("sriov_numvfs"), 0);
		assert_int_equal(number("sriov_drivers_autoprobe"), 1);
		assert_int_equal(pf_find(k.root, "eth0", &pf, NULL), 0);
		assert_false(pf.up);
	}
}

static int count_steps(const struct step *step, void *opaque)
{
	++*(unsigned *)opaque;
	return 0;
}

static void test_a_destruction_remembers_nothing_but_the_link(void **state)
{
	struct vf_create req = { .pf = &pf, .count = 3, .up = true };
	struct vf_destroy destroy = { .pf = &pf, .command = "vf destroy" };
	unsigned steps = 0;

	assert_int_equal(create(&req, NULL), 0);
	assert_int_equal(pf_find(k.root, "eth0", &pf, NULL), 0);
	assert_int_equal(vf_destroy(k.root, change_ops, &destroy, NULL), 0);
	assert_int_equal(number("sriov_numvfs"), 0);
	assert_int_equal(journal_each(k.root, count_steps, &steps), 0);
	assert_int_equal(steps, 1);
	assert_int_equal(journal_restore(k.root, change_ops, FAKE_PF, 0, &steps, NULL), 0);
	assert_int_equal(pf_find(k.root, "eth0", &pf, NULL), 0);
	assert_false(pf.up);
}

static void test_only_what_is_about_the_vfs_is_forgotten(void **state)
{
	static const struct {
		struct step step;
		bool forgotten;
	} rows[] = {
		{ { .op = "numvfs", .dev = FAKE_PF }, true },
		{ { .op = "vfattr", .dev = FAKE_PF }, true },
		{ { .op = "link", .dev = FAKE_PF }, false },
		{ { .op = "driver", .dev = FAKE_PF }, false },
		{ { .op = "driver", .dev = "0000:01:10.0" }, true },
		{ { .op = "driver", .dev = "0000:01:11.4" }, true },
		{ { .op = "driver", .dev = "0000:01:10.1" }, false },
		{ { .op = "driver", .dev = "0000:01:11.6" }, false },
		{ { .op = "driver", .dev = "0000:02:10.0" }, false },
		{ { .op = "numvfs", .dev = "0000:81:00.0" }, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(vf_destroy_forgets(&pf, &rows[i].step), rows[i].forgotten);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_creation_is_planned_in_the_order_that_works),
		T(test_what_cannot_work_is_said_before_anything_is_touched),
		T(test_a_pf_whose_driver_makes_no_vfs_is_refused_in_the_plan),
		T(test_vfio_pci_makes_vfs_when_it_was_told_to),
		T(test_a_creation_leaves_autoprobe_as_it_was),
		T(test_a_creation_that_fails_leaves_nothing),
		T(test_vfs_that_came_meanwhile_are_neither_taken_nor_replaced),
		T(test_a_pf_whose_vf_is_in_use_is_not_restored_even_in_part),
		T(test_a_creation_killed_at_any_write_is_undone),
		T(test_a_destruction_remembers_nothing_but_the_link),
		T(test_only_what_is_about_the_vfs_is_forgotten),
#undef T
	};

	return cmocka_run_group_tests_name("vf_plan", tests, NULL, NULL);
}
