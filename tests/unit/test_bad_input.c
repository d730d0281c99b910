// SPDX-License-Identifier: GPL-2.0-or-later
/* What makes no sense is refused, in words that name it, before anything is changed. */
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

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tests/fake/kernel.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"

#define PF   "0000:01:00.0"
#define VF0  "0000:01:10.0"
#define GPU  "0000:04:00.0"
#define LONE "0000:05:00.0"

static struct fake_kernel kernel;
static struct err err;
static char *out; /* of the latest command */

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "run", 0 },
		{ "proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n" },
		{ "sys/class/net/eth0/device", .link = "../../../bus/pci/devices/" PF },
		{ "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0" },
		{ "sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "0" },
		{ "sys/devices/system/node/node0/hugepages/hugepages-2048kB/surplus_hugepages", "0" },
		{ 0 },
	};
	static const struct fake_pci devs[] = {
		{ .bdf = PF, .ids = "fff5:0002", .driver = "igb", .group = "14", .total_vfs = 7,
		  .num_vfs = 1, .netdev = "eth0" },
		{ .bdf = VF0, .ids = "fff5:0003", .driver = "igbvf", .group = "21", .pf = PF },
		{ .bdf = GPU, .ids = "fff5:0004", .driver = "vfio-pci", .group = "42" },
		{ .bdf = LONE, .ids = "fff5:0005" },
	};

	log_set_level(LOG_QUIET);
	kernel = (struct fake_kernel){ .root = fake_sysfs(nodes), .native = "igbvf" };
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(kernel.root, &devs[i]);
	fake_kernel_start(&kernel);
	return 0;
}

static int teardown(void **state)
{
	free(out);
	out = NULL;
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	return 0;
}

/* Words are apart by one blank; '' is an empty one. */
static int run(const struct command *c, const char *words)
{
	struct ctx ctx = { .root = kernel.root, .command = c, .lock_timeout_s = 1 };
	char copy[256], *argv[16] = { (char *)c->name }, *rest = copy;
	size_t size;
	int argc = 1, r;

	snprintf(copy, sizeof(copy), "%s", words);
	while (*words && argc < 15 && (argv[argc] = strsep(&rest, " "))) {
		if (strcmp(argv[argc], "''") == 0)
			*argv[argc] = '\0';
		argc++;
	}
	argv[argc] = NULL;
	free(out);
	out = NULL;
	err = (struct err)ERR_INIT;
	ctx.out = open_memstream(&out, &size);
	r = c->run(&ctx, argc, argv, &err);
	fclose(ctx.out);
	return r;
}

struct row {
	const struct command *c;
	const char *words, *says, *hint;
};

/* status: 2 for what is wrong in itself, 1 for what is wrong on this host. */
static void refuse_all(const struct row *rows, size_t n, int status)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];

		if (run(row->c, row->words) >= 0)
			fail_msg("%s %s: taken", row->c->name, row->words);
		if (!strstr(err.text, row->says) || !strstr(err.hint, row->hint))
			fail_msg("%s %s: %s\n%s", row->c->name, row->words, err.text, err.hint);
		if (err_exit_status(&err) != status)
			fail_msg("%s %s: status %d", row->c->name, row->words,
				 err_exit_status(&err));
		assert_string_equal(out, "");
	}
	assert_int_equal(kernel.nwrites, 0);
}

static void test_wrong_options_are_named(void **state)
{
	static const struct row rows[] = {
		{ &cmd_list, "-ax", "list: unknown option '-x'", "list --help" },
		{ &cmd_list, "-xa", "list: unknown option '-x'", "" },
		{ &cmd_list, "--all -xa", "list: unknown option '-x'", "" },
		{ &cmd_list, "--all=5", "list: option '--all' takes no argument", "" },
		{ &cmd_list, "--al=5", "list: option '--al' takes no argument", "" },
		{ &cmd_list, "--nosuch=5", "list: unknown option '--nosuch=5'", "" },
		{ &cmd_metrics, "-o", "metrics: option '-o' needs an argument", "" },
		{ &cmd_bind, "--driver", "bind: option '--driver' needs an argument", "" },
		{ &cmd_bind, "--lock-timeout= " PF, "--lock-timeout takes seconds, not ''", "" },
		{ &cmd_bind, "--lock-timeout=5x " PF, "takes seconds, not '5x'", "" },
		{ &cmd_vf_list, PF " " PF, "vf list: unexpected '" PF "'", "usage: " },
		{ &cmd_host_confirm, "now", "host confirm: unexpected 'now'", "" },
		{ &cmd_host_recover, "now", "host recover: unexpected 'now'", "" },
		{ &cmd_host_diff, "file", "host diff: unexpected 'file'", "" },
		{ &cmd_topo, "--dot --svg", "exclude each other", "" },
		{ &cmd_vm_console, "", "vm console: ", "usage: " },
		{ &cmd_vm_console, "a b", "vm console: unexpected 'b'", "usage: " },
		{ &cmd_vm_console, "a/b", "'a/b' is no VM's name", "" },
	};

	refuse_all(rows, ARRAY_SIZE(rows), 2);
}

static void test_options_that_contradict_each_other_are_refused(void **state)
{
	static const struct row rows[] = {
		{ &cmd_bind, "--driver=none --owner=root " PF, "--owner is for a VFIO driver", "node" },
		{ &cmd_bind, "--owner=0 --driver=igbvf " PF, "not for 'igbvf'", "" },
		{ &cmd_restore, "--group --all", "restore: --group is for a DEV", "" },
		{ &cmd_restore, "--force=mounted " PF, "nothing is refused for that",
		  "it takes vm, process, vf-in-use" },
		{ &cmd_vf_destroy, "--force=vm " PF, "vf destroy: --force=vm: nothing is refused",
		  "it takes vf-in-use" },
		{ &cmd_vf_destroy, "--force=vf-in-use,route " PF, "vf-in-use,route: nothing", "" },
		{ &cmd_vf_release, "--force=process " VF0, "nothing is refused for that", "it takes vf-in-use" },
		{ &cmd_vf_create, "--driver=vfio-pci " PF " 2", "--driver is for --bind", "" },
		{ &cmd_vf_create, "--bind --driver=none " PF " 2", "'none' is no driver", "--bind" },
		{ &cmd_vf_create, "--bind --driver=../x " PF " 2", "'../x' is no driver's name", "" },
		{ &cmd_vf_create, "--bind --driver= " PF " 2", "'' is no driver's name", "" },
		{ &cmd_vf_lease, "--pf eth0 --pool p --ttl 5s", "one of --pf and --pool", "" },
		{ &cmd_vf_lease, "--pf eth0", "for how long?", "" },
		{ &cmd_vf_lease, "-j --pf eth0 sleep 5", "not as JSON", "" },
		{ &cmd_vm_run, "-k k --bind", "--bind means something with --device and --nic vf= only",
		  "" },
		{ &cmd_vm_run, "-k k --force=vm -d " VF0, "--force means something with --bind", "" },
		{ &cmd_vm_run, "-k k --hotplug-slots 0,pref=1G", "a window for none of them", "" },
	};

	refuse_all(rows, ARRAY_SIZE(rows), 2);
}

static void test_what_is_no_number_is_refused(void **state)
{
	static const struct row rows[] = {
		{ &cmd_vf_create, "nosuch 4 mac", "mac needs a value", "" },
		{ &cmd_vf_create, PF " 2x", "\"2x\" is not a number of VFs", "" },
		{ &cmd_vf_create, PF " ''", "\"\" is not a number of VFs", "" },
		{ &cmd_vf_create, "-- " PF " -2", "\"-2\" is not a number of VFs", "" },
		{ &cmd_vf_create, PF " +2", "\"+2\" is not a number of VFs", "" },
		{ &cmd_vf_create, PF " 99999999999999999999", "is not a number of VFs", "" },
		{ &cmd_vf_lease, "--pf eth0 --ttl 5x", "not '5x'", "" },
		{ &cmd_vf_lease, "--pf eth0 --ttl s", "not 's'", "" },
		{ &cmd_vf_lease, "--pf eth0 --ttl 0", "not '0'", "" },
		{ &cmd_vf_lease, "--pf eth0 --ttl=-5s", "not '-5s'", "" },
		{ &cmd_vf_lease, "--pf eth0 --pid 0", "--pid: '0' is no such number", "" },
		{ &cmd_vf_lease, "--pf eth0 --pid 5.5", "--pid: '5.5' is no such number", "" },
		{ &cmd_vf_lease, "--pf eth0 --ttl 5s --near-node=-1", "--near-node: '-1'", "" },
		{ &cmd_hugepages, "reserve 0", "reserve 0 reserves nothing", "release" },
		{ &cmd_hugepages, "reserve 0G", "reserve 0 reserves nothing", "release" },
		{ &cmd_hugepages, "reserve 5 --page 0", "--page takes 2M or 1G, not '0'", "" },
		{ &cmd_hugepages, "reserve 5 --node ''", "--node takes NUMA nodes", "" },
		{ &cmd_host_apply, "--confirm 5m", "--confirm takes seconds", "" },
		{ &cmd_host_apply, "--confirm 0", "--confirm takes seconds", "" },
	};

	refuse_all(rows, ARRAY_SIZE(rows), 2);
}

static void test_attributes_that_say_nothing_or_too_much_are_refused(void **state)
{
	static const struct row rows[] = {
		{ &cmd_vf_create, PF " 2 vf1", "vf1 needs an attribute", "" },
		{ &cmd_vf_create, PF " 2 vlan 5 vf1", "vf1 needs an attribute", "" },
		{ &cmd_vf_create, PF " 2 vlan", "vlan needs a value", "" },
		{ &cmd_vf_create, PF " 2 vlan 5 vlan 6", "vlan is given twice", "" },
		{ &cmd_vf_create, PF " 2 vf2 vlan 5", "there is no vf2 among 2 VFs", "from vf0" },
		{ &cmd_vf_create, PF " 2 queues 2 queues 3", "queues is given twice", "" },
		{ &cmd_vf_create, PF " 2 mac 00:00:00:00:00:00", "no address that a VF", "none" },
		{ &cmd_vf_create, PF " 2 --bind --driver a --driver b", "--driver is given twice", "" },
		{ &cmd_vf_create, PF " -1", "'-1' is a negative number", "" },
		{ &cmd_vf_create, PF " 2 vlan -1", "'-1' is a negative number", "" },
		{ &cmd_vf_create, PF " 2 --lock-timeout 1 --lock-timeout 2", "is given twice", "" },
		{ &cmd_vf_create, PF " 2 vf1 queues 2", "queues is the same for all VFs", "before" },
		{ &cmd_vf_create, PF " 2 min_tx_rate 9 max_tx_rate 5", "9 is more than max_tx_rate 5",
		  "no limit" },
		{ &cmd_vf_create, PF " 2 max_tx_rate 5 vf1 min_tx_rate 9", "9 is more than", "" },
		{ &cmd_vf_set, "eth0/vf0 vf1 vlan", "vf1: one VF is changed at a time", "" },
		{ &cmd_vf_set, "eth0/vf0 queues 5", "queues and interrupts are given by vf create", "" },
		{ &cmd_vf_set, "eth0 vlan 5", "'eth0' is not a VF", "eth0/vf3" },
		{ &cmd_vf_set, "'' vlan 5", "'' is not a VF", "vf list" },
		{ &cmd_vf_set, "0000:77:00.0 vlan 5", "'0000:77:00.0' is not a VF", "vf list" },
		{ &cmd_vf_set, "eth0/vf vlan 5", "is not vf and a number", "" },
		{ &cmd_vf_set, "eth0/vf0x vlan 5", "is not vf and a number", "" },
	};

	refuse_all(rows, ARRAY_SIZE(rows), 2);
}

static void test_what_this_host_does_not_have_is_said(void **state)
{
	static const struct row rows[] = {
		{ &cmd_vm_run, "-k /nonexistent --bind -d " VF0, "--kernel: cannot open /nonexistent", "" },
		{ &cmd_vm_run, "-k /proc/self/exe --initrd /dev/zero --bind -d " VF0,
		  "--initrd: /dev/zero is not a file", "" },
		{ &cmd_vm_run, "-k /proc/self/exe -m 4G --bind -d " VF0,
		  "of its 8192 MiB 4096 are available", "give it less" },
		{ &cmd_vm_run, "-k /proc/self/exe --bind -d " VF0, "cannot open /dev/kvm", "load KVM" },
		{ &cmd_vm_console, "web", "no VM called web runs", "vm ps" },
		{ &cmd_show, "0000:77:00.0", "cannot show 0000:77:00.0: no such PCI device", "list" },
		{ &cmd_reset, "0000:01:00.1", "cannot reset 0000:01:00.1: no such", "did you mean" },
		{ &cmd_reset, GPU " 0000:77:00.0", "cannot reset 0000:77:00.0: no such", "" },
		{ &cmd_export, "--format qemu eth7", "cannot export eth7: no such", "list" },
		{ &cmd_groups, LONE, "cannot show the group of " LONE ": it is in none", "" },
		{ &cmd_show, GPU "/vf0", GPU " cannot have VFs", "vf list" },
		{ &cmd_show, "eth0/vf6", PF " has 1 VFs", "vf create eth0 N" },
		{ &cmd_vf_list, "eth7", "eth7 is neither a PCI address", "vf list" },
		{ &cmd_vf_release, VF0, VF0 " is not leased", "vf list" },
		{ &cmd_hugepages, "--page 1G", "there are no hugepages of 1 GiB on this host", "shows" },
		{ &cmd_hugepages, "--node 7", "there are no hugepages on that node", "shows" },
		{ &cmd_hugepages, "release --node 0 --page 1G", "1 GiB on that node", "shows" },
	};

	refuse_all(rows, ARRAY_SIZE(rows), 1);
}

static void test_no_name_is_no_device(void **state)
{
	static const struct row rows[] = {
		{ &cmd_show, "''", "cannot show '': that is no device's name", "thruway list" },
		{ &cmd_bind, "''", "cannot bind ''", "thruway list" },
		{ &cmd_restore, "''", "cannot restore ''", "thruway list" },
		{ &cmd_reset, "''", "cannot reset ''", "thruway list" },
		{ &cmd_groups, "''", "cannot show the group of ''", "thruway list" },
		{ &cmd_vf_release, "''", "cannot release ''", "thruway list" },
		{ &cmd_vm_run, "-k k -d ''", "'' is no device's name", "" },
	};

	refuse_all(rows, ARRAY_SIZE(rows), 2);
}

static void test_a_device_named_twice_is_meant_once(void **state)
{
	assert_int_equal(run(&cmd_show, PF " 01:00.* fff5:0002 eth0"), 0);
	assert_null(strstr(strstr(out, PF) + 1, "\n" PF));
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" GPU "/reset");
	assert_int_equal(run(&cmd_reset, GPU " " GPU), 0);
	assert_string_equal(out, GPU ": reset\n");
}

static void test_a_reset_that_leaves_nothing_is_no_success(void **state)
{
	uint8_t ones[64];

	memset(ones, 0xff, sizeof(ones));
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" GPU "/reset");
	fake_put_bytes(kernel.root, "sys/bus/pci/devices/" GPU "/config", ones, sizeof(ones));
	assert_int_equal(run(&cmd_reset, GPU), -EIO);
	assert_non_null(strstr(err.text, GPU " was reset and does not answer any more"));
	assert_string_equal(out, "");
}

static void test_no_device_is_reset_when_one_cannot_be(void **state)
{
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" GPU "/reset");
	assert_int_equal(run(&cmd_reset, GPU " " LONE), -EOPNOTSUPP);
	assert_string_equal(out, "");
	assert_string_equal(fake_get(kernel.root, "sys/bus/pci/devices/" GPU "/reset"), "");
}

/* The options behind the command are the command's. */
static void test_a_leases_command_keeps_its_options(void **state)
{
	assert_int_equal(run(&cmd_vf_lease, "--pf eth9 --ttl 5s sh -c --nosuch -q"), -ENODEV);
	assert_non_null(strstr(err.text, "eth9 is neither"));
}

static void test_metrics_replaces_files_only(void **state)
{
	char dir[] = "/tmp/thruway-test-XXXXXX", words[80], path[64];
	struct stat st;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(words, sizeof(words), "-o %s", path);
	assert_int_equal(run(&cmd_metrics, words), -EEXIST);
	assert_non_null(strstr(err.text, "it is there and is not a file"));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	unlink(path);
	assert_int_equal(symlink("/proc/self/exe", path), 0); /* a link that leads to a file */
	assert_int_equal(run(&cmd_metrics, words), -EEXIST);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(path);
	rmdir(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_wrong_options_are_named),
		TEST(test_options_that_contradict_each_other_are_refused),
		TEST(test_what_is_no_number_is_refused),
		TEST(test_attributes_that_say_nothing_or_too_much_are_refused),
		TEST(test_what_this_host_does_not_have_is_said),
		TEST(test_no_name_is_no_device),
		TEST(test_a_device_named_twice_is_meant_once),
		TEST(test_a_reset_that_leaves_nothing_is_no_success),
		TEST(test_no_device_is_reset_when_one_cannot_be),
		TEST(test_a_leases_command_keeps_its_options),
		TEST(test_metrics_replaces_files_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
