// SPDX-License-Identifier: GPL-2.0-or-later
/* AMX: its state is asked for in time, shown as a whole or not at all, and reset in its full size. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "tests/fake/ioctl.h"
#include "vmm/cpu_model.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86/cpuid.h"
#include "vmm/x86/state.h"

enum { KVM = 1000, VM, VCPU };

#define REQUEST_GUEST_PERM 0x1025
#define TILE_CONFIG (1u << 17)
#define TILE_DATA (1u << 18)
#define TILES (TILE_CONFIG | TILE_DATA)
#define AMX_7_0_EDX (1u << 22 | 1u << 24 | 1u << 25)
#define XSAVE_SIZE 11008

/* KVM, and the kernel's arch_prctl. */
static struct {
	uint64_t supported;	/* by guests; 0: this KVM has no such attribute */
	unsigned asked, vcpus;	/* how often */
	unsigned vcpus_before;	/* when it was asked */
	unsigned long component;
	bool refuses, host_lacks_it;
	uint32_t xcr0, amx; /* leaf 0xd; flags of leaf 7 */
	int xsave_size;
	size_t xsave_room; /* that KVM_SET_XSAVE was given */
	uint64_t xfd_reset;
	union {
		struct kvm_cpuid2 c;
		uint8_t room[sizeof(struct kvm_cpuid2) +
			     CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2)];
	} set;
} k;

long __wrap_syscall(long number, ...);
long __real_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
	unsigned long a[6];
	va_list ap;

	va_start(ap, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (number != SYS_arch_prctl)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	assert_int_equal((uint32_t)a[0], REQUEST_GUEST_PERM);
	k.asked++;
	k.component = a[1];
	k.vcpus_before = k.vcpus;
	errno = EPERM;
	return k.refuses ? -1 : 0;
}

bool __wrap_x86_amx_on_host(void);

bool __wrap_x86_amx_on_host(void)
{
	return !k.host_lacks_it;
}

static int new_vcpu(void)
{
	int fd = memfd_create("vcpu", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 4096), 0);
	k.vcpus++;
	return fd;
}

static int supported_cpuid(struct kvm_cpuid2 *c)
{
	const struct kvm_cpuid_entry2 leaves[] = {
		{ .function = 0, .eax = 0x1e },
		{ .function = 7, .index = 0, .eax = 1, .edx = k.amx | 1 << 4 },
		{ .function = 7, .index = 1, .eax = k.amx ? 1u << 21 | 1 << 4 : 1 << 4,
		  .edx = k.amx ? 1u << 8 : 0 },
		{ .function = 0xd, .index = 0, .eax = 7 | k.xcr0, .ebx = 576, .ecx = XSAVE_SIZE },
		{ .function = 0xd, .index = 1, .eax = 0x1f, .ebx = XSAVE_SIZE },
		{ .function = 0xd, .index = 2, .eax = 256, .ebx = 576 },
		{ .function = 0xd, .index = 17, .eax = 64, .ebx = 2752, .ecx = 2 },
		{ .function = 0xd, .index = 18, .eax = 8192, .ebx = 2816, .ecx = 6 },
		{ .function = 0x1d, .index = 0, .eax = 1 },
		{ .function = 0x1d, .index = 1, .eax = 0x4002000, .ebx = 0x80040, .ecx = 16 },
		{ .function = 0x1e, .index = 0, .ebx = 0x4010 },
	};

	memcpy(c->entries, leaves, sizeof(leaves));
	c->nent = ARRAY_SIZE(leaves);
	return 0;
}

static int kvm(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_device_attr *attr = arg;

	(void)opaque;
	switch (request) {
	case KVM_GET_VCPU_MMAP_SIZE: return 4096;
	case KVM_CREATE_VCPU: return new_vcpu();
	case KVM_GET_SUPPORTED_CPUID: return supported_cpuid(arg);
	case KVM_CHECK_EXTENSION:
		return fd == VM && (uintptr_t)arg == KVM_CAP_XSAVE2 ? k.xsave_size : 0;
	case KVM_GET_DEVICE_ATTR:
		if (!k.supported || fd != KVM || attr->group != 0 || attr->attr != 0)
			return -ENXIO;
		memcpy((void *)(uintptr_t)attr->addr, &k.supported, sizeof(k.supported));
		return 0;
	case KVM_SET_CPUID2:
		memcpy(&k.set, arg, sizeof(k.set.c) + ((struct kvm_cpuid2 *)arg)->nent *
				    sizeof(struct kvm_cpuid_entry2));
		return 0;
	case KVM_SET_XSAVE:
		k.xsave_room = malloc_usable_size(arg);
		return 0;
	case KVM_SET_MSRS:
		if (((struct kvm_msrs *)arg)->entries[0].index == 0x1c4)
			k.xfd_reset++;
		return 1;
	default: return 0;
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&k, 0, sizeof(k));
	fake_ioctl_reset();
	fake_ioctl_handle(-1, kvm, NULL);
	return 0;
}

static struct vm new_vm(void)
{
	struct err err = ERR_INIT;
	struct vm vm = { .kvm_fd = KVM, .fd = VM, .ncpus = 2 };

	assert_int_equal(vcpus_new(&vm, &err), 0);
	assert_int_equal(k.vcpus, 2);
	return vm;
}

static void test_the_tiles_are_asked_for_before_the_first_cpu(void **state)
{
	static const struct {
		uint64_t supported;
		bool refuses;
		unsigned asked;
	} rows[] = { { 7 | TILES, false, 1 }, { 7 | TILES, true, 1 }, { 7, false, 0 },
		     { 7 | TILE_CONFIG, false, 0 }, { 0, false, 0 } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm vm;

		setup(state);
		k.supported = rows[i].supported;
		k.refuses = rows[i].refuses;
		vm = new_vm();
		vcpus_free(&vm);
		assert_int_equal(k.asked, rows[i].asked);
		assert_int_equal(k.vcpus_before, 0);
		if (k.asked)
			assert_int_equal(k.component, 18);
	}
}

static void test_a_host_without_amx_is_not_asked(void **state)
{
	struct vm vm;

	(void)state;
	k.supported = 7 | TILES;
	k.host_lacks_it = true;
	vm = new_vm();
	vcpus_free(&vm);
	assert_int_equal(k.asked, 0);
}

static const struct kvm_cpuid_entry2 *shown(uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < k.set.c.nent; i++)
		if (k.set.c.entries[i].function == function && k.set.c.entries[i].index == index)
			return &k.set.c.entries[i];
	fail_msg("no leaf %x.%u", function, index);
	return NULL;
}

static bool empty(uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *e = shown(function, index);

	return !(e->eax | e->ebx | e->ecx | e->edx);
}

static void test_amx_is_there_as_a_whole_or_not_at_all(void **state)
{
	static const struct {
		uint32_t xcr0, amx;
		bool whole;
	} rows[] = { { TILES, AMX_7_0_EDX, true }, { TILE_CONFIG, AMX_7_0_EDX, false },
		     { TILE_DATA, AMX_7_0_EDX, false }, { 0, AMX_7_0_EDX, false },
		     { TILE_CONFIG, 0, false } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		bool whole = rows[i].whole;
		struct vm vm;

		setup(state);
		k.xcr0 = rows[i].xcr0;
		k.amx = rows[i].amx;
		vm = new_vm();
		assert_int_equal(x86_cpuid_set_all(&vm, &(struct cpu_model){ 0 }, 64, NULL), 0);
		vcpus_free(&vm);
		assert_int_equal(shown(0xd, 0)->eax, whole ? 7 | TILES : 7);
		assert_int_equal(shown(0xd, 0)->ecx, whole ? XSAVE_SIZE : 832);
		assert_int_equal(shown(7, 0)->edx, whole ? 1 << 4 | AMX_7_0_EDX : 1 << 4);
		assert_int_equal(shown(7, 1)->eax, whole ? 1u << 21 | 1 << 4 : 1 << 4);
		assert_int_equal(shown(7, 1)->edx, whole ? 1 << 8 : 0);
		assert_int_equal(shown(0xd, 2)->eax, 256);
		assert_int_equal(empty(0xd, 17), !whole);
		assert_int_equal(empty(0xd, 18), !whole);
		assert_int_equal(empty(0x1d, 0), !whole);
		assert_int_equal(empty(0x1d, 1), !whole);
		assert_int_equal(empty(0x1e, 0), !whole);
	}
}

static void test_a_host_without_amx_keeps_its_table(void **state)
{
	struct vm vm = new_vm();

	(void)state;
	assert_int_equal(x86_cpuid_set_all(&vm, &(struct cpu_model){ 0 }, 64, NULL), 0);
	vcpus_free(&vm);
	assert_int_equal(shown(0xd, 0)->ecx, XSAVE_SIZE); /* nothing was measured anew */
	assert_int_equal(shown(7, 1)->eax, 1 << 4);
}

static void test_a_reset_gives_kvm_all_that_it_reads(void **state)
{
	static const int sizes[] = { 0, 4096, XSAVE_SIZE, -EINVAL };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		setup(state);
		k.xsave_size = sizes[i];
		assert_int_equal(x86_state_reset(VM, VCPU, 0), 0);
		assert_true(k.xsave_room >= 4096);
		assert_true((int)k.xsave_room >= sizes[i]);
		assert_int_equal(k.xfd_reset, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_tiles_are_asked_for_before_the_first_cpu, setup),
		cmocka_unit_test_setup(test_a_host_without_amx_is_not_asked, setup),
		cmocka_unit_test_setup(test_amx_is_there_as_a_whole_or_not_at_all, setup),
		cmocka_unit_test_setup(test_a_host_without_amx_keeps_its_table, setup),
		cmocka_unit_test_setup(test_a_reset_gives_kvm_all_that_it_reads, setup),
	};

	return cmocka_run_group_tests_name("amx", tests, NULL, NULL);
}
