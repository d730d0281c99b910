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
#include "vmm/topology.h"
#include "vmm/x86/cpuid.h"
#include "vmm/x86/cpuid_mwait.h"
#include "vmm/x86/cpuid_tsc.h"

#define ROOM 256

/* One socket of so many cores. */
#define cores(n) ((struct cpu_topology){ 1, 1, (uint16_t)(n), 1 })

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
	{ .function = 0, .eax = 0xd, .ebx = 0x68747541, .edx = 0x69746e65, .ecx = 0x444d4163 },
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
			x86_cpuid_adapt(c, i, &cores(n), true);
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

static void test_what_is_amds_is_told_on_its_kind_alone(void **state)
{
	static const struct {
		const char *vendor;
		bool told;
	} rows[] = {
		{ "AuthenticAMD", true }, { "HygonGenuine", true }, { "GenuineIntel", false },
		{ "  Shanghai  ", false }, { "CentaurHauls", false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));

		memcpy(&leaf(c, 0, 0)->ebx, rows[i].vendor, 4);
		memcpy(&leaf(c, 0, 0)->edx, rows[i].vendor + 4, 4);
		memcpy(&leaf(c, 0, 0)->ecx, rows[i].vendor + 8, 4);
		leaf(c, 0x80000008, 0)->ecx = 0;
		x86_cpuid_adapt(c, 0, &cores(4), true);
		assert_int_equal(leaf(c, 0x80000001, 0)->ecx, rows[i].told ? 3 : 1);
		assert_int_equal(leaf(c, 0x80000008, 0)->ecx, rows[i].told ? 0x2003 : 0);
	}
}

/* Two sockets of two dies of three cores of two threads: an id is socket, die, core (2 bits), thread. */
static const struct cpu_topology deep = { 2, 2, 3, 2 };

static void test_ids_have_a_field_for_each_level(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));
	unsigned cpu = 0;

	(void)state;
	for (unsigned socket = 0; socket < 2; socket++)
		for (unsigned die = 0; die < 2; die++)
			for (unsigned core = 0; core < 3; core++)
				for (unsigned thread = 0; thread < 2; thread++, cpu++) {
					unsigned id = socket << 4 | die << 3 | core << 1 | thread;

					x86_cpuid_adapt(c, cpu, &deep, true);
					assert_int_equal(leaf(c, 1, 0)->ebx >> 24, id);
					assert_int_equal(leaf(c, 0xb, 0)->edx, id);
					assert_int_equal(leaf(c, 0x1f, 2)->edx, id);
					assert_int_equal(leaf(c, 0x8000001e, 0)->eax, id);
					assert_int_equal(leaf(c, 0x8000001e, 0)->ebx, 0x100 | die << 2 | core);
					assert_int_equal(leaf(c, 0x8000001e, 0)->ecx,
							 0x100 | (socket * 2 + die));
				}
}

static void test_levels_tell_threads_cores_and_dies(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));

	(void)state;
	x86_cpuid_adapt(c, 0, &deep, true);
	x86_cpuid_adapt(c, 1, &deep, true); /* on its own result */
	assert_int_equal(leaf(c, 0, 0)->eax, 0x1f);
	assert_int_equal(leaf(c, 1, 0)->ebx >> 16 & 0xff, 16);
	assert_int_equal(leaf(c, 0xb, 0)->eax, 1);
	assert_int_equal(leaf(c, 0xb, 0)->ebx, 2);
	assert_int_equal(leaf(c, 0xb, 1)->eax, 4);
	assert_int_equal(leaf(c, 0xb, 1)->ebx, 12);
	assert_int_equal(leaf(c, 0x1f, 0)->eax, 1);
	assert_int_equal(leaf(c, 0x1f, 0)->ecx, 0x100);
	assert_int_equal(leaf(c, 0x1f, 1)->eax, 3);
	assert_int_equal(leaf(c, 0x1f, 1)->ebx, 6);
	assert_int_equal(leaf(c, 0x1f, 1)->ecx, 0x201);
	assert_int_equal(leaf(c, 0x1f, 2)->eax, 4);
	assert_int_equal(leaf(c, 0x1f, 2)->ebx, 12);
	assert_int_equal(leaf(c, 0x1f, 2)->ecx, 0x502);
	assert_int_equal(leaf(c, 0x80000008, 0)->ecx, 0x400b);
	/* Threads share the core's caches, a die's CPUs the last one; by ids on Intel. */
	assert_int_equal(leaf(c, 4, 0)->eax >> 14 & 0xfff, 1);
	assert_int_equal(leaf(c, 4, 1)->eax >> 14 & 0xfff, 7);
	assert_int_equal(leaf(c, 4, 0)->eax >> 26, 7);
	assert_int_equal(leaf(c, 0x8000001d, 0)->eax >> 14 & 0xfff, 1);
	assert_int_equal(leaf(c, 0x8000001d, 3)->eax >> 14 & 0xfff, 5);
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
	x86_cpuid_adapt(c, 0, &cores(6), true);
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
	x86_cpuid_adapt(c, 1, &cores(4), true);
	assert_int_equal(leaf(c, 0x1f, 0)->ebx, 0);
	assert_int_equal(leaf(c, 0, 0)->eax, 0xd);
	for (unsigned i = 0; i < c->nent; i++)
		assert_false(c->entries[i].function == 0xb && c->entries[i].index > 1);
}

static void test_topology_leaf_appears_where_the_host_has_none(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, 2);

	(void)state;
	x86_cpuid_adapt(c, 3, &cores(4), true);
	assert_int_equal(leaf(c, 0xb, 1)->ebx, 4);
	assert_int_equal(leaf(c, 0xb, 1)->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
}

static void test_hypervisor_and_deadline_timer(void **state)
{
	_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));

	(void)state;
	x86_cpuid_adapt(c, 0, &cores(1), true);
	assert_int_equal(leaf(c, 1, 0)->ecx, 1u << 31 | 1u << 24);
	x86_cpuid_adapt(c, 0, &cores(1), false);
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

static void test_mwait_is_shown_as_the_host_has_it(void **state)
{
	static const struct cpuid_mwait mwait = { { 0x40, 0x41, 3, 0x11142120 } };
	struct kvm_cpuid_entry2 with_empty[] = { host[0], host[1], { .function = 5 } };
	const struct {
		const struct kvm_cpuid_entry2 *entries;
		unsigned n;
	} rows[] = { { host, ARRAY_SIZE(host) }, { with_empty, ARRAY_SIZE(with_empty) } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ struct kvm_cpuid2 *c = table(rows[i].entries, rows[i].n);

		x86_cpuid_show_mwait(c, &mwait);
		x86_cpuid_show_mwait(c, &mwait);
		x86_cpuid_adapt(c, 0, &cores(1), false);
		assert_int_equal(leaf(c, 1, 0)->ecx, 1u << 31 | 1u << 3);
		assert_memory_equal(&leaf(c, 5, 0)->eax, mwait.reg, sizeof(mwait.reg));
	}
}

static void test_a_table_without_room_stays_as_it_is(void **state)
{
	struct kvm_cpuid_entry2 full[ROOM] = { [0] = { .function = 1 } };
	_cleanup_free_ struct kvm_cpuid2 *c = NULL;

	(void)state;
	for (unsigned i = 1; i < ROOM; i++)
		full[i].function = 0x40000000 + i;
	c = table(full, ROOM);
	x86_cpuid_show_mwait(c, &(struct cpuid_mwait){ { 1, 2, 3, 4 } });
	assert_int_equal(c->nent, ROOM);
	assert_memory_equal(c->entries, full, sizeof(full));
}

/* --- the TSC's frequency ---------------------------------------------------------------------- */

/* As Linux computes it from leaf 0x15, in 32 bits. */
static uint32_t linux_tsc_khz(const struct kvm_cpuid_entry2 *e)
{
	uint32_t crystal_khz = e->ecx / 1000;

	return crystal_khz * e->ebx / e->eax;
}

static void test_the_tsc_of_who_sees_no_hypervisor(void **state)
{
	static const uint32_t rates[] = { 2445393, 2000000, 3600000, 800000, 4294000, 2893437, 1 << 20,
					  999999, 3192007 };

	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		_cleanup_free_ struct kvm_cpuid2 *c = table(host, ARRAY_SIZE(host));
		struct kvm_cpuid_entry2 *first = leaf(c, 0, 0);
		double off;

		x86_cpuid_tell_tsc(c, rates[i]); /* neither Intel's */
		assert_int_equal(first->eax, 0xd);
		memcpy(&first->ebx, "Genu", 4);
		memcpy(&first->edx, "ineI", 4);
		memcpy(&first->ecx, "ntel", 4);
		x86_cpuid_tell_tsc(c, 0); /* nor known */
		assert_int_equal(first->eax, 0xd);
		x86_cpuid_tell_tsc(c, rates[i]);
		x86_cpuid_tell_tsc(c, rates[i]);
		assert_int_equal(first->eax, 0x15);
		assert_int_equal(leaf(c, 0x15, 0)->ecx, 1000000000); /* KVM's APIC bus */
		off = (double)linux_tsc_khz(leaf(c, 0x15, 0)) - rates[i];
		if (off > 2 || off < -2)
			fail_msg("%u kHz is told %.0f too much", rates[i], off);
	}
}

static void test_a_fraction_is_the_nearest_that_fits(void **state)
{
	uint32_t n, d;

	x86_cpuid_fraction(314159265, 100000000, 4294, &n, &d);
	assert_int_equal(n, 355);
	assert_int_equal(d, 113);
	x86_cpuid_fraction(3, 1, 4294, &n, &d);
	assert_int_equal(n, 3);
	assert_int_equal(d, 1);
	x86_cpuid_fraction(5000, 1, 4294, &n, &d); /* none does */
	assert_int_equal(d, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_cpu_is_a_core_of_one_package),
		cmocka_unit_test(test_what_is_amds_is_told_on_its_kind_alone),
		cmocka_unit_test(test_ids_have_a_field_for_each_level),
		cmocka_unit_test(test_levels_tell_threads_cores_and_dies),
		cmocka_unit_test(test_addresses_end_where_devices_do),
		cmocka_unit_test(test_only_the_last_cache_is_shared),
		cmocka_unit_test(test_levels_above_the_package_are_gone),
		cmocka_unit_test(test_topology_leaf_appears_where_the_host_has_none),
		cmocka_unit_test(test_hypervisor_and_deadline_timer),
		cmocka_unit_test(test_address_bits_are_what_kvm_can_map),
		cmocka_unit_test(test_mwait_is_shown_as_the_host_has_it),
		cmocka_unit_test(test_a_table_without_room_stays_as_it_is),
		cmocka_unit_test(test_the_tsc_of_who_sees_no_hypervisor),
		cmocka_unit_test(test_a_fraction_is_the_nearest_that_fits),
	};

	return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
