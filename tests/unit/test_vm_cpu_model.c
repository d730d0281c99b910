// SPDX-License-Identifier: GPL-2.0-or-later
/* --cpu: what is said, and what then becomes of the host's CPUID. */
#include "tools/vm_cpu_model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "tests/fake/sysfs.h"
#include "vmm/x86/cpu_model.h"

static struct err err;

static int parse(const char *text, struct cpu_model *ret)
{
	err = (struct err)ERR_INIT;
	return vm_cpu_model_parse(text, ret, &err);
}

/* Every bit is set in a host like this. */
static const uint32_t leaves[][2] = {
	{ 1, 0 }, { 6, 0 }, { 7, 0 }, { 7, 1 }, { 0xd, 0 }, { 0xd, 1 }, { 0x40000000, 0 },
	{ 0x40000001, 0 }, { 0x80000001, 0 }, { 0x80000007, 0 }, { 0x80000008, 0 }, { 0x8000000a, 0 },
};

static union {
	struct kvm_cpuid2 c;
	uint8_t room[sizeof(struct kvm_cpuid2) +
		     ARRAY_SIZE(leaves) * sizeof(struct kvm_cpuid_entry2)];
} table;

static struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
		if (leaves[i][0] == function && leaves[i][1] == index)
			return &table.c.entries[i];
	fail_msg("no leaf %x", function);
	return NULL;
}

static void apply(const char *text)
{
	struct cpu_model m;

	if (parse(text, &m) < 0)
		fail_msg("%s: %s", text, err.text);
	table.c.nent = ARRAY_SIZE(leaves);
	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
		table.c.entries[i] = (struct kvm_cpuid_entry2){ leaves[i][0], leaves[i][1], 0, ~0u, ~0u,
								~0u, ~0u };
	x86_cpu_model_apply(&table.c, &m);
}

/* Bits that are gone from one register, and the only ones in the whole table. */
static unsigned gone(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
		const struct kvm_cpuid_entry2 *e = &table.c.entries[i];

		n += (unsigned)__builtin_popcount(~e->eax) + (unsigned)__builtin_popcount(~e->ebx) +
		     (unsigned)__builtin_popcount(~e->ecx) + (unsigned)__builtin_popcount(~e->edx);
	}
	return n;
}

static void test_a_feature_is_one_bit_of_one_register(void **state)
{
	apply("host,+nested");
	assert_int_equal(gone(), 0);
	apply("host,+nested,-sse4_2");
	assert_int_equal(leaf(1, 0)->ecx, ~(1u << 20));
	assert_int_equal(gone(), 1);
	apply("host,+nested,-avx2,-avx512f");
	assert_int_equal(leaf(7, 0)->ebx, ~(1u << 5 | 1u << 16));
	assert_int_equal(gone(), 2);
	apply("host,+nested,-umip,-fsrm,-avx_vnni,-arat,-xsaves");
	assert_int_equal(leaf(7, 0)->ecx, ~(1u << 2));
	assert_int_equal(leaf(7, 0)->edx, ~(1u << 4));
	assert_int_equal(leaf(7, 1)->eax, ~(1u << 4));
	assert_int_equal(leaf(6, 0)->eax, ~(1u << 2));
	assert_int_equal(leaf(0xd, 1)->eax, ~(1u << 3));
	assert_int_equal(gone(), 5);
	apply("host,+nested,-pdpe1gb,-topoext,-nonstop_tsc,-clzero");
	assert_int_equal(leaf(0x80000001, 0)->edx, ~(1u << 26));
	assert_int_equal(leaf(0x80000001, 0)->ecx, ~(1u << 22));
	assert_int_equal(leaf(0x80000007, 0)->edx, ~(1u << 8));
	assert_int_equal(leaf(0x80000008, 0)->ebx, ~1u);
	assert_int_equal(gone(), 4);
	apply("host,+nested,-mmx"); /* which AMD repeats */
	assert_int_equal(leaf(1, 0)->edx, ~(1u << 23));
	assert_int_equal(leaf(0x80000001, 0)->edx, ~(1u << 23));
	assert_int_equal(gone(), 2);
}

static void test_virtualization_is_shown_on_request_only(void **state)
{
	apply("host");
	assert_int_equal(leaf(1, 0)->ecx, ~(1u << 5));
	assert_int_equal(leaf(0x80000001, 0)->ecx, ~(1u << 2));
	assert_int_equal(leaf(0x8000000a, 0)->edx, 0);
	assert_int_equal(gone(), 2 + 4 * 32);
}

static void test_a_hypervisor_is_hidden_or_has_another_name(void **state)
{
	apply("host,+nested,hide-hypervisor");
	assert_int_equal(leaf(1, 0)->ecx, ~(1u << 31));
	assert_int_equal(leaf(0x40000000, 0)->ebx, 0);
	assert_int_equal(leaf(0x40000001, 0)->eax, 0);
	assert_int_equal(gone(), 1 + 2 * 4 * 32);
	apply("host,+nested,vendor-id=AuthenticAMD");
	assert_memory_equal(&leaf(0x40000000, 0)->ebx, "Auth", 4);
	assert_memory_equal(&leaf(0x40000000, 0)->ecx, "enti", 4);
	assert_memory_equal(&leaf(0x40000000, 0)->edx, "cAMD", 4);
	assert_int_equal(leaf(0x40000000, 0)->eax, ~0u);
	apply("host,+nested,vendor-id=xy");
	assert_memory_equal(&leaf(0x40000000, 0)->ebx, "xy\0\0", 4);
	assert_int_equal(leaf(0x40000000, 0)->edx, 0);
}

static void test_the_guest_may_spin_where_that_was_said(void **state)
{
	struct kvm_cpuid_entry2 e = { .function = 0x40000001, .eax = 3 };

	for (unsigned realtime = 0; realtime < 2; realtime++) {
		table.c.nent = 1;
		table.c.entries[0] = e;
		x86_cpu_model_apply(&table.c, &(struct cpu_model){ .realtime = realtime });
		assert_int_equal(table.c.entries[0].edx, realtime);
		assert_int_equal(table.c.entries[0].eax, 3);
	}
}

static void test_what_is_no_processor_is_told_what_was_meant(void **state)
{
	static const struct {
		const char *text, *word, *hint;
	} rows[] = {
		{ "", "'' is no processor", "host" },
		{ "Skylake", "'Skylake' is no processor", "host,-FEATURE" },
		{ "host,", "'' is not among", "+nested" },
		{ "host,avx", "'avx' is not among", "-FEATURE" },
		{ "host,+avx", "'+avx' is not among", "there already" },
		{ "host,-sse42", "'sse42' is no feature", "did you mean -sse4_2?" },
		{ "host,-avx_512f", "'avx_512f'", "did you mean -avx512f?" },
		{ "host,-AVX", "'AVX'", "/proc/cpuinfo" },
		{ "host,-lm", "'lm'", "stays" },
		{ "host,-svm", "'svm'", "+nested" },
		{ "host,-", "''", "" },
		{ "host,vendor-id=", "'vendor-id='", "1 to 12" },
		{ "host,vendor-id=1234567890123", "'vendor-id=1234567890123'", "1 to 12" },
		{ "host,vendor-id=a\tb", "'vendor-id=a\tb'", "1 to 12" },
		{ "host,hide-hypervisor,vendor-id=me", "hidden", "" },
		{ "host,hide-hypervisor,realtime", "realtime", "" },
		{ "host,realtime,vendor-id=me", "realtime", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_model m = { .nested = true };

		if (parse(rows[i].text, &m) != -EINVAL || !strstr(err.text, rows[i].word) ||
		    !strstr(err.hint, rows[i].hint))
			fail_msg("'%s' gave: %s (%s)", rows[i].text, err.text, err.hint);
		assert_true(err.usage);
		assert_true(m.nested); /* untouched on failure */
	}
}

static void test_nested_needs_a_host_that_has_it(void **state)
{
	static const struct {
		const char *module, *value;
		int r;
	} rows[] = {
		{ "kvm_intel", "Y", 0 }, { "kvm_intel", "N", -EOPNOTSUPP }, { "kvm_amd", "1", 0 },
		{ "kvm_amd", "0", -EOPNOTSUPP }, { "kvm", "0", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(fake_sysfs_free) int root = fake_sysfs(&(struct fake_node){ 0 });

		err = (struct err)ERR_INIT;
		fake_sysfs_text(root, rows[i].value, "sys/module/%s/parameters/nested",
				rows[i].module);
		assert_int_equal(vm_cpu_model_check(root, &(struct cpu_model){ .nested = true }, &err),
				 rows[i].r);
		if (rows[i].r < 0)
			assert_non_null(strstr(err.text, rows[i].module));
		assert_int_equal(vm_cpu_model_check(root, &(struct cpu_model){ 0 }, &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_feature_is_one_bit_of_one_register),
		cmocka_unit_test(test_virtualization_is_shown_on_request_only),
		cmocka_unit_test(test_a_hypervisor_is_hidden_or_has_another_name),
		cmocka_unit_test(test_the_guest_may_spin_where_that_was_said),
		cmocka_unit_test(test_what_is_no_processor_is_told_what_was_meant),
		cmocka_unit_test(test_nested_needs_a_host_that_has_it),
	};

	return cmocka_run_group_tests_name("vm_cpu_model", tests, NULL, NULL);
}
