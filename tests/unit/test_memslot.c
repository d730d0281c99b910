// SPDX-License-Identifier: GPL-2.0-or-later
/* What KVM is told of memory slots. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kvm.h>

#include "base/size.h"
#include "tests/fake/ioctl.h"
#include "vmm/mem.h"
#include "vmm/memslot.h"

#define VM_FD	  1000
#define SLOTS_MAX 4

static struct fixture {
	struct memslots *slots;
	struct kvm_userspace_memory_region kvm[SLOTS_MAX]; /* size 0: not there */
	unsigned calls;
	int result;
} f;

static char page[8192] __attribute__((aligned(4096)));

static int memory(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_userspace_memory_region *r = arg;

	if (request == KVM_CHECK_EXTENSION)
		return SLOTS_MAX;
	assert_int_equal(request, KVM_SET_USER_MEMORY_REGION);
	assert_true(r->slot < SLOTS_MAX);
	f.calls++;
	if (f.result < 0)
		return f.result;
	/* KVM refuses to change a slot in place and to delete what is not there. */
	assert_int_equal(r->memory_size == 0, f.kvm[r->slot].memory_size != 0);
	f.kvm[r->slot] = *r;
	return 0;
}

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	fake_ioctl_reset();
	fake_ioctl_handle(VM_FD, memory, NULL);
	return memslots_new(VM_FD, &f.slots);
}

static int teardown(void **state)
{
	memslots_free(f.slots);
	return fake_ioctl_done() ? 0 : -1;
}

static int set(gpa_t gpa, uint64_t size, unsigned *ret)
{
	return memslot_set(f.slots, gpa, size, page, false, ret);
}

static void test_slots_are_numbered_from_the_lowest_free(void **state)
{
	unsigned slot;

	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		assert_int_equal(set(i * 0x10000, 4096, &slot), 0);
		assert_int_equal(slot, i);
	}
	slot = 77;
	assert_int_equal(set(0x100000, 4096, &slot), -ENOSPC);
	assert_int_equal(slot, 77);
	memslot_clear(f.slots, 1);
	assert_int_equal(f.kvm[1].memory_size, 0);
	assert_int_equal(set(0x100000, 4096, &slot), 0);
	assert_int_equal(slot, 1);
	memslot_clear(f.slots, 99); /* never was one */
}

static void test_overlap_and_misalignment_are_refused(void **state)
{
	unsigned slot;

	assert_int_equal(set(0x10000, 0x2000, &slot), 0);
	assert_int_equal(set(0x11000, 4096, &slot), -EEXIST);
	assert_int_equal(set(0x0f000, 0x10000, &slot), -EEXIST);
	assert_int_equal(set(0x20800, 4096, &slot), -EINVAL);
	assert_int_equal(set(0x20000, 100, &slot), -EINVAL);
	assert_int_equal(set(0x20000, 0, &slot), -EINVAL);
	assert_int_equal(set(UINT64_MAX - 0xfff, 0x2000, &slot), -EINVAL);
	assert_int_equal(memslot_set(f.slots, 0x20000, 4096, page + 1, false, &slot), -EINVAL);
	assert_int_equal(f.calls, 1);
	assert_int_equal(set(0x12000, 4096, &slot), 0); /* touching */
}

static void test_a_refused_slot_is_free_again(void **state)
{
	unsigned slot = 77;

	f.result = -ENOMEM;
	assert_int_equal(set(0x10000, 4096, &slot), -ENOMEM);
	f.result = 0;
	assert_int_equal(set(0x10000, 4096, &slot), 0);
	assert_int_equal(slot, 0);
}

static void test_a_fault_takes_the_bar_it_names(void **state)
{
	unsigned a, b;
	gpa_t gpa = 0x11fff;

	assert_int_equal(set(0x10000, 0x2000, &a), 0);
	assert_int_equal(set(0x20000, 0x1000, &b), 0);
	assert_int_equal(memslots_fault(f.slots, &gpa), 1);
	assert_int_equal(f.kvm[a].memory_size, 0);
	assert_int_not_equal(f.kvm[b].memory_size, 0);
	assert_int_equal(memslots_fault(f.slots, &gpa), 0); /* gone already */
	/* It still is its owner's: nobody else gets the place, and clearing frees it. */
	assert_int_equal(set(0x10000, 0x1000, &b), -EEXIST);
	memslot_clear(f.slots, a);
	assert_int_equal(set(0x10000, 0x1000, &b), 0);
}

static void test_a_fault_without_address_takes_all_bars_and_no_ram(void **state)
{
	struct mem_node nodes[] = { { .size = 2 * MiB }, { .size = 2 * MiB } };
	struct mem_config config = { .nodes = 2, .node = nodes };
	struct mem *mem = NULL;
	unsigned a, b;
	gpa_t ram = MiB;

	assert_int_equal(mem_new(&config, &mem, NULL), 0);
	assert_int_equal(memslots_back_ram(f.slots, mem, NULL), 0);
	assert_int_equal(f.kvm[1].guest_phys_addr, 2 * MiB);
	assert_int_equal(f.kvm[1].userspace_addr, (uintptr_t)mem_bank(mem, 1)->hva);
	assert_int_equal(set(0x10000000, 4096, &a), 0);
	assert_int_equal(set(0x20000000, 4096, &b), 0);
	assert_int_equal(memslots_fault(f.slots, &ram), 0);
	assert_int_equal(memslots_fault(f.slots, NULL), 2);
	assert_int_not_equal(f.kvm[0].memory_size, 0);
	assert_int_not_equal(f.kvm[1].memory_size, 0);
	assert_int_equal(f.kvm[a].memory_size, 0);
	assert_int_equal(f.kvm[b].memory_size, 0);
	f.slots = memslots_free(f.slots);
	assert_int_equal(f.kvm[0].memory_size, 0); /* RAM is taken back before it goes */
	mem_free(mem);
}

static void test_ram_that_kvm_refuses_is_said(void **state)
{
	struct mem_config config = { .nodes = 1, .node = &(struct mem_node){ .size = 4 * MiB } };
	struct mem *mem = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(mem_new(&config, &mem, NULL), 0);
	f.result = -EINVAL;
	assert_int_equal(memslots_back_ram(f.slots, mem, &err), -EINVAL);
	assert_non_null(strstr(err.text, "guest memory at 0x0"));
	mem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_slots_are_numbered_from_the_lowest_free),
		T(test_overlap_and_misalignment_are_refused),
		T(test_a_refused_slot_is_free_again),
		T(test_a_fault_takes_the_bar_it_names),
		T(test_a_fault_without_address_takes_all_bars_and_no_ram),
		T(test_ram_that_kvm_refuses_is_said),
#undef T
	};

	return cmocka_run_group_tests_name("memslot", tests, NULL, NULL);
}
