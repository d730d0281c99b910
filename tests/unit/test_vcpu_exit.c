// SPDX-License-Identifier: GPL-2.0-or-later
/* What each return of KVM_RUN means for the machine. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/eventfd.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "base/loop.h"
#include "tests/fake/ioctl.h"
#include "vmm/bar_fault.h"
#include "vmm/bus.h"
#include "vmm/memslot.h"
#include "vmm/vcpu.h"
#include "vmm/vcpu_exit.h"
#include "vmm/vm.h"

#define VM_FD	     1000
#define VCPU_FD	     1001
#define BAR	     0x10000000
#define MEMORY_FAULT 39

static struct fixture {
	struct vm vm;
	struct vcpu cpu;
	union {
		struct kvm_run run;
		uint8_t page[8192];
	} u;
	unsigned slots; /* KVM's count of mapped ones */
} f;

static char bar[8192] __attribute__((aligned(4096)));

static bool answers(struct memslot_owner *owner)
{
	return true;
}

static struct memslot_owner owner = { .name = "0000:01:10.0", .answers = answers };

static int vm_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_userspace_memory_region *r = arg;

	if (request == KVM_CHECK_EXTENSION)
		return 16;
	assert_int_equal(request, KVM_SET_USER_MEMORY_REGION);
	f.slots += r->memory_size ? 1 : -1;
	return 0;
}

static int vcpu_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	assert_true(request == KVM_GET_REGS || request == KVM_GET_SREGS);
	memset(arg, 0, request == KVM_GET_REGS ? sizeof(struct kvm_regs) : sizeof(struct kvm_sregs));
	return 0;
}

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	fake_ioctl_reset();
	fake_ioctl_handle(VM_FD, vm_ioctl, NULL);
	fake_ioctl_handle(VCPU_FD, vcpu_ioctl, NULL);
	log_set_level(LOG_QUIET);
	f.vm.fd = VM_FD;
	pthread_mutex_init(&f.vm.lock, NULL);
	f.vm.request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f.vm.pio = bus_new();
	f.vm.mmio = bus_new();
	f.vm.loop = loop_new();
	f.cpu = (struct vcpu){ .vm = &f.vm, .fd = VCPU_FD, .run = &f.u.run };
	return memslots_new(VM_FD, &f.vm.slots);
}

static int teardown(void **state)
{
	bar_faults_free(f.vm.bar_faults);
	memslots_free(f.vm.slots);
	loop_free(f.vm.loop);
	bus_free(f.vm.pio);
	bus_free(f.vm.mmio);
	close(f.vm.request_fd);
	return fake_ioctl_done() ? 0 : -1;
}

static void test_exits_that_end_the_machine_say_why(void **state)
{
	static const struct {
		uint32_t exit, detail;
		enum vm_request why;
		const char *says;
	} rows[] = {
		{ KVM_EXIT_SHUTDOWN, 0, VM_CRASH, "triple fault" },
		{ KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_EMULATION, VM_CRASH, "emulate" },
		{ KVM_EXIT_INTERNAL_ERROR, 3, VM_CRASH, "internal error 3" },
		{ KVM_EXIT_FAIL_ENTRY, 0, VM_CRASH, "refused" },
		{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_SHUTDOWN, VM_POWEROFF, NULL },
		{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_RESET, VM_REBOOT, NULL },
		{ KVM_EXIT_SYSTEM_EVENT, KVM_SYSTEM_EVENT_CRASH, VM_CRASH, "crashed" },
		{ 4711, 0, VM_CRASH, "4711" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		f.vm.crash = (struct err)ERR_INIT;
		memset(&f.u, 0, sizeof(f.u));
		f.u.run.exit_reason = rows[i].exit;
		put_le32(f.u.run.padding, rows[i].detail); /* suberror and type come first */
		assert_false(vcpu_handle_exit(&f.cpu));
		assert_int_equal(vm_take_request(&f.vm), rows[i].why);
		if (rows[i].says)
			assert_non_null(strstr(f.vm.crash.text, rows[i].says));
	}
}

/* Its CPU is stopped at that write, and another one's triple fault is one all the same. */
static void test_a_guest_that_is_to_stand_goes_no_further(void **state)
{
	f.u.run.exit_reason = KVM_EXIT_IO;
	f.u.run.io.direction = KVM_EXIT_IO_OUT;
	f.u.run.io.size = f.u.run.io.count = 1;
	f.u.run.io.port = 0x99;
	f.u.run.io.data_offset = 4096;
	assert_true(vcpu_handle_exit(&f.cpu));
	vm_request(&f.vm, VM_PAUSE);
	assert_false(vcpu_handle_exit(&f.cpu));
	f.u.run.exit_reason = KVM_EXIT_SHUTDOWN;
	assert_false(vcpu_handle_exit(&f.cpu));
	assert_int_equal(vm_take_request(&f.vm), VM_CRASH);
}

static void test_exits_without_meaning_go_on(void **state)
{
	static const uint32_t rows[] = { KVM_EXIT_INTR, KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_HLT };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		f.u.run.exit_reason = rows[i];
		assert_true(vcpu_handle_exit(&f.cpu));
	}
	assert_true(vcpu_handle_error(&f.cpu, -EINTR));
	assert_true(vcpu_handle_error(&f.cpu, -EAGAIN));
	assert_int_equal(vm_take_request(&f.vm), VM_RUN);
	assert_int_equal(f.cpu.stats.interrupted, 2);
}

static void test_string_io_is_dispatched_element_by_element(void **state)
{
	f.u.run.exit_reason = KVM_EXIT_IO;
	f.u.run.io.direction = KVM_EXIT_IO_IN;
	f.u.run.io.size = 2;
	f.u.run.io.count = 3;
	f.u.run.io.port = 0x1234;
	f.u.run.io.data_offset = 4096;
	assert_true(vcpu_handle_exit(&f.cpu));
	assert_memory_equal(f.u.page + 4096, "\xff\xff\xff\xff\xff\xff\0", 7);
}

static void test_a_fault_on_a_bar_is_answered_and_counted(void **state)
{
	unsigned slot;

	assert_int_equal(memslot_set(f.vm.slots, BAR, 4096, bar, false, &owner, &slot), 0);
	f.u.run.exit_reason = MEMORY_FAULT;
	put_le64(f.u.run.padding + 8, BAR + 0x123);
	assert_true(vcpu_handle_error(&f.cpu, -EFAULT));
	assert_int_equal(f.slots, 0);
	assert_int_equal(f.cpu.stats.bar_faults, 1);
	assert_int_equal(vm_take_request(&f.vm), VM_RUN);
}

static void test_a_fault_elsewhere_leaves_bars_alone_and_ends_it(void **state)
{
	unsigned slot, tries = 0;

	assert_int_equal(memslot_set(f.vm.slots, BAR, 4096, bar, false, &owner, &slot), 0);
	f.u.run.exit_reason = MEMORY_FAULT;
	put_le64(f.u.run.padding + 8, 0x1000);
	while (vcpu_handle_error(&f.cpu, -EFAULT))
		assert_true(++tries < 100);
	assert_int_equal(f.slots, 1);
	assert_int_equal(vm_take_request(&f.vm), VM_CRASH);
	assert_non_null(strstr(f.vm.crash.text, "Bad address"));
}

/* Kernels before 6.8 do not tell the address. */
static void test_a_fault_of_unknown_address_takes_every_bar(void **state)
{
	unsigned slot;

	assert_int_equal(memslot_set(f.vm.slots, BAR, 4096, bar, false, &owner, &slot), 0);
	assert_int_equal(memslot_set(f.vm.slots, 2 * BAR, 4096, bar + 4096, false, &owner, &slot), 0);
	f.u.run.exit_reason = KVM_EXIT_UNKNOWN;
	assert_true(vcpu_handle_error(&f.cpu, -EFAULT));
	assert_int_equal(f.slots, 0);
}

/* Any exit between them shows that the guest gets on. */
static void test_only_faults_in_a_row_are_fatal(void **state)
{
	for (unsigned i = 0; i < 100; i++) {
		f.u.run.exit_reason = KVM_EXIT_UNKNOWN;
		assert_true(vcpu_handle_error(&f.cpu, -EFAULT));
		f.u.run.exit_reason = KVM_EXIT_INTR;
		assert_true(vcpu_handle_exit(&f.cpu));
	}
}

static void test_other_errors_of_kvm_run_are_a_crash(void **state)
{
	assert_false(vcpu_handle_error(&f.cpu, -EINVAL));
	assert_int_equal(vm_take_request(&f.vm), VM_CRASH);
	assert_non_null(strstr(f.vm.crash.text, "Invalid argument"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_exits_that_end_the_machine_say_why),
		T(test_exits_without_meaning_go_on),
		T(test_a_guest_that_is_to_stand_goes_no_further),
		T(test_string_io_is_dispatched_element_by_element),
		T(test_a_fault_on_a_bar_is_answered_and_counted),
		T(test_a_fault_elsewhere_leaves_bars_alone_and_ends_it),
		T(test_a_fault_of_unknown_address_takes_every_bar),
		T(test_only_faults_in_a_row_are_fatal),
		T(test_other_errors_of_kvm_run_are_a_crash),
#undef T
	};

	return cmocka_run_group_tests_name("vcpu_exit", tests, NULL, NULL);
}
