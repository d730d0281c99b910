// SPDX-License-Identifier: GPL-2.0-or-later
/* The topology that CPUID tells, on Intel and on AMD. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "vmm/x86/acpi.h"
#include "vmm/x86/cpuid.h"

#define ROOM 256

static struct kvm_cpuid2 *table(const struct kvm_cpuid_entry2 *entries, unsigned n)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + ROOM * sizeof(c->entries[0]));

	assert_non_null(c);
	c->nent = n;
	memcpy(c->entries, entries, n * sizeof(*entries));
	return c;
}

/* Leaf (function, index), which must be there exactly once. */
static struct kvm_cpuid_entry2 *leaf(struct kvm_cpuid2 *c, uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *found = NULL;

	for (unsigned i = 0; i < c->nent; i++) {
		if (c->entries[i].function != function || c->entries[i].index != index)
			continue;
		assert_null(found);
		found = &c->entries[i];
	}
	assert_non_null(found);
	return found;
}

static const struct kvm_cpuid_entry2 host[] = {
	{ .function = 1, .ebx = 0x07100800, .ecx = 0, .edx = 1u << 28 | 1 },
	{ .function = 4, .index = 0, .eax = 0xfc004121 }, /* L1 of a host with many CPUs */
	{ .function = 4, .index = 1, .eax = 0xfc1fc163 }, /* L3 */
	{ .function = 4, .index = 2, .eax = 0 },
	{ .function = 0xb, .index = 0, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 99 },
	{ .function = 0xb, .index = 1, .eax = 7, .ebx = 64, .ecx = 0x201, .edx = 99 },
	{ .function = 0xb, .index = 2, .ecx = 2, .edx = 99 },
	{ .function = 0x1f, .index = 0, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 99 },
	{ .function = 0x80000001, .ecx = 0x1, .edx = 0x20100800 },
	{ .function = 0x80000008, .eax = 0x3028, .ecx = 0x703f },
	{ .function = 0x8000001d, .index = 0, .eax = 0x4121 },
	{ .function = 0x8000001d, .index = 3, .eax = 0x3c163 },
	{ .function = 0x8000001e, .eax = 99, .ebx = 0x163, .ecx = 0x107 },
};

static void test_each_cpu_is_a_core_of_one_package(void **state)
{
	static const struct {
		unsigned ncpus, shift;
	} rows[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 64, 6 }, { 255, 8 } };

	(void)state;
	for (unsigned r = 0; r < ARRAY_SIZE(rows); r++) {
		_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));
		unsigned n = rows[r].ncpus, shift = rows[r].shift;

		for (unsigned i = 0; i < n; i++) {
			x86_cpuid_adapt(c, i, n, true);
			assert_int_equal(leaf(c, 1, 0)->ebx >> 24, i);
			assert_int_equal(leaf(c, 0xb, 0)->edx, i);
			assert_int_equal(leaf(c, 0xb, 1)->edx, i);
			assert_int_equal(leaf(c, 0x8000001e, 0)->eax, i);
			assert_int_equal(leaf(c, 0x8000001e, 0)->ebx, i & 0xff);
		}
		assert_int_equal(leaf(c, 1, 0)->edx >> 28 & 1, n > 1);
		assert_int_equal(leaf(c, 0xb, 0)->eax, 0);
		assert_int_equal(leaf(c, 0xb, 0)->ebx, 1);
		assert_int_equal(leaf(c, 0xb, 0)->ecx, 0x100);
		assert_int_equal(leaf(c, 0xb, 1)->eax, shift);
		assert_int_equal(leaf(c, 0xb, 1)->ebx, n);
		assert_int_equal(leaf(c, 0xb, 1)->ecx, 0x201);
		assert_int_equal(leaf(c, 0x80000008, 0)->ecx & 0xff, n - 1);
		assert_int_equal(leaf(c, 0x80000008, 0)->ecx >> 12 & 15, shift);
		assert_int_equal(leaf(c, 0x80000001, 0)->ecx >> 1 & 1, n > 1);
	}
}

static void test_no_package_spans_two_nodes(void **state)
{
	struct numa numa;

	(void)state;
	for (unsigned nodes = 1; nodes <= 8; nodes++) {
		for (unsigned n = nodes; n <= 255; n++) {
			_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));
			unsigned package, shift;

			numa_even(&numa, n, nodes);
			package = x86_cpuid_package(&numa, n);

			x86_cpuid_adapt(c, 0, package, true);
			shift = leaf(c, 0xb, 1)->eax;
			for (unsigned i = 1; i < n; i++) {
				if (i >> shift == (i - 1) >> shift)
					assert_int_equal(numa.cpu_node[i], numa.cpu_node[i - 1]);
			}
		}
	}
	numa_even(&numa, 6, 1);
	assert_int_equal(x86_cpuid_package(&numa, 6), 6);
	numa_even(&numa, 8, 2);
	assert_int_equal(x86_cpuid_package(&numa, 8), 4);
	numa_even(&numa, 6, 2);
	assert_int_equal(x86_cpuid_package(&numa, 6), 1);
}

static void test_packages_follow_the_cpus_of_each_node(void **state)
{
	static const struct {
		unsigned package;
		uint8_t cpu_node[8];
	} rows[] = {
		{ 4, { 0, 0, 0, 0, 1, 1, 1, 1 } }, { 4, { 1, 1, 1, 1, 0, 0, 0, 0 } },
		{ 2, { 0, 0, 1, 1, 1, 1, 0, 0 } }, /* two packages each */
		{ 1, { 0, 1, 0, 1, 0, 1, 0, 1 } }, { 1, { 0, 0, 0, 1, 1, 1, 1, 1 } },
		{ 1, { 0, 0, 1, 0, 0, 0, 1, 1 } },
	};
	struct numa numa;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		numa_even(&numa, 8, 2);
		memcpy(numa.cpu_node, rows[i].cpu_node, sizeof(rows[i].cpu_node));
		assert_int_equal(x86_cpuid_package(&numa, 8), rows[i].package);
	}
}

static void test_addresses_end_where_devices_do(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));
	unsigned bits = x86_cpuid_phys_bits(c), mapped = leaf(c, 0x80000008, 0)->eax >> 16 & 0xff;

	(void)state;
	x86_cpuid_limit_phys_bits(c, 64);
	assert_int_equal(x86_cpuid_phys_bits(c), bits);
	assert_int_equal(leaf(c, 0x80000008, 0)->eax >> 16 & 0xff, mapped);
	x86_cpuid_limit_phys_bits(c, 39);
	assert_int_equal(x86_cpuid_phys_bits(c), 39);
	assert_int_equal(leaf(c, 0x80000008, 0)->eax & 0xff, 39);
	assert_in_range(leaf(c, 0x80000008, 0)->eax >> 16 & 0xff, 0, 39);
}

static void test_only_the_last_cache_is_shared(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));

	(void)state;
	x86_cpuid_adapt(c, 0, 6, true);
	assert_int_equal(leaf(c, 4, 0)->eax >> 14 & 0xfff, 0);
	assert_int_equal(leaf(c, 4, 1)->eax >> 14 & 0xfff, 7);
	assert_int_equal(leaf(c, 4, 0)->eax >> 26, 7);
	assert_int_equal(leaf(c, 4, 0)->eax & 0x3fff, 0x0121); /* the cache itself is the host's */
	assert_int_equal(leaf(c, 4, 2)->eax, 0);
	assert_int_equal(leaf(c, 0x8000001d, 0)->eax >> 14 & 0xfff, 0);
	assert_int_equal(leaf(c, 0x8000001d, 3)->eax >> 14 & 0xfff, 5);
}

static void test_levels_above_the_package_are_gone(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));

	(void)state;
	x86_cpuid_adapt(c, 1, 4, true);
	assert_int_equal(leaf(c, 0x1f, 0)->ebx, 0);
	for (unsigned i = 0; i < c->nent; i++)
		assert_false(c->entries[i].function == 0xb && c->entries[i].index > 1);
}

static void test_topology_leaf_appears_where_the_host_has_none(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, 1);

	(void)state;
	x86_cpuid_adapt(c, 3, 4, true);
	assert_int_equal(leaf(c, 0xb, 1)->ebx, 4);
	assert_int_equal(leaf(c, 0xb, 1)->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
}

static void test_hypervisor_and_deadline_timer(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));

	(void)state;
	x86_cpuid_adapt(c, 0, 1, true);
	assert_int_equal(leaf(c, 1, 0)->ecx, 1u << 31 | 1u << 24);
	x86_cpuid_adapt(c, 0, 1, false);
	assert_int_equal(leaf(c, 1, 0)->ecx, 1u << 31);
}

static void test_address_bits_are_what_kvm_can_map(void **state)
{
	static const struct {
		uint32_t eax;
		unsigned bits;
	} rows[] = { { 0x3028, 40 }, { 0x303034, 48 }, { 0x343034, 52 }, { 0x393030, 48 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ struct kvm_cpuid2 *c = table(
			&(struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = rows[i].eax },
			1);

		assert_int_equal(x86_cpuid_phys_bits(c), rows[i].bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_cpu_is_a_core_of_one_package),
		cmocka_unit_test(test_no_package_spans_two_nodes),
		cmocka_unit_test(test_packages_follow_the_cpus_of_each_node),
		cmocka_unit_test(test_addresses_end_where_devices_do),
		cmocka_unit_test(test_only_the_last_cache_is_shared),
		cmocka_unit_test(test_levels_above_the_package_are_gone),
		cmocka_unit_test(test_topology_leaf_appears_where_the_host_has_none),
		cmocka_unit_test(test_hypervisor_and_deadline_timer),
		cmocka_unit_test(test_address_bits_are_what_kvm_can_map),
	};

	return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
