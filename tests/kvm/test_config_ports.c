// SPDX-License-Identifier: GPL-2.0-or-later
/* Ports 0xcf8 to 0xcff against the kernel: cheap while they are used, and a reset is never late. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/resource.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/loop.h"
#include "base/size.h"
#include "vmm/bus.h"
#include "vmm/coalesced.h"
#include "vmm/cpu_model.h"
#include "vmm/mem.h"
#include "vmm/memslot.h"
#include "vmm/pci/pci.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86/cpuid.h"

#define CODE	 0x1000
#define RAM_SIZE 0x10000


static struct vm vm;
static int kvm;

/* Real mode at CODE. */
static int enter(void)
{
	struct kvm_regs r = { .rip = CODE, .rflags = 2, .rsp = 0x8000 };
	struct kvm_sregs s;
	int fd = vm.vcpus[0].fd, e = SIZED_IOCTL(fd, KVM_GET_SREGS, &s);

	s.cs.base = s.cs.selector = 0;
	if (e >= 0)
		e = SIZED_IOCTL(fd, KVM_SET_SREGS, &s);
	return e < 0 ? e : SIZED_IOCTL(fd, KVM_SET_REGS, &r);
}

static void stop(void *opaque, int fd)
{
	loop_quit(vm.loop, 0);
}

static void lock(void *opaque)
{
	vm_lock(opaque);
}

static void unlock(void *opaque)
{
	vm_unlock(opaque);
}

static int build(void)
{
	struct mem_config ram = { .nodes = 1, .node = &(struct mem_node){ .size = RAM_SIZE } };
	struct pci_config pci = { .nodes = 1 };
	int r = vm_new(&vm, kvm, 1, NULL);

	if (r == 0)
		r = mem_new(&ram, &vm.mem, NULL);
	if (r == 0)
		r = memslots_back_ram(vm.slots, vm.mem, NULL);
	if (r == 0)
		r = vcpus_new(&vm, NULL);
	if (r == 0)
		r = x86_cpuid_set_all(&vm, &(struct cpu_model){ 0 }, 64, NULL);
	if (r < 0)
		return r;
	coalesced_init(&vm);
	loop_hooks(vm.loop, lock, unlock, &vm);
	r = loop_add(vm.loop, vm.request_fd, stop, NULL);
	if (r == 0)
		r = pci_new(&vm, &pci, &vm.pci, NULL);
	return r < 0 ? r : pci_assign(vm.pci, NULL);
}

static int setup(void **state)
{
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return kvm < 0 ? 0 : build();
}

static int teardown(void **state)
{
	if (kvm < 0)
		return 0;
	vcpus_free(&vm);
	vm.pci = pci_free(vm.pci);
	vm_fini(&vm);
	mem_free(vm.mem);
	close(kvm);
	return 0;
}

/* Run the code until the guest asks for something, for 2 s at most. */
static enum vm_request run(const uint8_t *code, size_t len)
{
	int timer;

	if (kvm < 0) {
		print_message("no usable /dev/kvm here\n");
		skip();
	}
	memcpy(gmem_ptr(vm.mem, CODE, len), code, len);
	assert_true(enter() >= 0);
	assert_int_equal(loop_timer_new(vm.loop, stop, NULL, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, 2000000000), 0);
	assert_int_equal(vcpus_start(&vm, NULL), 0);
	assert_int_equal(loop_run(vm.loop), 0);
	loop_del(vm.loop, timer);
	close(timer);
	vcpus_pause(&vm);
	return vm_take_request(&vm);
}

static void test_a_reset_does_not_wait_for_another_access(void **state)
{
	static const uint8_t code[] = {
		0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, /* mov dx, 0xcf9; mov al, 6; out dx, al */
		0xf4, 0xeb, 0xfd,		    /* hlt */
	};

	assert_int_equal(run(code, sizeof(code)), VM_REBOOT);
	assert_int_equal(vm.vcpus[0].stats.pio, 1);
}

/* A thousand times "choose a register, read it": an exit for each read, none for the choice. */
#define SCAN                                                                            \
	0xb9, 0xe8, 0x03,			/* mov cx, 1000 */                      \
	0xba, 0xf8, 0x0c,			/* again: mov dx, 0xcf8 */              \
	0x66, 0xb8, 0x00, 0x00, 0x00, 0x80,	/* mov eax, 0x80000000 */               \
	0x66, 0xef,				/* out dx, eax */                       \
	0xba, 0xfc, 0x0c,			/* mov dx, 0xcfc */                     \
	0x66, 0xed,				/* in eax, dx */                        \
	0xe2, 0xee				/* loop again */

static long cpu_ms(const struct rusage *r)
{
	return (r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1000 +
	       (r->ru_utime.tv_usec + r->ru_stime.tv_usec) / 1000;
}

static void test_choosing_a_register_needs_no_exit(void **state)
{
	static const uint8_t code[] = { SCAN, 0xf4, 0xeb, 0xfd };
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	assert_int_equal(run(code, sizeof(code)), VM_RUN);
	if (!vm.ring)
		skip();
	/* For most of those 2 s the guest halts and the loop has nothing to do. */
	getrusage(RUSAGE_THREAD, &after);
	assert_true(cpu_ms(&after) - cpu_ms(&before) < 500);
	/* Where the machine is so slow that the burst ends meanwhile, some more. */
	assert_in_range(vm.vcpus[0].stats.pio, 1001, 1200);
}

static void test_a_reset_right_after_a_scan_comes_too(void **state)
{
	static const uint8_t code[] = {
		SCAN,
		0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, /* mov dx, 0xcf9; mov al, 6; out dx, al */
		0xeb, 0xfe,			    /* jmp $ */
	};

	assert_int_equal(run(code, sizeof(code)), VM_REBOOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_reset_does_not_wait_for_another_access),
		T(test_choosing_a_register_needs_no_exit),
		T(test_a_reset_right_after_a_scan_comes_too),
#undef T
	};

	return cmocka_run_group_tests_name("config_ports_kvm", tests, NULL, NULL);
}
