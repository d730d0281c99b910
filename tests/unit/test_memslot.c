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
	return memslot_set(f.slots, gpa, size, page, false, NULL, ret);
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
	assert_int_equal(memslot_set(f.slots, 0x20000, 4096, page + 1, false, NULL, &slot), -EINVAL);
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

static struct memslot_owner one = { .name = "one" }, two = { .name = "two" };

static int set_of(struct memslot_owner *owner, gpa_t gpa, uint64_t size, unsigned *ret)
{
	return memslot_set(f.slots, gpa, size, page, false, owner, ret);
}

static void test_what_is_dropped_stays_its_owners_and_comes_back(void **state)
{
	unsigned a, b, c;

	assert_int_equal(set_of(&one, 0x10000, 0x2000, &a), 0);
	assert_int_equal(set_of(&two, 0x20000, 0x1000, &b), 0);
	assert_int_equal(set_of(&one, 0x30000, 0x1000, &c), 0);
	assert_ptr_equal(memslots_owner_at(f.slots, 0x11fff), &one);
	assert_null(memslots_owner_at(f.slots, 0x12000));
	assert_int_equal(memslots_drop(f.slots, &one), 2);
	assert_int_equal(f.kvm[a].memory_size, 0);
	assert_int_equal(f.kvm[c].memory_size, 0);
	assert_int_not_equal(f.kvm[b].memory_size, 0);
	assert_int_equal(memslots_drop(f.slots, &one), 0); /* gone already */
	assert_null(memslots_owner_at(f.slots, 0x11fff));
	/* Nobody else gets the place. */
	assert_int_equal(set(0x10000, 0x1000, &b), -EEXIST);
	assert_int_equal(memslots_put_back(f.slots, &one), 0);
	assert_int_equal(f.kvm[a].memory_size, 0x2000);
	assert_int_equal(f.kvm[a].guest_phys_addr, 0x10000);
	assert_int_equal(f.kvm[a].userspace_addr, (uintptr_t)page);
	assert_int_equal(f.kvm[c].memory_size, 0x1000);
	/* What is cleared while it is away does not come back. */
	assert_int_equal(memslots_drop(f.slots, &one), 2);
	memslot_clear(f.slots, a);
	assert_int_equal(memslots_put_back(f.slots, &one), 0);
	assert_int_equal(f.kvm[a].memory_size, 0);
	assert_int_equal(set(0x10000, 0x1000, &b), 0);
}

static void test_a_mapping_that_kvm_refuses_later_stays_away(void **state)
{
	unsigned a;

	assert_int_equal(set_of(&one, 0x10000, 0x1000, &a), 0);
	assert_int_equal(memslots_drop(f.slots, &one), 1);
	f.result = -ENOMEM;
	assert_int_equal(memslots_put_back(f.slots, &one), -ENOMEM);
	assert_null(memslots_owner_at(f.slots, 0x10000));
	f.result = 0;
	assert_int_equal(memslots_put_back(f.slots, &one), 0);
	assert_ptr_equal(memslots_owner_at(f.slots, 0x10000), &one);
}

static void test_ram_is_nobodys_and_is_taken_back_before_it_goes(void **state)
{
	struct mem_node nodes[] = { { .size = 2 * MiB }, { .size = 2 * MiB } };
	struct mem_config config = { .nodes = 2, .node = nodes };
	struct memslot_owner *owner = &one;
	struct mem *mem = NULL;
	bool mapped = false;

	assert_int_equal(mem_new(&config, &mem, NULL), 0);
	assert_int_equal(memslots_back_ram(f.slots, mem, NULL), 0);
	assert_int_equal(f.kvm[1].guest_phys_addr, 2 * MiB);
	assert_int_equal(f.kvm[1].userspace_addr, (uintptr_t)mem_bank(mem, 1)->hva);
	assert_null(memslots_owner_at(f.slots, MiB));
	assert_true(memslots_look(f.slots, 1, &owner, &mapped));
	assert_null(owner);
	assert_true(mapped);
	assert_false(memslots_look(f.slots, 2, &owner, &mapped));
	f.slots = memslots_free(f.slots);
	assert_int_equal(f.kvm[0].memory_size, 0);
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
		T(test_what_is_dropped_stays_its_owners_and_comes_back),
		T(test_a_mapping_that_kvm_refuses_later_stays_away),
		T(test_ram_is_nobodys_and_is_taken_back_before_it_goes),
		T(test_ram_that_kvm_refuses_is_said),
#undef T
	};

	return cmocka_run_group_tests_name("memslot", tests, NULL, NULL);
}
