// SPDX-License-Identifier: GPL-2.0-or-later
/* Several `vm run --bind` and one device: one has it, and no end of another takes it away. */
#include "tools/vm_devices.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tests/fake/kernel.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/vm_attach.h"
#include "tools/vm_client.h"
#include "tools/vm_open.h"
#include "tools/vm_opts.h"
#include "vfio/in_use.h"
#include "vfio/lease.h"

#define VF    "0000:01:10.0"
#define OTHER "0000:02:00.0"

static struct fake_kernel kernel;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "run", 0 }, { "proc", 0 }, { 0 } };
	static const struct fake_pci devs[] = {
		{ .bdf = VF, .ids = "8086:10ca", .driver = "igbvf", .group = "21" },
		{ .bdf = OTHER, .ids = "8086:10cb", .driver = "igbvf", .group = "22" },
	};

	log_set_level(LOG_QUIET);
	err = (struct err)ERR_INIT;
	kernel = (struct fake_kernel){ .root = fake_sysfs(nodes), .native = "igbvf" };
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(kernel.root, &devs[i]);
	fake_sysfs_text(kernel.root, "", "dev/vfio/21");
	fake_sysfs_text(kernel.root, "", "dev/vfio/22");
	fake_kernel_start(&kernel);
	return 0;
}

static int teardown(void **state)
{
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	return 0;
}

static const char *driver_of(const char *name)
{
	static char buf[64];

	if (hostfs_link_name(kernel.root, buf, sizeof(buf), "sys/bus/pci/devices/%s/driver",
			     name) < 0)
		return "";
	return buf;
}

/* This process shows in proc from now on. */
static void appear(void)
{
	char stat[128];

	snprintf(stat, sizeof(stat),
		 "%d (thruway) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", (int)getpid(),
		 (int)getpid());
	fake_sysfs_text(kernel.root, stat, "proc/%d/stat", (int)getpid());
}

static int take(const char *first, const char *second, bool bind, struct vm_devices *ret)
{
	struct ctx ctx = { .root = kernel.root, .lock_timeout_s = 1 };
	struct vm_opts o = { .bind = bind, .device_count = second ? 2 : 1 };
	int r;

	snprintf(o.devices[0].name, sizeof(o.devices[0].name), "%s", first);
	if (second)
		snprintf(o.devices[1].name, sizeof(o.devices[1].name), "%s", second);
	r = vm_devices_find(&ctx, &o, ret, &err);
	return r < 0 ? r : vm_devices_take(&ctx, &o, ret, &err);
}

/* A `vm run --bind` that has VF, and stays as it is. Its pid as long as nobody reaps it. */
static pid_t another_has_it(void)
{
	struct vm_devices devices = VM_DEVICES_INIT;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		appear();
		_exit(take(VF, NULL, true, &devices) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
	return pid; /* proc shows it still */
}

static void test_what_a_living_vm_run_bound_is_refused_before_anything(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;
	pid_t pid = another_has_it();
	char says[64];

	appear();
	snprintf(says, sizeof(says), "the VM of pid %d has it", (int)pid);
	assert_int_equal(take(OTHER, VF, true, &devices), -EBUSY);
	assert_non_null(strstr(err.text, says));
	assert_string_equal(driver_of(VF), "vfio-pci");
	assert_string_equal(driver_of(OTHER), "igbvf");
	assert_int_equal(vm_devices_give_back(kernel.root, &devices, &err), 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
}

static void test_what_another_has_open_is_not_given_back(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;

	appear();
	assert_int_equal(take(VF, OTHER, true, &devices), 0);
	assert_string_equal(driver_of(OTHER), "vfio-pci");
	fake_sysfs_link(kernel.root, "/dev/vfio/21", "proc/77/fd/5");
	fake_sysfs_link(kernel.root, "anon_inode:kvm-vm", "proc/77/fd/6");
	assert_int_equal(vm_devices_give_back(kernel.root, &devices, &err), 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
	assert_string_equal(driver_of(OTHER), "igbvf");
}

static void test_one_device_by_two_names_is_refused_before_it_is_bound(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;

	appear();
	assert_int_equal(take(VF, "01:10.0", true, &devices), -EINVAL);
	assert_non_null(strstr(err.text, "is given twice"));
	assert_string_equal(driver_of(VF), "igbvf");
}

/* --- leases ----------------------------------------------------------------------------------- */

/* A process of the made-up host that is not ours, or 0: only time ends it. */
static void lease_to(const char *name, pid_t pid, unsigned uid)
{
	struct lease l = { .expires = lease_now() + 600, .uid = uid, .gid = uid };

	assert_int_equal(bdf_parse(name, &l.bdf), 0);
	l.inode = lease_inode(kernel.root, l.bdf);
	process_self(kernel.root, &l.holder);
	l.holder.pid = 0;
	if (pid)
		assert_int_equal(process_identify(kernel.root, pid, &l.holder), 0);
	strcpy(l.name, "qemu");
	if (uid)
		strcpy(l.node, "vfio/21");
	assert_int_equal(lease_save(kernel.root, &l), 0);
}

static void somebody_appears(pid_t pid)
{
	fake_sysfs_text(kernel.root, "1 (qemu) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0\n",
			"proc/%d/stat", (int)pid);
	fake_sysfs_text(kernel.root, "qemu\n", "proc/%d/comm", (int)pid);
}

static void test_what_is_leased_to_another_is_refused(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;

	appear();
	somebody_appears(77);
	lease_to(VF, 77, 0);
	for (int bind = 0; bind < 2; bind++) {
		err = (struct err)ERR_INIT;
		assert_int_equal(take(OTHER, VF, bind, &devices), -EBUSY);
		assert_string_equal(err.text, "cannot attach " VF ": it is leased to pid 77 (qemu)");
		assert_string_equal(err.hint, "thruway vf lease gives you another one; thruway vf "
					      "release " VF " --force=vf-in-use ends this lease");
		assert_string_equal(driver_of(OTHER), "igbvf");
		assert_false(devices.bound);
	}
	assert_int_equal(take(OTHER, NULL, false, &devices), 0);
	fake_sysfs_text(kernel.root, "torn", LEASE_DIR "/" VF);
	assert_int_equal(take(VF, NULL, false, &devices), 0);
}

/* What VFIO drivers have already needs no binding, and nobody asked in_use. */
static void test_what_is_bound_and_leased_to_another_is_refused(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;

	assert_int_equal(another_has_it() > 0, 1);
	unlinkat(kernel.root, "run/thruway/journal/0000000001", 0);
	appear();
	lease_to(VF, 0, 0);
	for (int bind = 0; bind < 2; bind++) {
		err = (struct err)ERR_INIT;
		assert_int_equal(take(VF, NULL, bind, &devices), -EBUSY);
		assert_non_null(strstr(err.text, "cannot attach " VF ": it is leased for "));
		assert_string_equal(err.hint, "thruway vf lease gives you another one; thruway vf "
					      "release " VF " ends this lease");
	}
}

static void test_the_holder_may_have_it_and_so_may_what_it_started(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;
	int status;
	pid_t pid;

	appear();
	lease_to(VF, getpid(), 0);
	assert_int_equal(take(VF, NULL, false, &devices), 0);
	pid = fork();
	if (pid == 0) {
		char stat[128];

		snprintf(stat, sizeof(stat), "%d (sh) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0\n",
			 (int)getpid(), (int)getppid());
		fake_sysfs_text(kernel.root, stat, "proc/%d/stat", (int)getpid());
		_exit(take(VF, NULL, true, &devices) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(driver_of(VF), "vfio-pci");
}

static void test_the_user_whose_node_it_is_may_have_it(void **state)
{
	struct vm_devices devices = VM_DEVICES_INIT;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	lease_to(VF, 0, 65534);
	assert_int_equal(take(VF, NULL, false, &devices), -EBUSY); /* root is not the one */
	assert_int_equal(fchmodat(kernel.root, ".", 0755, 0), 0);
	for (uid_t uid = 65533; uid <= 65534; uid++) {
		pid = fork();
		if (pid == 0)
			_exit(setresuid(uid, uid, uid) < 0 ? 9 :
			      take(VF, NULL, false, &devices) == (uid == 65534 ? 0 : -EBUSY) ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void test_what_shares_a_group_with_a_leased_one_is_refused(void **state)
{
	static const struct fake_pci peer = { .bdf = "0000:01:10.1", .ids = "8086:10ca",
					      .driver = "vfio-pci", .group = "21" };
	struct vm_devices devices = VM_DEVICES_INIT;

	fake_pci_add(kernel.root, &peer);
	appear();
	lease_to(peer.bdf, 0, 0);
	assert_int_equal(take(VF, NULL, false, &devices), -EBUSY);
	assert_non_null(strstr(err.text, "cannot attach " VF ", with which goes 0000:01:10.1: it is "
					 "leased for "));
}

/* `vm attach web NAME`, where no VM of this name runs. */
static int attach_to_nobody(const char *name, unsigned force)
{
	char command[] = "attach", vm[] = "web", device[32];
	char *argv[] = { command, vm, device, NULL };
	struct ctx ctx = { .root = kernel.root, .command = &cmd_vm_attach, .force = force };

	snprintf(device, sizeof(device), "%s", name);
	err = (struct err)ERR_INIT;
	return cmd_vm_attach.run(&ctx, 3, argv, &err);
}

static void test_a_guest_that_runs_gets_nothing_of_a_leased_group_either(void **state)
{
	static const struct fake_pci peer = { .bdf = "0000:01:10.1", .ids = "8086:10ca",
					      .driver = "vfio-pci", .group = "21" };

	fake_pci_add(kernel.root, &peer);
	appear();
	lease_to(peer.bdf, 0, 0);
	assert_int_equal(attach_to_nobody(VF, 0), -EBUSY);
	assert_non_null(strstr(err.text, "cannot attach " VF ", with which goes 0000:01:10.1: it is "
					 "leased for "));
	assert_int_equal(attach_to_nobody(peer.bdf, 0), -EBUSY);
	assert_non_null(strstr(err.text, "cannot attach 0000:01:10.1: it is leased for "));
	/* Come to the VM, which is not there. */
	assert_int_equal(attach_to_nobody(VF, 1u << IN_USE_VF_IN_USE), -ESRCH);
	assert_int_equal(attach_to_nobody(OTHER, 0), -ESRCH);
}

/* Nobody asks its VMM, which would wait in the kernel for the device. */
static void refused_as_mute(const char *name, const char *hint)
{
	struct vm_client nobody = VM_CLIENT_INIT;
	struct vm_attach device = { 0 };
	char path[64];
	uint8_t ones[64];

	memset(ones, 0xff, sizeof(ones));
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/config", name);
	fake_put_bytes(kernel.root, path, ones, sizeof(ones));
	assert_int_equal(bdf_parse(name, &device.bdf), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_attach_device(kernel.root, &nobody, &device, &err), -EIO);
	assert_non_null(strstr(err.text, "does not answer"));
	assert_non_null(strstr(err.hint, hint));
}

static void test_what_does_not_answer_is_not_given_to_a_guest_that_runs(void **state)
{
	static const struct fake_pci dead[] = {
		{ .bdf = "0000:03:00.0", .driver = "igb", .total_vfs = 7, .num_vfs = 1 },
		{ .bdf = "0000:03:10.0", .driver = "vfio-pci", .group = "23",
		  .pf = "0000:03:00.0", .vf_index = 0 },
		{ .bdf = "0000:04:00.0", .driver = "vfio-pci", .group = "24" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(dead); i++)
		fake_pci_add(kernel.root, &dead[i]);
	refused_as_mute("0000:03:10.0", "its PF 0000:03:00.0");
	refused_as_mute("0000:04:00.0", "thruway reset 0000:04:00.0");
}

/* Its node cannot be opened while the VMM has it, so the VMM is asked without, and says why. */
static void test_a_group_that_the_vm_still_has_after_an_error_is_not_opened(void **state)
{
	static const struct fake_pci dev = { .bdf = "0000:06:00.0", .driver = "vfio-pci",
					     .group = "26" };
	static const char answers[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"devices\":[],\"closing\":[\"0000:06:00.0\"]}}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"the host still "
		"resets it\",\"data\":{\"errno\":16}}}\n";
	struct vm_client vmm = { .name = "web" };
	struct vm_attach device = { .bdf = { .bus = 6 } };
	int pair[2];

	fake_pci_add(kernel.root, &dev);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	vmm.fd = pair[0];
	assert_int_equal(write(pair[1], answers, strlen(answers)), (ssize_t)strlen(answers));
	assert_int_equal(vm_attach_device(kernel.root, &vmm, &device, &err), -EBUSY);
	assert_non_null(strstr(err.text, "the host still resets it"));
	vm_client_close(&vmm);
	close(pair[1]);
}

static void test_whose_line_others_use_is_refused_before_its_group_is_opened(void **state)
{
	static const struct fake_pci dev = { .bdf = "0000:05:00.0", .driver = "vfio-pci",
					     .group = "25" };
	static struct vmm_config config;
	struct vm_opt_device opts = { .name = "0000:05:00.0" };
	struct vm_client nobody = VM_CLIENT_INIT;
	struct vm_attach device = { .bdf = { .bus = 5 } };
	uint8_t c[256] = { [PCI_INTERRUPT_PIN] = 1 };

	fake_pci_add(kernel.root, &dev);
	fake_put_bytes(kernel.root, "sys/bus/pci/devices/0000:05:00.0/config", c, sizeof(c));
	fake_sysfs_text(kernel.root, "16", "sys/bus/pci/devices/0000:05:00.0/irq");
	fake_sysfs_text(kernel.root, "ehci_hcd:usb1", "sys/kernel/irq/16/actions");
	vm_config_init(&config);
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_open_device(kernel.root, device.bdf, &opts, &config, &err), -EBUSY);
	assert_non_null(strstr(err.text, "shared with ehci_hcd:usb1"));
	assert_int_equal(config.device_count, 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_attach_device(kernel.root, &nobody, &device, &err), -EBUSY);
	assert_non_null(strstr(err.text, "shared with ehci_hcd:usb1"));
	/* Allowed, it comes to what is not there. */
	opts.shared_intx = true;
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_open_device(kernel.root, device.bdf, &opts, &config, &err), -ENOENT);
	assert_int_equal(config.devices[0].intx, VMM_INTX_SHARED);
	vm_config_close(&config);
}

/* Of these two `vm run` alone has --bind. */
static void test_one_that_is_not_bound_is_refused_with_what_the_command_has(void **state)
{
	static const struct fake_pci dev = { .bdf = "0000:05:00.0", .driver = "igb", .group = "25" };
	static struct vmm_config config;
	struct vm_opt_device opts = { .name = "0000:05:00.0" };
	struct vm_client nobody = VM_CLIENT_INIT;
	struct vm_attach device = { .bdf = { .bus = 5 } };

	fake_pci_add(kernel.root, &dev);
	vm_config_init(&config);
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_open_device(kernel.root, device.bdf, &opts, &config, &err), -EBUSY);
	assert_string_equal(err.hint, "thruway bind 0000:05:00.0, or add --bind to have it done for the VM's "
				      "lifetime");
	vm_config_close(&config);
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_attach_device(kernel.root, &nobody, &device, &err), -EBUSY);
	assert_non_null(strstr(err.text, "it is bound to igb"));
	assert_string_equal(err.hint, "thruway bind 0000:05:00.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_what_a_living_vm_run_bound_is_refused_before_anything),
		TEST(test_what_another_has_open_is_not_given_back),
		TEST(test_one_device_by_two_names_is_refused_before_it_is_bound),
		TEST(test_what_is_leased_to_another_is_refused),
		TEST(test_what_is_bound_and_leased_to_another_is_refused),
		TEST(test_the_holder_may_have_it_and_so_may_what_it_started),
		TEST(test_the_user_whose_node_it_is_may_have_it),
		TEST(test_what_shares_a_group_with_a_leased_one_is_refused),
		TEST(test_a_guest_that_runs_gets_nothing_of_a_leased_group_either),
		TEST(test_what_does_not_answer_is_not_given_to_a_guest_that_runs),
		TEST(test_a_group_that_the_vm_still_has_after_an_error_is_not_opened),
		TEST(test_whose_line_others_use_is_refused_before_its_group_is_opened),
		TEST(test_one_that_is_not_bound_is_refused_with_what_the_command_has),
#undef TEST
	};

	return cmocka_run_group_tests_name("vm_devices", tests, NULL, NULL);
}
