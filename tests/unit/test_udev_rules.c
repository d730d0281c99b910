// SPDX-License-Identifier: GPL-2.0-or-later
/* What udev is told of a declared host: only what is harmless, and it can be taken back. */
#include "host/udev_rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "host/spec_apply.h"
#include "tests/fake/pci.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"

#define GPU   "0000:05:00.0"
#define SOUND "0000:05:00.1"
#define FILE_PATH UDEV_RULES_DIR "/" UDEV_RULES_NAME

static struct fake_pf k;
static struct err err;

static void add_gpu(const char *place, const char *driver)
{
	const struct fake_pci gpu = { .bdf = GPU, .ids = "10de:2684", .group = "9", .place = place,
				      .class = 0x030000, .driver = driver };
	const struct fake_pci sound = { .bdf = SOUND, .ids = "10de:22ba", .group = "9",
					.place = place, .class = 0x040300, .driver = driver };

	fake_pci_add(k.root, &gpu);
	fake_pci_add(k.root, &sound);
}

static int setup(void **state)
{
	err = (struct err)ERR_INIT;
	log_set_level(LOG_QUIET);
	fake_pf_init(&k);
	/* As in sysfs, where the bus has links to the devices' places. */
	fake_sysfs_text(k.root, "", "sys/devices/pci0000:00/x");
	assert_int_equal(renameat(k.root, FAKE_PF_DIR, k.root, "sys/devices/pci0000:00/" FAKE_PF), 0);
	fake_sysfs_link(k.root, "../../../devices/pci0000:00/" FAKE_PF, FAKE_PF_DIR);
	fake_sysfs_text(k.root, "0", "sys/class/net/eth0/addr_assign_type");
	fake_sysfs_text(k.root, "52:54:00:00:00:01", "sys/class/net/eth0/address");
	fake_sysfs_text(k.root, "(null)", FAKE_PF_DIR "/driver_override");
	fake_sysfs_text(k.root, "", "etc/udev/udev.conf");
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

static int read_spec(const char *text, struct host_spec *ret)
{
	*ret = (struct host_spec)HOST_SPEC_INIT;
	fake_sysfs_text(k.root, text, "etc/thruway/host.yaml");
	return host_spec_read(k.root, NULL, 0, ret, &err);
}

/* The lines about devices: what lies between the file's head and its tail. */
static const char *rules(const struct host_spec *hs)
{
	static char text[4096];
	const char *from = strstr(hs->rules, "\n# 0"), *to = strstr(hs->rules, "\nENV{THRUWAY_DRIVER}");

	snprintf(text, sizeof(text), "%.*s", from ? (int)(to - from) : 0, from ? from : "");
	return text;
}

#define ANY_BUS "[0-9a-f][0-9a-f]:"
#define NVIDIA(device) "ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x" device "\", "               \
		       "ATTR{subsystem_vendor}==\"0x0000\", ATTR{subsystem_device}==\"0x0000\", "

static void test_a_device_is_known_by_its_ids_and_its_ports(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	static const char place[] = "/devices/pci0000:00/0000:" ANY_BUS "01.0/0000:" ANY_BUS "1c.4/"
				    "0000:" ANY_BUS "00.";

	add_gpu("pci0000:00/0000:00:01.0/0000:03:1c.4", "nouveau");
	assert_int_equal(read_spec("devices:\n  - match: {device: 2684}\n    group: on\n", &hs), 0);
	{
		char want[1024];

		snprintf(want, sizeof(want),
			 "\n# " GPU ", host.yaml:2:12\nACTION==\"add\", DEVPATH==\"%s0\", " NVIDIA("2684")
			 "ENV{THRUWAY_DRIVER}=\"vfio-pci\"\n"
			 "\n# " SOUND ", host.yaml:2:12\nACTION==\"add\", DEVPATH==\"%s1\", " NVIDIA("22ba")
			 "ENV{THRUWAY_DRIVER}=\"vfio-pci\"\n", place, place);
		assert_string_equal(rules(&hs), want);
	}
	assert_non_null(strstr(hs.rules, "ATTR{driver_override}=\"$env{THRUWAY_DRIVER}\""));
	assert_int_equal(k.nwrites, 0);
}

static void test_a_pf_is_looked_at_again_when_it_has_its_driver(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	assert_int_equal(read_spec("pfs:\n  - match: {netdev: eth0}\n    numvfs: 2\n", &hs), 0);
	assert_non_null(strstr(rules(&hs), "ACTION==\"bind\", DEVPATH==\"/devices/pci0000:00/"));
	assert_non_null(strstr(rules(&hs), "ENV{THRUWAY_APPLY}=\"1\"\n"));
	assert_null(strstr(rules(&hs), "THRUWAY_DRIVER"));
}

/* Without its sound function the GPU cannot be bound now, and must not be at the next boot. */
static void test_what_apply_refuses_no_rule_takes(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT, bound = HOST_SPEC_INIT;

	add_gpu(NULL, "nouveau");
	assert_int_equal(read_spec("devices:\n  - match: {device: 2684}\n", &hs), 0);
	assert_int_equal(hs.plan.left, 1);
	assert_string_equal(hs.rules, "");
	add_gpu(NULL, "vfio-pci");
	assert_int_equal(read_spec("devices:\n  - match: {device: 2684}\n", &bound), 0);
	assert_int_equal(bound.plan.left, 0);
	assert_non_null(strstr(rules(&bound), "0x2684"));
	assert_null(strstr(rules(&bound), "0x22ba"));
}

/* It may be plugged in later: then all of the entry's keys, and its users, are looked at. */
static void test_what_is_absent_is_looked_at_when_it_may_have_come(void **state)
{
	static const struct {
		const char *entry, *rule;
	} rows[] = {
		{ "devices:\n  - match: {vendor: 10de, device: 2684}\n",
		  "ACTION==\"add\", ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x2684\", "
		  "ENV{THRUWAY_APPLY}=\"1\"\n" },
		{ "devices:\n  - match: {subsystem: '1af4:1100', device: 11e8}\n",
		  "ACTION==\"add\", ATTR{device}==\"0x11e8\", ATTR{subsystem_vendor}==\"0x1af4\", "
		  "ATTR{subsystem_device}==\"0x1100\", ENV{THRUWAY_APPLY}=\"1\"\n" },
		{ "pfs:\n  - match: {fingerprint: '8086:1572/8086:0001 serial=0000000000000001 at pci0000:00/01.0'}\n",
		  "ACTION==\"bind\", ATTR{vendor}==\"0x8086\", ATTR{device}==\"0x1572\", "
		  "ATTR{subsystem_vendor}==\"0x8086\", ATTR{subsystem_device}==\"0x0001\", " },
		{ "devices:\n  - match: {mac: 02:00:00:00:00:09}\n",
		  "ACTION==\"add\", ATTR{class}==\"0x02*\", ENV{THRUWAY_APPLY}=\"1\"\n" },
		{ "pfs:\n  - match: {netdev: nic7}\n",
		  "ACTION==\"bind\", ATTR{class}==\"0x02*\", ENV{THRUWAY_APPLY}=\"1\"\n" },
		{ "devices:\n  - match: {serial: '0000000000000009'}\n",
		  "ACTION==\"add\", ATTR{class}!=\"0x06*\", ENV{THRUWAY_APPLY}=\"1\"\n" },
		{ "devices:\n  - match: {slot: '7'}\n",
		  "ACTION==\"add\", ATTR{class}!=\"0x06*\", ENV{THRUWAY_APPLY}=\"1\"\n" },
		{ "devices:\n  - match: {address: '0000:99:00.0'}\n",
		  "ACTION==\"add\", KERNEL==\"0000:99:00.0\", ENV{THRUWAY_APPLY}=\"1\"\n" },
		{ "devices:\n  - match: {path: 'pci0000:00/1d.0/00.1', vendor: 10de}\n",
		  "ACTION==\"add\", DEVPATH==\"/devices/pci0000:00/*:[0-9a-f][0-9a-f]:1d.0/"
		  "*:[0-9a-f][0-9a-f]:00.1\", ATTR{vendor}==\"0x10de\", ENV{THRUWAY_APPLY}=\"1\"\n" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

		assert_int_equal(read_spec(rows[i].entry, &hs), 0);
		assert_int_equal(hs.plan.left, 1);
		if (!strstr(hs.rules, rows[i].rule))
			fail_msg("%s: %s", rows[i].entry, hs.rules);
		assert_null(strstr(hs.rules, "ENV{THRUWAY_DRIVER}=\""));
	}
}

static void test_a_slow_boot_keeps_the_rules(void **state)
{
	char *argv[] = { (char *)"host apply", (char *)"-q", (char *)"--wait", (char *)"1", NULL };
	struct ctx ctx = { .root = k.root, .command = &cmd_host_apply, .out = stdout,
			   .lock_timeout_s = 1 };

	fake_sysfs_text(k.root, "# of a device that is to come", FILE_PATH);
	fake_sysfs_text(k.root, "devices:\n  - match: {vendor: 10de, device: 2684}\n",
			"etc/thruway/host.yaml");
	assert_int_equal(cmd_host_apply.run(&ctx, 4, argv, &err), 3);
	assert_string_equal(fake_get(k.root, FILE_PATH), "# of a device that is to come");
	argv[2] = NULL; /* who applies by hand sees what is left, and means it */
	assert_int_equal(cmd_host_apply.run(&ctx, 2, argv, &err), 3);
	assert_non_null(strstr(fake_get(k.root, FILE_PATH), "ATTR{device}==\"0x2684\""));
}

/* Between the plan and the lock (linked with --wrap=txn_begin) somebody else does it. */
static unsigned others_come;

int __real_txn_begin(int root, const struct step_ops *const *ops, const struct plan *plan,
		     const struct journal_owner *owner, unsigned lock_timeout_s, struct txn **ret,
		     struct err *e);
int __wrap_txn_begin(int root, const struct step_ops *const *ops, const struct plan *plan,
		     const struct journal_owner *owner, unsigned lock_timeout_s, struct txn **ret,
		     struct err *e);
int __wrap_txn_begin(int root, const struct step_ops *const *ops, const struct plan *plan,
		     const struct journal_owner *owner, unsigned lock_timeout_s, struct txn **ret,
		     struct err *e)
{
	if (others_come && --others_come == 0)
		add_gpu(NULL, "vfio-pci");
	return __real_txn_begin(root, ops, plan, owner, lock_timeout_s, ret, e);
}

static void test_an_apply_that_comes_second_sees_what_the_first_left(void **state)
{
	char *argv[] = { (char *)"host apply", (char *)"-q", NULL };
	struct ctx ctx = { .root = k.root, .command = &cmd_host_apply, .out = stdout,
			   .lock_timeout_s = 1 };

	add_gpu(NULL, "nouveau");
	fake_sysfs_text(k.root, "", "sys/bus/pci/drivers/vfio-pci/bind");
	fake_sysfs_text(k.root, "devices:\n  - match: {device: 2684}\n    group: on\n",
			"etc/thruway/host.yaml");
	others_come = 1;
	assert_int_equal(cmd_host_apply.run(&ctx, 2, argv, &err), 0);
	assert_int_equal(others_come, 0);
	assert_non_null(strstr(fake_get(k.root, FILE_PATH), "ATTR{device}==\"0x2684\""));
}

/* A look that finds the past `stale` times. */
struct looks {
	unsigned stale, made;
};

static int look(struct host_spec *hs, void *opaque, struct err *e)
{
	struct looks *l = opaque;

	assert_null(hs->rules);
	assert_int_equal(hs->plan.remark_count, 0);
	hs->rules = strdup("of a look");
	l->made++;
	return l->stale-- ? err_plain(e, -ESTALE, "look %u is past", l->made) : 0;
}

static void test_it_is_looked_again_while_others_are_first(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec twice = HOST_SPEC_INIT, never = HOST_SPEC_INIT;
	struct looks l = { .stale = 1 };

	assert_int_equal(host_spec_look_again(look, &l, &twice, &err), 0);
	assert_int_equal(l.made, 2);
	assert_string_equal(twice.rules, "of a look");
	assert_int_equal(err.code, 0);
	l = (struct looks){ .stale = 100 };
	assert_int_equal(host_spec_look_again(look, &l, &never, &err), -ESTALE);
	assert_int_equal(l.made, 5);
	assert_string_equal(err.text, "look 5 is past");
}

#define STAGERS	 4
#define STAGINGS 20

/* Each keeps the same text, as applies at once do, which have no lock then. */
static void test_several_stage_the_same_rules_at_once(void **state)
{
	pid_t pids[STAGERS];
	int status;

	for (unsigned i = 0; i < STAGERS; i++) {
		pids[i] = fork();
		for (unsigned n = 0; pids[i] == 0 && n < STAGINGS; n++) {
			if (udev_rules_stage(k.root, "# the same", &err) < 0)
				_exit(1);
		}
		if (pids[i] == 0)
			_exit(0);
	}
	for (unsigned i = 0; i < STAGERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void test_none_has_no_override(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	add_gpu(NULL, NULL);
	assert_int_equal(read_spec("devices:\n  - match: {device: 2684}\n    driver: none\n", &hs), 0);
	assert_non_null(strstr(rules(&hs), "0x0000\", ENV{THRUWAY_APPLY}=\"1\"\n"));
}

/* Names that would end the quotes, be a pattern, or begin another line. */
static void test_hostile_names_are_refused(void **state)
{
	static const char *const drivers[] = { "a\\\"b", "a*", "$kernel", "%k", "a\\tb", "[ab]", "a,b" };
	static const char *const places[] = { "pci0000:00/a\"b", "pci0000:00/*", "pci0000:00/$x",
					      "pci0000:00/a\nb", "pci0000:00/a,b", "pci 0000" };
	char text[200];

	for (unsigned i = 0; i < ARRAY_SIZE(drivers); i++) {
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

		add_gpu(NULL, NULL);
		err = (struct err)ERR_INIT;
		snprintf(text, sizeof(text), "devices:\n  - match: {device: 2684}\n    driver: \"%s\"\n",
			 drivers[i]);
		if (read_spec(text, &hs) != -EINVAL)
			fail_msg("driver %s: %s", drivers[i], hs.rules);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

		add_gpu(places[i], "vfio-pci");
		err = (struct err)ERR_INIT;
		if (read_spec("devices:\n  - match: {device: 2684}\n", &hs) != -EINVAL)
			fail_msg("place %s: %s", places[i], hs.rules);
		assert_non_null(strstr(err.text, "cannot make a udev rule for " GPU));
	}
	assert_false(hostfs_exists(k.root, FILE_PATH));
}

static void test_a_drop_ins_name_stays_in_its_comment(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	add_gpu(NULL, "vfio-pci");
	fake_sysfs_text(k.root, "devices:\n  - match: {device: 2684}\n",
			"etc/thruway/host.d/a\nRUN+=\"x\".yaml");
	assert_int_equal(read_spec("version: 1\n", &hs), 0);
	assert_non_null(strstr(rules(&hs), "a?RUN?"));
	assert_null(strstr(hs.rules, "RUN+="));
}

static int apply(const char *text, bool confirm)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct journal_owner owner = { .command = "host apply", .confirm = confirm };
	int r = read_spec(text, &hs);

	return r < 0 ? r : host_spec_apply(k.root, &hs, &owner, 0, &err);
}

#define TWO_VFS "pfs:\n  - match: {netdev: eth0}\n    numvfs: 2\n"

static size_t steps_left(const char *text)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	assert_int_equal(read_spec(text, &hs), 0);
	return hs.plan.plan.count;
}

static void test_the_file_is_written_once_and_goes_with_its_devices(void **state)
{
	struct stat st;
	unsigned undone;

	assert_int_equal(apply(TWO_VFS, false), 0);
	assert_int_equal(fstatat(k.root, FILE_PATH, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_non_null(strstr(fake_get(k.root, FILE_PATH), "# " FAKE_PF ", host.yaml:2:12\n"));
	assert_int_equal(steps_left(TWO_VFS), 0);
	/* Somebody's change to it is drift like any other. */
	fake_sysfs_text(k.root, "# mine", FILE_PATH);
	assert_int_equal(steps_left(TWO_VFS), 1);
	assert_int_equal(apply(TWO_VFS, false), 0);
	assert_int_equal(apply("version: 1\n", false), 0);
	assert_false(hostfs_exists(k.root, FILE_PATH));
	assert_int_equal(steps_left("version: 1\n"), 0);
	/* Back through every text it had, to none. */
	assert_int_equal(journal_restore(k.root, change_ops, NULL, 0, &undone, NULL), 0);
	assert_false(hostfs_exists(k.root, FILE_PATH));
}

static void test_undoing_gives_the_former_text_back(void **state)
{
	unsigned undone;

	fake_sysfs_text(k.root, "# mine", FILE_PATH);
	assert_int_equal(apply(TWO_VFS, false), 0);
	assert_int_equal(journal_restore(k.root, change_ops, NULL, 0, &undone, NULL), 0);
	assert_string_equal(fake_get(k.root, FILE_PATH), "# mine");
}

static void test_a_change_that_is_not_confirmed_takes_its_rules_along(void **state)
{
	unsigned undone;

	assert_int_equal(apply(TWO_VFS, true), 0);
	assert_true(hostfs_exists(k.root, FILE_PATH));
	assert_int_equal(journal_expire_own(k.root, change_ops, &undone, NULL), 0);
	assert_false(hostfs_exists(k.root, FILE_PATH));
	assert_string_equal(fake_get(k.root, FAKE_PF_DIR "/sriov_numvfs"), "0");
}

static void test_a_step_that_fails_leaves_the_rules_as_they_were(void **state)
{
	fake_sysfs_text(k.root, "# mine", FILE_PATH);
	k.fail = EIO;
	assert_int_equal(apply(TWO_VFS, false), -EIO);
	assert_string_equal(fake_get(k.root, FILE_PATH), "# mine");
}

static void test_only_etc_thruway_is_for_udev(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT, one = HOST_SPEC_INIT;
	_cleanup_(host_spec_fini) struct host_spec none = HOST_SPEC_INIT;
	char path[HOSTFS_PATH_MAX];
	struct bdf pf, gpu;

	assert_int_equal(apply(TWO_VFS, false), 0);
	assert_int_equal(hostfs_path(k.root, path, sizeof(path), "etc/thruway/host.yaml"), 0);
	fake_sysfs_text(k.root, "version: 1\n", "etc/thruway/host.yaml");
	assert_int_equal(host_spec_read(k.root, path, 0, &hs, &err), 0);
	assert_null(hs.rules);
	assert_int_equal(hs.plan.plan.count, 0);
	/* Nor is a device by itself, of which only its own is planned. */
	add_gpu(NULL, "nouveau");
	fake_sysfs_text(k.root, "pfs:\n  - match: {netdev: eth0}\n    link: up\n"
			"devices:\n  - match: {device: 22ba}\n    group: on\n", "etc/thruway/host.yaml");
	assert_int_equal(bdf_parse(FAKE_PF, &pf), 0);
	assert_int_equal(host_spec_read_one(k.root, pf, 0, &one, &err), 0);
	assert_null(one.rules);
	assert_int_equal(one.plan.plan.count, 1);
	assert_string_equal(one.plan.plan.steps[0].op, "link");
	assert_int_equal(bdf_parse(GPU, &gpu), 0); /* it comes with its group */
	host_spec_fini(&one);
	assert_int_equal(host_spec_read_one(k.root, gpu, 0, &one, &err), 0);
	assert_int_equal(one.plan.plan.count, 6);
	/* A host without udev has no use for them. */
	fake_sysfs_remove(k.root, "etc/udev");
	assert_int_equal(read_spec("pfs:\n  - match: {netdev: eth0}\n", &none), 0);
	assert_int_equal(none.plan.plan.count, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_device_is_known_by_its_ids_and_its_ports),
		TEST(test_a_pf_is_looked_at_again_when_it_has_its_driver),
		TEST(test_what_apply_refuses_no_rule_takes),
		TEST(test_what_is_absent_is_looked_at_when_it_may_have_come),
		TEST(test_a_slow_boot_keeps_the_rules),
		TEST(test_an_apply_that_comes_second_sees_what_the_first_left),
		TEST(test_it_is_looked_again_while_others_are_first),
		TEST(test_several_stage_the_same_rules_at_once),
		TEST(test_none_has_no_override),
		TEST(test_hostile_names_are_refused),
		TEST(test_a_drop_ins_name_stays_in_its_comment),
		TEST(test_the_file_is_written_once_and_goes_with_its_devices),
		TEST(test_undoing_gives_the_former_text_back),
		TEST(test_a_change_that_is_not_confirmed_takes_its_rules_along),
		TEST(test_a_step_that_fails_leaves_the_rules_as_they_were),
		TEST(test_only_etc_thruway_is_for_udev),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
