// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices that an error takes out of a guest: which come back, with what, and which do not. */
#include "tools/vm_return.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_attach.h"
#include "tools/vm_client.h"
#include "vfio/hotplug.h"

#define DEVICE "0000:01:00.0"
#define OLD    "0000:04:01.0"
#define VMM    812
#define TOKEN  "00112233-4455-6677-8899-aabbccddeeff"

/* Two ticks of half a second are what it takes, four the second time; none in so long is none. */
#define LONG_NS	  (2500ull * 1000000)
/* Of what does come, and ends the wait: a busy machine's. */
#define LONGER_NS (30000ull * 1000000)

static int root, uevent = -1, limit = -1;
static struct loop *loop;
static struct vm_return *watched;
static struct hotplug_event told; /* the next uevent; its action is "" when it was taken */

static unsigned attached;
static struct vm_attach attach; /* what came back last */
static char token[40];

/* --- the kernel and the VM ----------------------------------------------------------------------- */

int __wrap_hotplug_open(int r, struct hotplug **ret, struct err *err);
void __wrap_hotplug_close(struct hotplug *h);
int __wrap_hotplug_fd(struct hotplug *h);
int __wrap_hotplug_next(struct hotplug *h, struct hotplug_event *ret);
int __wrap_vm_client_open(int r, const char *name, struct vm_client *ret, struct err *err);
int __wrap_vm_attach_device(int r, struct vm_client *vm, const struct vm_attach *device,
			    struct err *err);

int __wrap_hotplug_open(int r, struct hotplug **ret, struct err *err)
{
	uevent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*ret = NULL;
	return uevent < 0 ? -errno : 0;
}

void __wrap_hotplug_close(struct hotplug *h)
{
	close_fdp(&uevent);
}

int __wrap_hotplug_fd(struct hotplug *h)
{
	return uevent;
}

int __wrap_hotplug_next(struct hotplug *h, struct hotplug_event *ret)
{
	eventfd_t n;

	(void)eventfd_read(uevent, &n);
	if (!told.action[0])
		return 0;
	*ret = told;
	told.action[0] = '\0';
	return 1;
}

int __wrap_vm_client_open(int r, const char *name, struct vm_client *ret, struct err *err)
{
	assert_string_equal(name, "web");
	*ret = (struct vm_client)VM_CLIENT_INIT;
	return 0;
}

int __wrap_vm_attach_device(int r, struct vm_client *vm, const struct vm_attach *device,
			    struct err *err)
{
	attach = *device;
	snprintf(token, sizeof(token), "%s", device->token);
	attached++;
	loop_quit(loop, 0);
	return 0;
}

static void on_limit(void *opaque, int fd)
{
	loop_quit(loop, 0);
}

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "proc/812/fd/0", .link = "/dev/null" },
		{ "proc/812/fd/7", .link = "/dev/vfio/42" },
		{ 0 },
	};
	struct vm_return_config c = { .vm = "web", .vmm = VMM };

	root = fake_sysfs(nodes);
	fake_pci_add(root, &(struct fake_pci){ .bdf = DEVICE, .driver = "vfio-pci", .group = "42" });
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:02:00.0", .driver = "vfio-pci",
					       .group = "43" });
	fake_pci_add(root, &(struct fake_pci){ .bdf = OLD, .driver = "vfio-pci", .group = "42",
					       .conventional = true });
	attached = 0;
	loop = loop_new();
	c.root = root;
	c.loop = loop;
	assert_int_equal(vm_return_new(&c, &watched, NULL), 0);
	assert_int_equal(loop_timer_new(loop, on_limit, NULL, &limit), 0);
	return 0;
}

static int teardown(void **state)
{
	watched = vm_return_free(watched);
	loop_del(loop, limit);
	close_fdp(&limit);
	loop_free(loop);
	fake_sysfs_free(&root);
	return 0;
}

static void arrives(const char *name, uint32_t node, const char *with)
{
	struct vmm_device device = { .node = node, .rom_fd = -1 };

	snprintf(device.name, sizeof(device.name), "%s", name);
	snprintf(device.token, sizeof(device.token), "%s", with);
	vm_return_added(watched, &device);
}

static void arrives_sharing(uint32_t intx)
{
	vm_return_added(watched, &(struct vmm_device){ .name = DEVICE, .rom_fd = -1, .intx = intx });
}

static void fails_within(const char *name, uint64_t ns)
{
	vm_return_event(watched, VM_DEVICE_ERROR, name);
	vm_return_event(watched, VM_DEVICE_REMOVED, name);
	told = (struct hotplug_event){ .action = "change", .error = "SUCCESSFUL_RECOVERY" };
	assert_int_equal(bdf_parse(name, &told.bdf), 0);
	assert_int_equal(eventfd_write(uevent, 1), 0);
	assert_int_equal(loop_timer_arm(limit, ns), 0);
	assert_int_equal(loop_run(loop), 0);
}

static void fails_and_recovers(const char *name)
{
	fails_within(name, LONGER_NS);
}

/* --- */

static void test_one_that_was_attached_comes_back_as_it_was(void **state)
{
	arrives(DEVICE, 1, TOKEN);
	fails_and_recovers(DEVICE);
	assert_int_equal(attached, 1);
	assert_string_equal(BDF_STR(attach.bdf), DEVICE);
	assert_string_equal(token, TOKEN);
	assert_int_equal(attach.node, 1);
}

/* It is the latest attach that counts. */
static void test_one_that_was_attached_again_comes_back_as_the_second_time(void **state)
{
	arrives(DEVICE, 1, TOKEN);
	vm_return_event(watched, VM_DEVICE_REMOVED, DEVICE); /* by `vm detach` */
	arrives(DEVICE, 0, "");
	fails_and_recovers(DEVICE);
	assert_int_equal(attached, 1);
	assert_string_equal(token, "");
	assert_int_equal(attach.node, 0);
}

static void test_one_that_may_share_its_line_comes_back_so(void **state)
{
	arrives_sharing(VMM_INTX_SHARED);
	fails_and_recovers(DEVICE);
	assert_true(attached == 1 && attach.shared_intx);
}

/* The permission is of each attach. */
static void test_one_that_may_share_its_line_the_second_time_comes_back_so(void **state)
{
	arrives_sharing(VMM_INTX_WITHHELD);
	vm_return_event(watched, VM_DEVICE_REMOVED, DEVICE);
	arrives_sharing(VMM_INTX_SHARED);
	fails_and_recovers(DEVICE);
	assert_true(attached == 1 && attach.shared_intx);
	vm_return_event(watched, VM_DEVICE_REMOVED, DEVICE);
	arrives_sharing(VMM_INTX_OWN);
	fails_and_recovers(DEVICE);
	assert_true(attached == 2 && !attach.shared_intx);
}

static void test_one_that_was_detached_does_not(void **state)
{
	arrives(DEVICE, 0, "");
	vm_return_event(watched, VM_DEVICE_REMOVED, DEVICE);
	assert_int_equal(loop_timer_arm(limit, LONG_NS), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(attached, 0);
}

/* What a VMM says that was taken over must not give it what nobody gave it. */
static void test_one_whose_group_the_vmm_does_not_have_does_not(void **state)
{
	arrives("0000:02:00.0", 0, "");
	fails_within("0000:02:00.0", LONG_NS);
	assert_int_equal(attached, 0);
}

/* No slot would take it, so nobody tries. */
static void test_a_conventional_one_does_not(void **state)
{
	arrives(OLD, 0, "");
	fails_within(OLD, LONG_NS);
	assert_int_equal(attached, 0);
}

static void test_what_is_no_device_is_none(void **state)
{
	arrives("", 0, "");
	arrives("../../etc/passwd", 0, "");
	arrives("0000:09:00.0", 0, "");
	vm_return_event(watched, VM_DEVICE_ERROR, "0000:09:00.0");
	vm_return_added(NULL, &(struct vmm_device){ .name = DEVICE });
	vm_return_event(NULL, VM_DEVICE_ERROR, DEVICE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_one_that_was_attached_comes_back_as_it_was),
		TEST(test_one_that_was_attached_again_comes_back_as_the_second_time),
		TEST(test_one_that_may_share_its_line_comes_back_so),
		TEST(test_one_that_may_share_its_line_the_second_time_comes_back_so),
		TEST(test_one_that_was_detached_does_not),
		TEST(test_one_whose_group_the_vmm_does_not_have_does_not),
		TEST(test_a_conventional_one_does_not),
		TEST(test_what_is_no_device_is_none),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests_name("vm_return", tests, NULL, NULL);
}
