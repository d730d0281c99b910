// SPDX-License-Identifier: GPL-2.0-or-later
/* Leases of the seven VFs of a PF on a host of two nodes; the processes are this test's own. */
#include "host/lease.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "host/node_owner.h"
#include "sriov/vf_users.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "vfio/bind_step.h"
#include "tools/commands.h"

#define PF  "0000:01:00.0"
#define VFS 7

static int root = -1;
static struct err err;
static char *out;
static struct bdf vfs[VFS];
static pid_t sleeper;

static void add_vf(unsigned i)
{
	char bdf[BDF_STRLEN], group[8];
	struct fake_pci vf = { .bdf = bdf, .ids = "8086:10ca", .driver = i % 2 ? "vfio-pci" : NULL,
			       .group = group, .pf = PF, .vf_index = i, .node = i < 4 ? "0" : "1" };

	vfs[i] = (struct bdf){ .bus = 1, .dev = 16 + i / 4, .fn = 2 * (i % 4) };
	bdf_str(vfs[i], bdf);
	snprintf(group, sizeof(group), "%u", 30 + i);
	fake_pci_add(root, &vf);
	if (i % 2)
		fake_sysfs_text(root, "", "dev/vfio/%u", 30 + i);
}

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "sys/devices/system/node/online", "0-1" },
		{ "sys/devices/system/node/node0/distance", "10 21" },
		{ "sys/devices/system/node/node1/distance", "21 10" },
		{ "run" },
		{ 0 },
	};
	static const struct fake_pci pf = { .bdf = PF, .driver = "igb", .group = "14",
					    .total_vfs = 7, .num_vfs = VFS, .netdev = "eth0",
					    .node = "0" };

	err = (struct err)ERR_INIT;
	log_set_level(LOG_QUIET);
	root = fake_sysfs(nodes);
	/* The holders are real, and so are their start times. */
	fake_sysfs_link(root, "/proc", "proc");
	fake_pci_add(root, &pf);
	fake_sysfs_link(root, "../../../bus/pci/devices/" PF, "sys/class/net/eth0/device");
	fake_sysfs_text(root, "0x1002", "sys/class/net/eth0/flags");
	for (unsigned i = 0; i < VFS; i++)
		add_vf(i);
	sleeper = fork();
	if (sleeper == 0) {
		pause();
		_exit(0);
	}
	return sleeper < 0 ? -1 : 0;
}

static void kill_sleeper(void)
{
	if (sleeper > 0) {
		kill(sleeper, SIGKILL);
		waitpid(sleeper, NULL, 0);
	}
	sleeper = 0;
}

static int teardown(void **state)
{
	kill_sleeper();
	free(out);
	out = NULL;
	fake_sysfs_free(&root);
	return 0;
}

static struct lease_request request(void)
{
	return (struct lease_request){ .among = vfs, .count = VFS, .what = "VFs of eth0",
				       .near_node = -1, .ttl_s = 60, .lock_timeout_s = 30 };
}

static bool is_leased(unsigned vf)
{
	struct lease l;

	return lease_read(root, vfs[vf], &l) == 0;
}

static int take(const struct lease_request *req, unsigned *ret_vf)
{
	struct lease l;
	int r;

	err = (struct err)ERR_INIT;
	r = lease_take(root, req, &l, &err);
	for (unsigned i = 0; r == 0 && i < VFS; i++) {
		if (bdf_eq(l.bdf, vfs[i]))
			*ret_vf = i;
	}
	return r;
}

static void test_bound_ones_are_taken_first(void **state)
{
	static const unsigned order[VFS] = { 1, 3, 5, 0, 2, 4, 6 };
	struct lease_request req = request();
	unsigned vf = 99;

	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(take(&req, &vf), 0);
		assert_int_equal(vf, order[i]);
		assert_true(is_leased(vf));
	}
	assert_int_equal(take(&req, &vf), -EBUSY);
	assert_non_null(strstr(err.text, "none of the VFs of eth0 is free: 0000:01:10.0: leased for"));
}

static void test_the_nearest_goes_before_a_bound_one(void **state)
{
	static const unsigned order[VFS] = { 5, 4, 6, 1, 3, 0, 2 };
	struct lease_request req = request();
	unsigned vf = 99;

	req.near_node = 1;
	for (unsigned i = 0; i < VFS; i++) {
		assert_int_equal(take(&req, &vf), 0);
		assert_int_equal(vf, order[i]);
	}
}

static void test_a_lease_ends_with_its_holder(void **state)
{
	struct lease_request req = request();
	unsigned vf = 99, count = 99;

	req.ttl_s = 0;
	req.holder = sleeper;
	assert_int_equal(take(&req, &vf), 0);
	assert_true(is_leased(1));
	kill_sleeper();
	assert_false(is_leased(1));
	assert_true(hostfs_exists(root, LEASE_DIR "/0000:01:10.2"));
	assert_int_equal(lease_reap(root, 1, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_false(hostfs_exists(root, LEASE_DIR "/0000:01:10.2"));
	assert_int_equal(take(&req, &vf), -ESRCH);
}

/* Another process with the pid of the holder, another boot, another function at the address. */
static void test_the_holder_is_named_as_what_it_became(void **state)
{
	struct lease_request req = request();
	struct lease l;
	char who[64];
	unsigned vf = 99;

	req.holder = getpid();
	assert_int_equal(take(&req, &vf), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a\nguest"), 0);
	assert_int_equal(lease_read(root, vfs[vf], &l), 0);
	assert_non_null(strstr(lease_holder(&l, who, sizeof(who)), " (a?guest)"));
}

static void test_what_only_looks_like_the_holder_holds_nothing(void **state)
{
	struct lease l = { .bdf = vfs[0], .inode = lease_inode(root, vfs[0]), .name = "x" };

	assert_int_equal(process_identify(root, getpid(), &l.holder), 0);
	assert_int_equal(lease_save(root, &l), 0);
	assert_true(is_leased(0));
	l.holder.start++;
	assert_int_equal(lease_save(root, &l), 0);
	assert_false(is_leased(0));
	l.holder.start--;
	snprintf(l.holder.boot, sizeof(l.holder.boot), "another");
	assert_int_equal(lease_save(root, &l), 0);
	assert_false(is_leased(0));
	assert_int_equal(process_identify(root, getpid(), &l.holder), 0);
	l.inode++;
	assert_int_equal(lease_save(root, &l), 0);
	assert_false(is_leased(0));
}

static void test_a_lease_ends_with_its_time(void **state)
{
	struct lease l = { .bdf = vfs[0], .inode = lease_inode(root, vfs[0]) };

	process_self(root, &l.holder);
	l.holder.pid = 0;
	l.expires = lease_now() + 5;
	assert_int_equal(lease_save(root, &l), 0);
	assert_true(is_leased(0));
	l.expires = lease_now();
	assert_int_equal(lease_save(root, &l), 0);
	assert_false(is_leased(0));
}

static void test_a_broken_file_is_no_lease_and_is_cleared_away(void **state)
{
	static const char *const rows[] = { "", "format=1", "format=2\nend=1", "x\nend=1",
					    "format=1\npid=-1\nend=1", "format=1\nnode=../x\nend=1" };
	unsigned count;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lease l;

		fake_sysfs_text(root, rows[i], LEASE_DIR "/0000:01:10.0");
		assert_int_equal(lease_read(root, vfs[0], &l), -EBADMSG);
		assert_int_equal(lease_reap(root, 1, &count, &err), 0);
		assert_int_equal(count, 1);
	}
}

static void test_what_is_in_use_is_not_leased(void **state)
{
	struct lease_request req = request();
	unsigned vf = 99;

	/* vf1's interface is up; vf3's group has a member that is leased. */
	fake_sysfs_text(root, "0x1003", "sys/class/net/eth9/flags");
	fake_sysfs_link(root, "../../../bus/pci/devices/0000:01:10.2", "sys/class/net/eth9/device");
	fake_sysfs_text(root, "", "sys/bus/pci/devices/0000:01:10.2/net/eth9/x");
	req.count = 2;
	req.among = vfs + 1;
	assert_int_equal(take(&req, &vf), 0);
	assert_int_equal(vf, 2);
	assert_int_equal(take(&req, &vf), -EBUSY);
	assert_non_null(strstr(err.text, "0000:01:10.2: its interface eth9 is up"));
}

static void test_a_group_is_leased_as_one(void **state)
{
	struct lease_request req = request();
	unsigned vf = 99;

	fake_sysfs_remove(root, "sys/bus/pci/devices/0000:01:10.4/iommu_group");
	fake_sysfs_link(root, "../../../kernel/iommu_groups/30",
			"sys/bus/pci/devices/0000:01:10.4/iommu_group");
	fake_sysfs_link(root, "x", "sys/kernel/iommu_groups/30/devices/0000:01:10.4");
	req.count = 1;
	assert_int_equal(take(&req, &vf), 0);
	req.among = vfs + 2;
	assert_int_equal(take(&req, &vf), -EBUSY);
	assert_non_null(strstr(err.text, "0000:01:10.0 of its group is leased"));
}

static void test_the_node_is_given_and_taken_back(void **state)
{
	struct lease_request req = request();
	struct node_owner owner;
	unsigned vf = 99, count;
	struct stat st;

	if (geteuid() != 0)
		skip(); /* giving away takes root */
	req.give = true;
	req.uid = req.gid = 4711;
	req.ttl_s = 0;
	req.holder = sleeper;
	assert_int_equal(take(&req, &vf), 0);
	assert_int_equal(vf, 1);
	assert_int_equal(fstatat(root, "dev/vfio/31", &st, 0), 0);
	assert_int_equal(st.st_uid, 4711);
	assert_int_equal(node_owner(root, 31, &owner, &err), 0);
	assert_int_equal(owner.uid, 4711);
	assert_true(hostfs_exists(root, NODES_GIVEN));
	kill_sleeper();
	/* Over, whether or not somebody cleared it away. */
	assert_int_equal(node_owner(root, 31, &owner, NULL), -ENOENT);
	assert_int_equal(lease_reap(root, 1, &count, &err), 0);
	assert_int_equal(fstatat(root, "dev/vfio/31", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
}

static void test_only_bound_ones_have_a_node_to_give(void **state)
{
	struct lease_request req = request();
	unsigned vf;

	req.give = true;
	req.uid = geteuid();
	req.gid = getegid();
	req.count = 1;
	assert_int_equal(take(&req, &vf), -EBUSY);
	assert_non_null(strstr(err.text, "not bound to a VFIO driver"));
}

static void test_a_leased_vf_is_in_use_for_everybody_else(void **state)
{
	struct lease_request req = request();
	enum change_restored what;
	char users[400];
	unsigned vf = 99;

	req.holder = sleeper;
	assert_int_equal(take(&req, &vf), 0);
	assert_int_equal(vf_users(root, (struct bdf){ .bus = 1 }, users, sizeof(users)), 1);
	assert_non_null(strstr(users, "vf1 0000:01:10.2: leased to pid "));
	assert_int_equal(change_restore(root, vfs[1], 0, 1, &what, &err), -EBUSY);
	assert_non_null(strstr(err.text, "cannot restore 0000:01:10.2: it is leased to pid "));
	assert_int_equal(lease_release(root, vfs[1], false, 1, &err), -EBUSY);
	err = (struct err)ERR_INIT;
	assert_int_equal(lease_release(root, vfs[1], true, 1, &err), 0);
	assert_int_equal(vf_users(root, (struct bdf){ .bus = 1 }, users, sizeof(users)), 0);
	assert_int_equal(lease_release(root, vfs[1], false, 1, &err), -ENOENT);
}

static int plan_to_give(bool give, unsigned force)
{
	struct bind_request req = { .devs = &vfs[1], .count = 1, .driver = "vfio-pci", .give = give,
				    .uid = 7, .gid = 7, .force = force };
	struct plan plan = PLAN_INIT;
	struct topo topo = TOPO_INIT;
	struct in_use_host *host = NULL;
	int r;

	err = (struct err)ERR_INIT;
	assert_int_equal(topo_scan(root, &topo, NULL), 0);
	assert_int_equal(in_use_open(root, &host, NULL), 0);
	r = bind_plan(root, &topo, host, &req, &plan, &err);
	in_use_close(host);
	topo_fini(&topo);
	plan_fini(&plan);
	return r;
}

static void test_the_node_of_a_leased_vf_is_not_given_to_another_user(void **state)
{
	struct lease_request req = request();
	unsigned vf = 99;

	req.holder = sleeper;
	assert_int_equal(take(&req, &vf), 0);
	assert_int_equal(vf, 1);
	assert_int_equal(plan_to_give(false, 0), 0); /* bound already, and stays so */
	assert_int_equal(plan_to_give(true, 0), -EBUSY);
	assert_non_null(strstr(err.text, "cannot give away 0000:01:10.2: it is leased to pid "));
	assert_int_equal(plan_to_give(true, 1u << IN_USE_VF_IN_USE), 0);
}

static void test_the_holder_and_its_children_may_use_it(void **state)
{
	struct lease_request req = request();
	char users[400];
	unsigned vf = 99;
	int status;
	pid_t child;

	req.holder = getpid();
	assert_int_equal(take(&req, &vf), 0);
	assert_int_equal(vf_users(root, (struct bdf){ .bus = 1 }, users, sizeof(users)), 0);
	child = fork();
	if (child == 0)
		_exit(lease_refuse(root, vfs[1], "use", NULL) ? 1 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(lease_release(root, vfs[1], false, 1, &err), 0);
}

/* Twenty at once: each tells its VF by exit status, or 100 that there was none. */
static void test_a_race_gives_distinct_vfs(void **state)
{
	struct lease_request req = request();
	unsigned got[VFS] = { 0 }, none = 0, vf;
	int status;

	for (unsigned i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			int r = take(&req, &vf);

			_exit(r == 0 ? (int)vf : r == -EBUSY ? 100 : 101);
		}
		assert_true(pid > 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		do {
			assert_true(wait(&status) > 0);
		} while (!WIFEXITED(status));
		if (WEXITSTATUS(status) == 100) {
			none++;
			continue;
		}
		assert_true(WEXITSTATUS(status) < VFS);
		got[WEXITSTATUS(status)]++;
	}
	assert_int_equal(none, 20 - VFS);
	for (unsigned i = 0; i < VFS; i++)
		assert_int_equal(got[i], 1);
}

static int run(const struct command *c, const char *words)
{
	struct ctx ctx = { .root = root, .command = c, .lock_timeout_s = 1 };
	char copy[160], *argv[16] = { (char *)c->name }, *rest = copy;
	int argc = 1, r;
	size_t size;

	snprintf(copy, sizeof(copy), "%s", words);
	while (argc < 15 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	free(out);
	err = (struct err)ERR_INIT;
	ctx.out = open_memstream(&out, &size);
	r = c->run(&ctx, argc, argv, &err);
	fclose(ctx.out);
	return r;
}

static void test_the_command_lists_what_it_leased(void **state)
{
	unsigned left = 0;
	char *row;

	assert_int_equal(run(&cmd_vf_lease, "--pf eth0 --ttl 5m --near " PF), 0);
	assert_string_equal(out, "0000:01:10.2\n");
	assert_int_equal(run(&cmd_vf_list, "eth0"), 0);
	row = strstr(out, "0000:01:10.2  vfio-pci  31 ");
	assert_non_null(row);
	assert_int_equal(sscanf(row, "0000:01:10.2 vfio-pci 31 %u s", &left), 1);
	assert_in_range(left, 240, 300);
	assert_int_equal(run(&cmd_vf_list, "-j eth0"), 0);
	assert_non_null(strstr(out, "\"expires_in\": "));
	assert_int_equal(run(&cmd_vf_release, "eth0/vf1"), 0);
	assert_int_equal(run(&cmd_vf_list, "eth0"), 0);
	row = strstr(out, "0000:01:10.2  vfio-pci  31 ");
	assert_non_null(row);
	assert_int_equal(sscanf(row, "0000:01:10.2 vfio-pci 31 %u s", &left), 0);
}

static void test_what_is_not_there_is_said_so(void **state)
{
	assert_int_equal(run(&cmd_vf_lease, "--pf eth0 --ttl 5 --near-node 2"), -ENODEV);
	assert_string_equal(err.text, "this host has no NUMA node 2");
	assert_int_equal(run(&cmd_vf_lease, "--pf eth0 --ttl 5 --near-node 1"), 0);
	fake_sysfs_text(root, "0", "sys/bus/pci/devices/" PF "/sriov_numvfs");
	assert_int_equal(run(&cmd_vf_lease, "--pf eth0 --ttl 5"), -ENODEV);
	assert_string_equal(err.text, "eth0 has no VFs to lease");
	assert_string_equal(err.hint, "create them: thruway vf create eth0 N");
}

static void test_wrong_words_are_usage(void **state)
{
	static const char *const rows[] = {
		"",			"--pf eth0",
		"--ttl 5",		"--pf eth0 --pool x --ttl 5",
		"--pf eth0 --ttl 5x",	"--pf eth0 --ttl 0",
		"--pf eth0 --ttl",	"--pf eth0 --pid 0",
		"--pf eth0 --pid 1 ls", "--pf eth0 --ttl 5 --near eth0 --near-node 1",
		"--pf eth0 --ttl 99999999999d",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(run(&cmd_vf_lease, rows[i]) < 0);
		if (!err.usage)
			fail_msg("'%s' is not usage: %s", rows[i], err.text);
	}
}

static void test_a_pool_is_what_host_yaml_says(void **state)
{
	struct bdf *members;
	size_t count;

	fake_sysfs_text(root,
			"pfs:\n  - match: {netdev: eth0}\n    numvfs: 7\n    vfs:\n"
			"      0-5: {pool: slow}\n      4-6: {pool: fast}\n",
			"etc/thruway/host.yaml");
	if (lease_pool(root, "fast", &members, &count, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(count, 3);
	assert_true(bdf_eq(members[0], vfs[4]) && bdf_eq(members[2], vfs[6]));
	free(members);
	assert_int_equal(lease_pool(root, "none", &members, &count, &err), -ENOENT);
	assert_non_null(strstr(err.hint, "members of slow, fast"));
	assert_int_equal(run(&cmd_vf_lease, "--pool fast --ttl 5"), 0);
	assert_string_equal(out, "0000:01:11.2\n");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bound_ones_are_taken_first),
		TEST(test_the_nearest_goes_before_a_bound_one),
		TEST(test_a_lease_ends_with_its_holder),
		TEST(test_the_holder_is_named_as_what_it_became),
		TEST(test_what_only_looks_like_the_holder_holds_nothing),
		TEST(test_a_lease_ends_with_its_time),
		TEST(test_a_broken_file_is_no_lease_and_is_cleared_away),
		TEST(test_what_is_in_use_is_not_leased),
		TEST(test_a_group_is_leased_as_one),
		TEST(test_the_node_is_given_and_taken_back),
		TEST(test_only_bound_ones_have_a_node_to_give),
		TEST(test_a_leased_vf_is_in_use_for_everybody_else),
		TEST(test_the_node_of_a_leased_vf_is_not_given_to_another_user),
		TEST(test_the_holder_and_its_children_may_use_it),
		TEST(test_a_race_gives_distinct_vfs),
		TEST(test_the_command_lists_what_it_leased),
		TEST(test_what_is_not_there_is_said_so),
		TEST(test_wrong_words_are_usage),
		TEST(test_a_pool_is_what_host_yaml_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
