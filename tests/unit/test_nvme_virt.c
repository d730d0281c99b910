// SPDX-License-Identifier: GPL-2.0-or-later
/* NVMe VFs: who gets what, against a controller that keeps the rules of the specification. */
#include "sriov/nvme_virt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include <linux/nvme_ioctl.h>

#include "base/fd.h"
#include "base/le.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/sysfs.h"

#define PF_ADDR "0000:02:00.0"
#define DIR	"sys/bus/pci/devices/" PF_ADDR
#define VFS	4

static const struct fake_node machine[] = {
	{ DIR "/vendor", "0x1b36" },	  { DIR "/class", "0x010802" },
	{ DIR "/sriov_totalvfs", "4" },	  { DIR "/sriov_numvfs", "4" },
	{ DIR "/sriov_vf_device", "10" }, { DIR "/nvme/nvme0" },
	{ "dev/nvme0", "" },		  { 0 },
};

static struct {
	int root;
	struct pf pf;
	bool virt;		/* has Virtualization Management */
	bool flexible[2];
	unsigned total[2], primary[2], max[2];
	bool online[VFS];
	unsigned count[VFS][2];
	unsigned commands;	/* of Virtualization Management */
	char log[32][32];
} c;

static unsigned taken(unsigned what)
{
	unsigned sum = c.primary[what];

	for (unsigned i = 0; i < VFS; i++)
		sum += c.count[i][what];
	return sum;
}

static void fill_primary(uint8_t *p)
{
	put_le16(p, 0);
	p[4] = (uint8_t)(c.flexible[0] | c.flexible[1] << 1);
	for (unsigned what = 0; what < 2; what++) {
		uint8_t *pool = p + 32 + 32 * what;

		put_le32(pool, c.total[what]);
		put_le32(pool + 4, taken(what) - c.primary[what]);
		put_le16(pool + 8, (uint16_t)c.primary[what]);
		put_le16(pool + 12, (uint16_t)c.max[what]);
		put_le16(pool + 14, 1);
	}
}

/* The controller of VF i has the id i + 1. */
static void fill_list(uint8_t *p, unsigned first)
{
	for (unsigned i = 0; i < VFS; i++) {
		uint8_t *e = p + 32 * (p[0] + 1);

		if (i + 1 < first)
			continue;
		put_le16(e, (uint16_t)(i + 1));
		e[4] = c.online[i];
		put_le16(e + 8, (uint16_t)(i + 1));
		put_le16(e + 10, (uint16_t)c.count[i][0]);
		put_le16(e + 12, (uint16_t)c.count[i][1]);
		p[0]++;
	}
}

static int identify(const struct nvme_passthru_cmd *cmd)
{
	uint8_t *p = (uint8_t *)(uintptr_t)cmd->addr;

	assert_int_equal(cmd->data_len, 4096);
	switch (cmd->cdw10 & 0xff) {
	case 0x01: put_le16(p + 256, c.virt ? 1u << 7 : 0); return 0;
	case 0x14: fill_primary(p); return 0;
	case 0x15: fill_list(p, cmd->cdw10 >> 16); return 0;
	}
	return 0x4002; /* Do Not Retry, invalid field */
}

static int virt_mgmt(const struct nvme_passthru_cmd *cmd)
{
	unsigned act = cmd->cdw10 & 0xf, what = cmd->cdw10 >> 8 & 7, id = cmd->cdw10 >> 16;
	unsigned n = cmd->cdw11 & 0xffff, vf = id - 1;

	snprintf(c.log[c.commands++ % 32], 32, "%u act %u rt %u n %u", id, act, what, n);
	if (vf >= VFS)
		return 0x411f;
	switch (act) {
	case 7: c.online[vf] = false; c.count[vf][0] = c.count[vf][1] = 0; return 0;
	case 8:
		if (c.online[vf])
			return 0x4120;
		if (n > c.max[what])
			return 0x4121;
		if (taken(what) - c.count[vf][what] + n > c.total[what])
			return 0x4122;
		c.count[vf][what] = n;
		return 0;
	case 9:
		if (c.count[vf][0] < 2 || !c.count[vf][1])
			return 0x4120;
		c.online[vf] = true;
		return 0;
	}
	return 0x4002;
}

static int controller(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct nvme_passthru_cmd *cmd = arg;

	assert_int_equal(request, NVME_IOCTL_ADMIN_CMD);
	return cmd->opcode == 0x06 ? identify(cmd) : cmd->opcode == 0x1c ? virt_mgmt(cmd) : 0x4001;
}

static int setup(void **state)
{
	memset(&c, 0, sizeof(c));
	c.root = fake_sysfs(machine);
	c.virt = c.flexible[0] = c.flexible[1] = true;
	c.total[0] = 8, c.max[0] = 2, c.total[1] = 4, c.max[1] = 1;
	fake_ioctl_reset();
	fake_ioctl_handle(-1, controller, NULL);
	return pf_find(c.root, PF_ADDR, &c.pf, NULL);
}

static int teardown(void **state)
{
	fake_ioctl_reset();
	fake_sysfs_free(&c.root);
	return 0;
}

static void test_shares_are_equal_and_within_every_limit(void **state)
{
	static const struct {
		struct nvme_pool pool;
		unsigned taken, n, asked, want; /* want 0: refused */
	} rows[] = {
		{ { true, 8, 0, 2, 1 }, 0, 4, 0, 2 },	{ { true, 8, 0, 0, 1 }, 0, 2, 0, 4 },
		{ { true, 64, 0, 32, 4 }, 0, 6, 0, 8 }, { { true, 8, 0, 2, 1 }, 0, 2, 2, 2 },
		{ { true, 8, 0, 2, 1 }, 0, 2, 3, 0 },	{ { true, 8, 4, 0, 1 }, 0, 2, 0, 2 },
		{ { true, 8, 6, 0, 1 }, 0, 2, 0, 0 },	{ { true, 8, 0, 0, 1 }, 6, 2, 0, 0 },
		{ { true, 8, 9, 0, 1 }, 0, 1, 0, 0 },	{ { true, 8, 0, 0, 1 }, 0, 4, 1, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		unsigned share = 0;
		int r = nvme_share(&rows[i].pool, NVME_QUEUES, rows[i].taken, rows[i].n,
				   rows[i].asked, &share, &err);

		assert_int_equal(r, rows[i].want ? 0 : -ENOSPC);
		assert_int_equal(share, rows[i].want);
		assert_true(rows[i].want || err.hint[0]);
	}
}

static void write_all(const struct plan *plan)
{
	char now[STEP_VALUE_MAX];

	for (size_t i = 0; i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		assert_int_equal(nvme_step_ops.write(c.root, s, s->after, NULL), 0);
		assert_int_equal(nvme_step_ops.read(c.root, s, now, sizeof(now)), 0);
		assert_string_equal(now, s->after);
	}
}

static void test_vfs_go_online_in_the_order_that_works(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;

	assert_int_equal(nvme_plan_online(c.root, &c.pf, 2, 0, 0, &plan, NULL), 0);
	assert_int_equal(plan.count, 2);
	assert_string_equal(plan.steps[1].key, "vf1");
	assert_string_equal(plan.steps[1].after, "online queues 2 interrupts 1");
	write_all(&plan);
	assert_true(c.online[0] && c.online[1] && !c.online[2]);
	assert_string_equal(c.log[0], "1 act 7 rt 0 n 0");
	assert_string_equal(c.log[1], "1 act 8 rt 0 n 2");
	assert_string_equal(c.log[2], "1 act 8 rt 1 n 1");
	assert_string_equal(c.log[3], "1 act 9 rt 0 n 0");
}

static void test_offline_gives_everything_back(void **state)
{
	_cleanup_(plan_fini) struct plan on = PLAN_INIT, off = PLAN_INIT;

	assert_int_equal(nvme_plan_online(c.root, &c.pf, 4, 2, 1, &on, NULL), 0);
	write_all(&on);
	assert_int_equal(taken(0), 8);
	assert_int_equal(nvme_plan_offline(c.root, &c.pf, &off, NULL), 0);
	assert_int_equal(off.count, 4);
	write_all(&off);
	assert_int_equal(taken(0), 0);
	assert_int_equal(taken(1), 0);
}

static void test_what_a_vf_beyond_holds_is_not_shared_out(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct err err = ERR_INIT;

	c.count[3][0] = 6;
	c.max[0] = 8;
	assert_int_equal(nvme_plan_online(c.root, &c.pf, 2, 0, 0, &plan, &err), -ENOSPC);
	assert_non_null(strstr(err.text, PF_ADDR));
	assert_non_null(strstr(err.text, "of 8 flexible queues 2 are free"));
	assert_int_equal(c.commands, 0);
}

static void test_a_controller_without_the_command_needs_nothing(void **state)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;

	c.virt = false;
	assert_int_equal(nvme_plan_online(c.root, &c.pf, 2, 0, 0, &plan, NULL), 0);
	assert_int_equal(plan.count, 0);
	assert_int_equal(nvme_plan_online(c.root, &c.pf, 2, 4, 0, &plan, NULL), -EOPNOTSUPP);
	assert_int_equal(nvme_plan_offline(c.root, &c.pf, &plan, NULL), 0);
	assert_int_equal(plan.count, 0);
}

static void test_a_refusal_is_told_with_its_status(void **state)
{
	const struct step step = { .op = "nvme", .dev = PF_ADDR, .key = "vf0" };
	struct err err = ERR_INIT;

	assert_int_equal(nvme_step_ops.write(c.root, &step, "online queues 5 interrupts 1", &err),
			 -EIO);
	assert_non_null(strstr(err.text, "give it queues, vf0"));
	assert_non_null(strstr(err.text, "0x121: invalid number of controller resources"));
}

static void test_a_vf_that_is_gone_counts_as_undone(void **state)
{
	const struct step step = { .op = "nvme", .dev = PF_ADDR, .key = "vf1" };
	const struct step bad = { .op = "nvme", .dev = PF_ADDR, .key = "vfx" };
	char now[STEP_VALUE_MAX];

	fake_sysfs_text(c.root, "1", DIR "/sriov_numvfs");
	assert_int_equal(nvme_step_ops.read(c.root, &step, now, sizeof(now)), -ENODEV);
	assert_int_equal(nvme_step_ops.read(c.root, &bad, now, sizeof(now)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_shares_are_equal_and_within_every_limit),
		T(test_vfs_go_online_in_the_order_that_works),
		T(test_offline_gives_everything_back),
		T(test_what_a_vf_beyond_holds_is_not_shared_out),
		T(test_a_controller_without_the_command_needs_nothing),
		T(test_a_refusal_is_told_with_its_status),
		T(test_a_vf_that_is_gone_counts_as_undone),
#undef T
	};

	return cmocka_run_group_tests_name("nvme_virt", tests, NULL, NULL);
}
