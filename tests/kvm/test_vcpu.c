// SPDX-License-Identifier: GPL-2.0-or-later
/* vCPUs against the kernel, with real-mode payloads of a few bytes. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/size.h"
#include "vmm/bus.h"
#include "vmm/coalesced.h"
#include "vmm/cpu_model.h"
#include "vmm/mem.h"
#include "vmm/kvm_stats.h"
#include "vmm/memslot.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86/cpuid.h"
#include "vmm/x86/state.h"

#define CODE	 0x1000
#define CODE_2	 0x2000
#define PORT	 0x500
#define MMIO	 0xd0000
#define RAM_SIZE 0x10000


static struct machine {
	int kvm;
	struct vm vm;
	uint8_t *ram;
	/* What the device on both buses saw; under vm_lock(). */
	unsigned writes, reads;
	uint64_t last_off;
	uint32_t last_value;
	unsigned last_len;
	uint32_t history[8];
} m;

static void dev_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	m.reads++;
	m.last_off = off;
	memset(data, 0x40, len);
}

static void dev_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	m.last_value = 0;
	memcpy(&m.last_value, data, len);
	m.last_off = off;
	m.last_len = len;
	m.history[m.writes % ARRAY_SIZE(m.history)] = (uint32_t)off << 8 | data[0];
	m.writes++;
}

static const struct bus_ops dev_ops = { dev_read, dev_write };

static void reset_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	assert_int_equal(off, 1);
	vm_request(&m.vm, VM_REBOOT);
}

static const struct bus_ops reset_ops = { dev_read, reset_write };

static void pause_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	vm_request(&m.vm, VM_PAUSE);
}

static const struct bus_ops pause_ops = { dev_read, pause_write };

/* Real mode at CODE with DS over the MMIO page. */
static void enter_at(uint64_t rip)
{
	struct kvm_sregs s;
	struct kvm_regs r = { .rip = rip, .rdx = PORT, .rflags = 2, .rsp = 0x8000 };
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE }; /* no longer halted */
	int fd = m.vm.vcpus[0].fd;

	assert_true(SIZED_IOCTL(fd, KVM_SET_MP_STATE, &mp) >= 0);
	assert_true(SIZED_IOCTL(fd, KVM_GET_SREGS, &s) >= 0);
	s.cs.base = s.cs.selector = 0;
	s.ds.base = MMIO;
	s.ds.selector = MMIO >> 4;
	assert_true(SIZED_IOCTL(fd, KVM_SET_SREGS, &s) >= 0);
	assert_true(SIZED_IOCTL(fd, KVM_SET_REGS, &r) >= 0);
}

static int build(void)
{
	struct mem_config ram = { .nodes = 1, .node = &(struct mem_node){ .size = RAM_SIZE } };
	int r = vm_new(&m.vm, m.kvm, 1, NULL);

	if (r < 0)
		return r;
	if (mem_new(&ram, &m.vm.mem, NULL) < 0 ||
	    memslots_back_ram(m.vm.slots, m.vm.mem, NULL) < 0)
		return -1;
	m.ram = gmem_ptr(m.vm.mem, 0, RAM_SIZE);
	if (bus_add(m.vm.pio, PORT, 16, "test", &dev_ops, NULL, NULL) < 0 ||
	    bus_add(m.vm.mmio, MMIO, 4096, "test", &dev_ops, NULL, NULL) < 0)
		return -1;
	r = vcpus_new(&m.vm, NULL);
	return r < 0 ? r : x86_cpuid_set_all(&m.vm, &(struct cpu_model){ 0 }, 64, NULL);
}

static int setup(void **state)
{
	memset(&m, 0, sizeof(m));
	m.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return m.kvm < 0 ? 0 : build();
}

static int teardown(void **state)
{
	if (m.kvm < 0)
		return 0;
	vcpus_free(&m.vm);
	vm_fini(&m.vm);
	mem_free(m.vm.mem);
	close(m.kvm);
	return 0;
}

static void start(const uint8_t *code, size_t len)
{
	if (m.kvm < 0) {
		print_message("no usable /dev/kvm here\n");
		skip();
	}
	memcpy(m.ram + CODE, code, len);
	enter_at(CODE);
	assert_int_equal(vcpus_start(&m.vm, NULL), 0);
}

/* Until the device saw n writes; fails after 5 s. */
static void wait_writes(unsigned n)
{
	for (unsigned i = 0; i < 5000; i++) {
		unsigned seen;

		vm_lock(&m.vm);
		seen = m.writes;
		vm_unlock(&m.vm);
		if (seen >= n)
			return;
		usleep(1000);
	}
	fail_msg("the guest did not get there");
}

static enum vm_request wait_request(void)
{
	enum vm_request why = VM_RUN;

	for (unsigned i = 0; i < 5000 && why == VM_RUN; i++) {
		usleep(1000);
		why = vm_take_request(&m.vm);
	}
	return why;
}

static void test_ports_and_mmio_reach_the_buses(void **state)
{
	static const uint8_t code[] = {
		0xec,		  /* in al, dx */
		0xfe, 0xc0,	  /* inc al */
		0xee,		  /* out dx, al */
		0xa2, 0x10, 0x00, /* mov [0x10], al */
		0xa1, 0x20, 0x00, /* mov ax, [0x20] */
		0x42, 0xef,	  /* inc dx; out dx, ax */
		0xf4, 0xeb, 0xfd, /* hlt */
	};

	start(code, sizeof(code));
	wait_writes(3);
	vcpus_pause(&m.vm);
	assert_int_equal(m.reads, 2);
	assert_int_equal(m.last_off, 1);
	assert_int_equal(m.last_len, 2);
	assert_int_equal(m.last_value, 0x4040);
	assert_int_equal(m.vm.vcpus[0].stats.pio, 3);
	assert_int_equal(m.vm.vcpus[0].stats.mmio, 2);
	assert_true(m.vm.vcpus[0].stats.exits >= 5);
	vcpus_resume(&m.vm);
}

static void test_kvms_own_counts_are_read_while_the_guest_runs(void **state)
{
	static const uint8_t code[] = { 0xec, 0xeb, 0xfd /* again: in al, dx; jmp again */ };
	json_t *vcpu, *vm;
	int fd;

	start(code, sizeof(code));
	usleep(20000);
	vcpus_pause(&m.vm);
	m.vm.vcpus[0].stats_fd = kvm_stats_open(m.vm.vcpus[0].fd);
	vcpus_resume(&m.vm);
	if (m.vm.vcpus[0].stats_fd == -ENOTTY) {
		print_message("this KVM has no binary statistics (before Linux 5.14)\n");
		skip();
	}
	assert_int_equal(kvm_stats_read(m.vm.vcpus[0].stats_fd, &vcpu), 0);
	assert_true(json_integer_value(json_object_get(vcpu, "exits")) > 0);
	json_decref(vcpu);
	fd = kvm_stats_open(m.vm.fd);
	assert_int_equal(kvm_stats_read(fd, &vm), 0);
	assert_true(json_is_integer(json_object_get(vm, "pages_4k")));
	json_decref(vm);
	close(fd);
	assert_int_equal(kvm_stats_read(-1, &vm), -EBADF);
}

static void test_coalesced_writes_come_in_order_without_exits(void **state)
{
	static const uint8_t code[] = {
		0xb0, 0x01, 0xee, /* mov al, 1; out dx, al */
		0xfe, 0xc0, 0xee, /* inc al; out dx, al */
		0xfe, 0xc0, 0xee, /* again */
		0x42, 0xee,	  /* inc dx; out dx, al: the neighbour exits */
		0xf4, 0xeb, 0xfd,
	};
	static const uint32_t expected[] = { 0x001, 0x002, 0x003, 0x103 };

	if (m.kvm >= 0) {
		coalesced_init(&m.vm);
		if (coalesced_add_port(&m.vm, PORT, 1) < 0) {
			print_message("this KVM does not coalesce ports (before Linux 4.20)\n");
			skip();
		}
	}
	start(code, sizeof(code));
	wait_writes(4);
	vcpus_pause(&m.vm);
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(m.history[i], expected[i]);
	assert_int_equal(m.writes, 4);
	assert_int_equal(m.vm.vcpus[0].stats.pio, 1);
	coalesced_del_port(&m.vm, PORT, 1);
	enter_at(CODE);
	vcpus_resume(&m.vm);
	wait_writes(8);
	assert_int_equal(m.vm.vcpus[0].stats.pio, 5);
}

static void test_ports_may_be_coalesced_from_the_first_exit_on(void **state)
{
	static const uint8_t code[] = {
		0xee, 0xee, 0xee, /* out dx, al: the first one exits */
		0x42, 0xee,	  /* inc dx; out dx, al: the neighbour exits */
		0xf4, 0xeb, 0xfd,
	};

	if (m.kvm >= 0) {
		coalesced_init(&m.vm);
		if (!m.vm.ring)
			skip();
		coalesced_add_later(&m.vm, PORT, 1);
	}
	start(code, sizeof(code));
	wait_writes(4);
	vcpus_pause(&m.vm);
	assert_int_equal(m.writes, 4);
	assert_int_equal(m.vm.vcpus[0].stats.pio, 2);
}

/* More writes than the ring holds: the one that finds it full exits, and none is lost. */
static void test_a_full_ring_loses_nothing(void **state)
{
	static const uint8_t code[] = {
		0xb9, 0xf4, 0x01, /* mov cx, 500 */
		0xee, 0xe2, 0xfd, /* out dx, al; loop */
		0x42, 0xee,	  /* inc dx; out dx, al */
		0xf4, 0xeb, 0xfd,
	};

	if (m.kvm >= 0) {
		coalesced_init(&m.vm);
		if (coalesced_add_port(&m.vm, PORT, 1) < 0)
			skip();
	}
	start(code, sizeof(code));
	wait_writes(501);
	vcpus_pause(&m.vm);
	assert_int_equal(m.writes, 501);
	assert_int_equal(m.history[500 % ARRAY_SIZE(m.history)] >> 8, 1);
	assert_in_range(m.vm.vcpus[0].stats.pio, 2, 10);
}

static void test_unclaimed_ports_read_all_ones(void **state)
{
	static const uint8_t code[] = {
		0xe4, 0x64, /* in al, 0x64: no keyboard controller */
		0xee,	    /* out dx, al */
		0xf4, 0xeb, 0xfd,
	};

	start(code, sizeof(code));
	wait_writes(1);
	assert_int_equal(m.last_value, 0xff);
}

static void test_a_halted_cpu_is_paused_and_resumed_many_times(void **state)
{
	static const uint8_t code[] = { 0xf4, 0xeb, 0xfd };

	start(code, sizeof(code));
	for (unsigned i = 0; i < 500; i++) {
		vcpus_pause(&m.vm);
		vcpus_resume(&m.vm);
	}
	vcpus_pause(&m.vm);
	vcpus_pause(&m.vm); /* again is harmless */
	vcpus_resume(&m.vm);
}

static void test_registers_set_while_paused_stand(void **state)
{
	static const uint8_t in_loop[] = { 0xec, 0xeb, 0xfd }; /* in al, dx; loop */
	static const uint8_t say_b[] = { 0xb0, 'B', 0xee, 0xf4, 0xeb, 0xfd };

	memset(&m.last_value, 0, sizeof(m.last_value));
	if (m.kvm >= 0)
		memcpy(m.ram + CODE_2, say_b, sizeof(say_b));
	start(in_loop, sizeof(in_loop));
	for (unsigned i = 1; i <= 100; i++) {
		usleep(100);
		vcpus_pause(&m.vm);
		enter_at(CODE_2);
		vcpus_resume(&m.vm);
		wait_writes(i);
		assert_int_equal(m.last_value, 'B');
		vcpus_pause(&m.vm);
		enter_at(CODE);
		vcpus_resume(&m.vm);
	}
}

/* Asks KVM for one, because not every KVM arrives there from real mode. */
static void inject_triple_fault(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT, .args = { 1 } };
	struct kvm_vcpu_events events;
	int fd = m.vm.vcpus[0].fd;

	if (SIZED_IOCTL(m.vm.fd, KVM_ENABLE_CAP, &cap) < 0) {
		print_message("this KVM cannot inject a triple fault (before Linux 6.1)\n");
		skip();
	}
	assert_true(SIZED_IOCTL(fd, KVM_GET_VCPU_EVENTS, &events) >= 0);
	events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	events.triple_fault.pending = 1;
	assert_true(SIZED_IOCTL(fd, KVM_SET_VCPU_EVENTS, &events) >= 0);
}

static void test_triple_fault_is_a_crash_and_reset_revives(void **state)
{
	static const uint8_t code[] = { 0xf4, 0xeb, 0xfd };
	static const uint8_t say_b[] = { 0xb0, 'B', 0xee, 0xf4, 0xeb, 0xfd };

	start(code, sizeof(code));
	vcpus_pause(&m.vm);
	inject_triple_fault();
	vcpus_resume(&m.vm);
	assert_int_equal(wait_request(), VM_CRASH);
	assert_non_null(strstr(m.vm.crash.text, "triple fault"));
	vcpus_pause(&m.vm);
	assert_int_equal(vm_reset_irqchip(&m.vm), 0);
	assert_int_equal(x86_state_reset(m.vm.fd, m.vm.vcpus[0].fd, 0), 0);
	memcpy(m.ram + CODE, say_b, sizeof(say_b));
	enter_at(CODE);
	vcpus_resume(&m.vm);
	wait_writes(1);
	assert_int_equal(m.last_value, 'B');
}

/* By a port that is coalesced, and then the guest dies, as Linux does with reboot=pci. */
static void test_a_reset_in_the_ring_comes_before_the_triple_fault(void **state)
{
	static const uint8_t code[] = {
		0xba, 0xf9, 0x0c,	/* mov dx, 0xcf9 */
		0xb0, 0x06, 0xee,	/* mov al, 6; out dx, al */
		0xf4, 0xeb, 0xfd,
	};

	if (m.kvm >= 0) {
		coalesced_init(&m.vm);
		if (coalesced_add_port(&m.vm, 0xcf8, 4) < 0)
			skip();
		assert_int_equal(bus_add(m.vm.pio, 0xcf8, 4, "reset", &reset_ops, NULL, NULL), 0);
	}
	start(code, sizeof(code));
	usleep(100000);
	vcpus_pause(&m.vm);
	assert_int_equal(m.vm.request, VM_RUN);
	inject_triple_fault();
	vcpus_resume(&m.vm);
	assert_int_equal(wait_request(), VM_REBOOT);
}

/* Somebody else (vm stats) stops the CPUs and lets them go before main has seen to it. */
static void test_a_guest_that_is_to_stand_stands_until_main_has_seen_to_it(void **state)
{
	static const uint8_t code[] = {
		0xba, 0x00, 0x06, 0xee, /* mov dx, 0x600; out dx, al: it panicked */
		0xba, 0x00, 0x05, 0xee, /* mov dx, 0x500; out dx, al */
		0xf4, 0xeb, 0xfd,
	};

	if (m.kvm >= 0)
		assert_int_equal(bus_add(m.vm.pio, 0x600, 1, "panic", &pause_ops, NULL, NULL), 0);
	start(code, sizeof(code));
	for (unsigned i = 0; i < 5000 && __atomic_load_n(&m.vm.request, __ATOMIC_ACQUIRE) == VM_RUN; i++)
		usleep(1000);
	for (unsigned i = 0; i < 10; i++) {
		vcpus_pause(&m.vm);
		vcpus_resume(&m.vm);
		usleep(5000);
	}
	vcpus_pause(&m.vm);
	assert_int_equal(m.writes, 0);
	assert_int_equal(vm_take_request(&m.vm), VM_PAUSE);
	vcpus_resume(&m.vm);
	wait_writes(1);
}

static void test_reset_is_power_on_state(void **state)
{
	static const uint8_t code[] = { 0xf4, 0xeb, 0xfd };
	struct kvm_sregs s;
	struct kvm_regs r;
	struct kvm_mp_state mp;

	start(code, sizeof(code));
	vcpus_pause(&m.vm);
	assert_int_equal(x86_state_reset(m.vm.fd, m.vm.vcpus[0].fd, 0), 0);
	assert_true(SIZED_IOCTL(m.vm.vcpus[0].fd, KVM_GET_SREGS, &s) >= 0);
	assert_true(SIZED_IOCTL(m.vm.vcpus[0].fd, KVM_GET_REGS, &r) >= 0);
	assert_true(SIZED_IOCTL(m.vm.vcpus[0].fd, KVM_GET_MP_STATE, &mp) >= 0);
	assert_int_equal(s.cs.base, 0xffff0000);
	assert_int_equal(r.rip, 0xfff0);
	assert_int_equal(s.cr0, 0x60000010);
	assert_int_equal(s.efer, 0);
	assert_int_equal(s.apic_base, 0xfee00900);
	assert_int_equal(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	enter_at(CODE);
	vcpus_resume(&m.vm);
}

static bool answers(struct memslot_owner *owner)
{
	return false;
}

static void test_a_page_that_faults_becomes_mmio(void **state)
{
	static const uint8_t code[] = {
		0xa0, 0x00, 0x10, /* mov al, [0x1000]: a BAR whose device is gone */
		0xee,		  /* out dx, al */
		0xf4, 0xeb, 0xfd,
	};
	_cleanup_close_ int fd = memfd_create("bar", MFD_CLOEXEC);
	struct memslot_owner owner = { .name = "the device", .answers = answers };
	unsigned slot;
	void *bar;

	assert_int_equal(ftruncate(fd, 4096), 0);
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(bar, MAP_FAILED);
	assert_int_equal(ftruncate(fd, 0), 0); /* touching it is SIGBUS now */
	if (m.kvm >= 0)
		assert_int_equal(memslot_set(m.vm.slots, MMIO + 0x1000, 4096, bar, false, &owner,
					     &slot),
				 0);
	start(code, sizeof(code));
	wait_writes(1);
	assert_int_equal(m.last_value, 0xff);
	/* Hardware faults and asks us; where KVM emulates every instruction it sees MMIO at once. */
	assert_true(m.vm.vcpus[0].stats.bar_faults <= 1);
	assert_int_equal(m.vm.vcpus[0].stats.mmio, 1);
	vcpus_pause(&m.vm);
	munmap(bar, 4096);
}

static void test_absurd_cpu_counts_are_refused(void **state)
{
	static const unsigned rows[] = { 0, 256, 100000 };
	struct vm vm;

	if (m.kvm < 0)
		skip();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(vm_new(&vm, m.kvm, rows[i], &err), -EINVAL);
		assert_true(err.usage);
	}
}

static void test_another_device_is_no_kvm(void **state)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err err = ERR_INIT;
	struct vm vm;

	assert_true(vm_new(&vm, null, 1, &err) < 0);
	assert_non_null(strstr(err.text, "not KVM"));
}

/* The last CPU that this process may use. */
static unsigned last_allowed(void)
{
	cpu_set_t set;
	unsigned n = CPU_SETSIZE;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (n-- && !CPU_ISSET(n, &set))
		;
	return n;
}

static void test_threads_run_where_and_as_was_said(void **state)
{
	static const uint8_t code[] = {
		0xee,	    /* again: out dx, al */
		0xeb, 0xfd, /* jmp again */
	};
	struct rlimit before, limit;
	struct sched_param param;
	uint16_t cpu = (uint16_t)last_allowed();
	cpu_set_t set;
	int policy;

	assert_int_equal(getrlimit(RLIMIT_RTPRIO, &before), 0);
	if (before.rlim_max < 1 && geteuid() != 0)
		skip();
	m.vm.host_cpu = &cpu;
	m.vm.fifo = 1;
	start(code, sizeof(code));
	wait_writes(10);
	assert_int_equal(pthread_getaffinity_np(m.vm.vcpus[0].thread, sizeof(set), &set), 0);
	assert_int_equal(CPU_COUNT(&set), 1);
	assert_true(CPU_ISSET(cpu, &set));
	/* As the kernel has it: pthread knows only what it was told. */
	policy = sched_getscheduler(__atomic_load_n(&m.vm.vcpus[0].tid, __ATOMIC_ACQUIRE));
	assert_int_equal(policy, SCHED_FIFO | SCHED_RESET_ON_FORK);
	assert_int_equal(sched_getparam(m.vm.vcpus[0].tid, &param), 0);
	assert_int_equal(param.sched_priority, 1);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	assert_int_equal(getrlimit(RLIMIT_RTPRIO, &limit), 0);
	assert_int_equal(limit.rlim_max, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_ports_and_mmio_reach_the_buses),
		T(test_kvms_own_counts_are_read_while_the_guest_runs),
		T(test_coalesced_writes_come_in_order_without_exits),
		T(test_ports_may_be_coalesced_from_the_first_exit_on),
		T(test_a_full_ring_loses_nothing),
		T(test_unclaimed_ports_read_all_ones),
		T(test_a_halted_cpu_is_paused_and_resumed_many_times),
		T(test_registers_set_while_paused_stand),
		T(test_triple_fault_is_a_crash_and_reset_revives),
		T(test_a_reset_in_the_ring_comes_before_the_triple_fault),
		T(test_a_guest_that_is_to_stand_stands_until_main_has_seen_to_it),
		T(test_reset_is_power_on_state),
		T(test_a_page_that_faults_becomes_mmio),
		T(test_absurd_cpu_counts_are_refused),
		T(test_another_device_is_no_kvm),
		T(test_threads_run_where_and_as_was_said),
#undef T
	};

	return cmocka_run_group_tests_name("vcpu_kvm", tests, NULL, NULL);
}
