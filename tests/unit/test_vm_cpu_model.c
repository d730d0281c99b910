// SPDX-License-Identifier: GPL-2.0-or-later
/* --cpu: what is said, what goes along with it, and what then becomes of the host's CPUID. */
#include "tools/vm_cpu_model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_cpu_features.h"
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
	cpu_features_take_along(m.hidden);
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
	apply("host,+nested,-movbe");
	assert_int_equal(leaf(1, 0)->ecx, ~(1u << 22));
	assert_int_equal(gone(), 1);
	apply("host,+nested,-bmi2,-adx");
	assert_int_equal(leaf(7, 0)->ebx, ~(1u << 8 | 1u << 19));
	assert_int_equal(gone(), 2);
	apply("host,+nested,-umip,-fsrm,-avx_vnni,-avx_vnni_int8,-arat");
	assert_int_equal(leaf(7, 0)->ecx, ~(1u << 2));
	assert_int_equal(leaf(7, 0)->edx, ~(1u << 4));
	assert_int_equal(leaf(7, 1)->eax, ~(1u << 4));
	assert_int_equal(leaf(7, 1)->edx, ~(1u << 4));
	assert_int_equal(leaf(6, 0)->eax, ~(1u << 2));
	assert_int_equal(gone(), 5);
	apply("host,+nested,-pdpe1gb,-topoext,-nonstop_tsc,-clzero");
	assert_int_equal(leaf(0x80000001, 0)->edx, ~(1u << 26));
	assert_int_equal(leaf(0x80000001, 0)->ecx, ~(1u << 22));
	assert_int_equal(leaf(0x80000007, 0)->edx, ~(1u << 8));
	assert_int_equal(leaf(0x80000008, 0)->ebx, ~1u);
	assert_int_equal(gone(), 4);
	apply("host,+nested,-lam,-rdpru,-bpext,-perfctr_nb");
	assert_int_equal(leaf(7, 1)->eax, ~(1u << 26));
	assert_int_equal(leaf(0x80000008, 0)->ebx, ~(1u << 4));
	assert_int_equal(leaf(0x80000001, 0)->ecx, ~(1u << 26 | 1u << 24));
	assert_int_equal(gone(), 4);
	apply("host,+nested,-pse36"); /* which AMD repeats */
	assert_int_equal(leaf(1, 0)->edx, ~(1u << 17));
	assert_int_equal(leaf(0x80000001, 0)->edx, ~(1u << 17));
	assert_int_equal(gone(), 2);
}

/* Intel's bits and AMD's, as KVM shows both where the processor is AMD's. */
static void test_a_mitigation_goes_whoever_tells_of_it(void **state)
{
	static const struct {
		const char *words;
		uint32_t intel, amd;
	} rows[] = {
		{ "host,+nested,-ssbd", 1u << 31, 1u << 24 | 1u << 25 },
		{ "host,+nested,-virt_ssbd", 0, 1u << 25 },
		{ "host,+nested,-ibrs", 1u << 26, 1u << 14 },
		{ "host,+nested,-ibpb", 1u << 26, 1u << 12 | 1u << 30 },
		{ "host,+nested,-stibp", 1u << 27, 1u << 15 | 1u << 17 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		apply(rows[i].words);
		assert_int_equal(leaf(7, 0)->edx, ~rows[i].intel);
		assert_int_equal(leaf(0x80000008, 0)->ebx, ~rows[i].amd);
		assert_int_equal(gone(), __builtin_popcount(rows[i].intel) +
					 __builtin_popcount(rows[i].amd));
	}
}

/* --- what goes along --------------------------------------------------------------------------- */

static void test_names_are_in_order_and_each_has_its_bit(void **state)
{
	size_t count;
	const struct cpu_feature *all = cpu_features(&count);

	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(cpu_feature_find(all[i].name), &all[i]);
		for (size_t k = 0; k < i; k++) {
			assert_true(strcmp(all[k].name, all[i].name) < 0);
			assert_false(cpu_feature_is_baseline(all[i].name) ||
				     cpu_feature_is_fixed(all[i].name));
			if (all[k].word == all[i].word && all[k].bit == all[i].bit)
				assert_true(strcmp(all[i].name, "nonstop_tsc") == 0 || /* constant_tsc's */
					    strcmp(all[i].name, "ibrs") == 0);	    /* and ibpb's */
		}
	}
}

#define AVX512_VL "avx10 avx512_bf16 avx512_bitalg avx512_vbmi2 avx512_vnni avx512_vp2intersect"
#define AVX512	  AVX512_VL " avx512_4fmaps avx512_4vnniw avx512_fp16 avx512_vpopcntdq avx512bw " \
		  "avx512cd avx512dq avx512er avx512ifma avx512pf avx512vbmi avx512vl"
#define AVX2	  AVX512 " avx512f avx_ifma avx_ne_convert avx_vnni avx_vnni_int16 avx_vnni_int8 sha512 sm4"
#define AVX	  AVX2 " avx2 f16c fma fma4 xop vaes vpclmulqdq sm3"
#define AMX	  "amx_bf16 amx_complex amx_fp16 amx_int8"
#define XSAVES	  AMX " amx_tile xfd enqcmd ibt shstk"

static const struct {
	const char *words, *along;
} dependents[] = {
	{ "-rdrand,-aes", "vaes" },
	{ "-pclmulqdq", "vpclmulqdq" },
	{ "-mmx", "mmxext 3dnow 3dnowext" },
	{ "-3dnow", "3dnowext" },
	{ "-pni", AVX " avx ssse3 sse4_1 sse4_2 sse4a" },
	{ "-ssse3", AVX " avx sse4_1 sse4_2" },
	{ "-sse4_2", AVX " avx" },
	{ "-avx", AVX },
	{ "-avx2", AVX2 },
	{ "-avx512f", AVX512 },
	{ "-avx512vl", AVX512_VL },
	{ "-avx512bw", "avx512_fp16" },
	{ "-amx_tile", AMX },
	{ "-xfd", AMX " amx_tile" },
	{ "-xgetbv1", AMX " amx_tile xfd" },
	{ "-xsaves", XSAVES },
	{ "-xsave", AVX " avx " XSAVES " apx mpx pku xgetbv1 xsavec xsaveopt xsaves" },
	{ "-pcid", "invpcid" },
	{ "-rtm", "tsxldtrk" },
	{ "-ssbd", "virt_ssbd" },
	{ "-ibrs", "ibpb" }, /* Intel's one bit */
	{ "-avx512_vnni,-pku,-shstk,-hle", "" },
};

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ' || at[-1] == '-') &&
		    (at[len] == '\0' || at[len] == ' ' || at[len] == ','))
			return true;
	return false;
}

static void test_what_needs_a_feature_goes_along_and_nothing_else(void **state)
{
	size_t count;
	const struct cpu_feature *all = cpu_features(&count);

	for (size_t i = 0; i < ARRAY_SIZE(dependents); i++) {
		struct cpu_model m;
		char text[128];

		snprintf(text, sizeof(text), "host,%s", dependents[i].words);
		assert_int_equal(parse(text, &m), 0);
		cpu_features_take_along(m.hidden);
		for (size_t k = 0; k < count; k++) {
			bool want = has_word(dependents[i].along, all[k].name) ||
				    has_word(dependents[i].words, all[k].name);

			if (cpu_feature_in(&all[k], m.hidden) != want)
				fail_msg("%s: %s %s", text, all[k].name, want ? "stays" : "goes");
		}
	}
}

/* With what is said on stderr in `warned`. */
static char warned[4096];

static int resolve(int root, const char *text, struct cpu_model *m)
{
	int into = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO), r;
	bool mwait = m->mwait;
	ssize_t len;

	assert_int_equal(parse(text, m), 0);
	m->mwait = mwait;
	dup2(into, STDERR_FILENO);
	r = vm_cpu_model_resolve(root, m, &err);
	dup2(saved, STDERR_FILENO);
	len = pread(into, warned, sizeof(warned) - 1, 0);
	warned[len > 0 ? len : 0] = '\0';
	close(saved);
	close(into);
	return r;
}

static const struct fake_node host_cpu[] = {
	{ "proc/cpuinfo", "processor\t: 0\nvmx flags\t: fma4\n"
			  "flags\t\t: fpu avx avx2 fma monitor arat avx512f_no vaes\nbugs\t\t: f16c\n\n"
			  "processor\t: 1\nflags\t\t: xop\n" },
	{ 0 },
};

static void test_what_the_host_has_of_it_is_told(void **state)
{
	_cleanup_(fake_sysfs_free) int root = fake_sysfs(host_cpu);
	struct cpu_model m = { 0 };

	assert_int_equal(resolve(root, "host,-avx", &m), 0);
	assert_non_null(strstr(warned, "need what is taken away: avx2, fma, vaes\n"));
	assert_true(m.hidden[CPU_1_ECX] & 1u << 29); /* f16c goes, for all that is told */
	assert_int_equal(resolve(root, "host,-avx,-avx2,-fma,-vaes", &m), 0);
	assert_string_equal(warned, "");
	assert_int_equal(resolve(root, "host,-fma", &m), 0);
	assert_string_equal(warned, "");
	assert_int_equal(resolve(root, "host", &m), 0);
	assert_string_equal(warned, "");
	/* Where it is not known, all of it. */
	fake_sysfs_remove(root, "proc/cpuinfo");
	assert_int_equal(resolve(root, "host,-pcid", &m), 0);
	assert_non_null(strstr(warned, ": invpcid\n"));
}

static void test_mwait_stays_where_the_processor_has_it(void **state)
{
	_cleanup_(fake_sysfs_free) int root = fake_sysfs(host_cpu);
	struct cpu_model m = { .mwait = true };

	assert_int_equal(resolve(root, "host", &m), 0);
	fake_sysfs_text(root, "flags\t\t: fpu monitor\n", "proc/cpuinfo");
	assert_int_equal(resolve(root, "host,-avx", &m), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "no flag arat"));
	assert_int_equal(m.hidden[CPU_7_0_EBX], 0); /* untouched on failure */
	fake_sysfs_text(root, "flags\t\t: fpu arat\n", "proc/cpuinfo");
	assert_int_equal(resolve(root, "host", &m), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "no flag monitor"));
	assert_non_null(strstr(err.hint, "idle=nomwait"));
	m.mwait = false;
	assert_int_equal(resolve(root, "host", &m), 0);
	fake_sysfs_remove(root, "proc/cpuinfo");
	m.mwait = true;
	assert_int_equal(resolve(root, "host", &m), 0); /* KVM will say it */
}

/* --- the state of what is gone ------------------------------------------------------------------ */

/* Leaf 0xd of a processor with AVX-512, AMX and CET, and a KVM that gives all of it. */
static const struct kvm_cpuid_entry2 states[] = {
	{ 0xd, 0, 1, 0x602e7, 11008, 11008, 0 },
	{ 0xd, 1, 1, 0x1f, 10752, 0x1800, 0 },
	{ 0xd, 2, 1, 256, 576, 0, 0 },
	{ 0xd, 5, 1, 64, 1088, 0, 0 },
	{ 0xd, 6, 1, 512, 1152, 0, 0 },
	{ 0xd, 7, 1, 1024, 1664, 0, 0 },
	{ 0xd, 9, 1, 8, 2688, 0, 0 },
	{ 0xd, 11, 1, 16, 0, 1, 0 },
	{ 0xd, 12, 1, 24, 0, 1, 0 },
	{ 0xd, 17, 1, 64, 2752, 2, 0 },
	{ 0xd, 18, 1, 8192, 2816, 6, 0 },
};

static const struct {
	const char *words;
	uint32_t user, size, compacted, supervisor;
	const char *left; /* indices */
} areas[] = {
	{ "-rdrand", 0x602e7, 11008, 10752, 0x1800, "2 5 6 7 9 11 12 17 18" },
	{ "-amx_int8", 0x602e7, 11008, 10752, 0x1800, "2 5 6 7 9 11 12 17 18" },
	{ "-amx_tile", 0x2e7, 2696, 2480, 0x1800, "2 5 6 7 9 11 12" },
	{ "-avx512f", 0x60207, 11008, 9152, 0x1800, "2 9 11 12 17 18" },
	{ "-avx512f,-xgetbv1", 0x207, 2696, 880, 0x1800, "2 9 11 12" },
	{ "-avx", 0x60203, 11008, 8896, 0x1800, "9 11 12 17 18" },
	{ "-avx,-pku,-amx_tile", 3, 576, 616, 0x1800, "11 12" },
	{ "-shstk", 0x602e7, 11008, 10752, 0x1800, "2 5 6 7 9 11 12 17 18" },
	{ "-shstk,-ibt", 0x602e7, 11008, 10752, 0, "2 5 6 7 9 17 18" },
	{ "-xsavec", 0x602e7, 11008, 10752, 0x1800, "2 5 6 7 9 11 12 17 18" },
	{ "-xsaves", 0x2e7, 2696, 2440, 0, "2 5 6 7 9" },
	{ "-xsavec,-xsaves", 0x2e7, 2696, 0, 0, "2 5 6 7 9" },
	{ "-xsave", 0, 0, 0, 0, "" },
};

static void assert_area(const struct kvm_cpuid2 *c, size_t row)
{
	const struct kvm_cpuid_entry2 *e = c->entries;

	assert_int_equal(e[0].eax, areas[row].user);
	assert_int_equal(e[0].ebx, areas[row].size);
	assert_int_equal(e[0].ecx, areas[row].size);
	assert_int_equal(e[1].ebx, areas[row].compacted);
	assert_int_equal(e[1].ecx, areas[row].supervisor);
	for (size_t i = 2; i < ARRAY_SIZE(states); i++) {
		char index[8];

		snprintf(index, sizeof(index), "%u", e[i].index);
		if (!has_word(areas[row].left, index)) {
			assert_int_equal(e[i].eax | e[i].ebx | e[i].ecx | e[i].edx, 0);
			continue;
		}
		assert_memory_equal(&e[i], &states[i], sizeof(e[i]));
	}
}

static void test_state_goes_with_the_last_feature_it_is_for(void **state)
{
	static union {
		struct kvm_cpuid2 c;
		uint8_t room[sizeof(struct kvm_cpuid2) + sizeof(states)];
	} t;

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		struct cpu_model m;
		char text[64];

		snprintf(text, sizeof(text), "host,%s", areas[i].words);
		assert_int_equal(parse(text, &m), 0);
		cpu_features_take_along(m.hidden);
		t.c.nent = ARRAY_SIZE(states);
		memcpy(t.c.entries, states, sizeof(states));
		/* For each CPU anew, on its own result. */
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			x86_cpu_model_apply(&t.c, &m);
			assert_area(&t.c, i);
		}
	}
}

static void test_leaves_that_tell_more_of_a_feature_are_empty_without_it(void **state)
{
	static const struct {
		const char *words;
		uint32_t leaf;
	} rows[] = { { "host,-amx_tile", 0x1d }, { "host,-xsave", 0x1e }, { "host,-intel_pt", 0x14 },
		     { "host,-avx512f", 0x24 }, { "host,-topoext", 0x8000001e } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned without = 0; without < 2; without++) {
			struct cpu_model m;

			assert_int_equal(parse(without ? rows[i].words : "host", &m), 0);
			cpu_features_take_along(m.hidden);
			table.c.nent = 1;
			table.c.entries[0] = (struct kvm_cpuid_entry2){ rows[i].leaf, 0, 0, 1, 2, 3, 4 };
			x86_cpu_model_apply(&table.c, &m);
			assert_int_equal(table.c.entries[0].eax, without ? 0 : 1);
			assert_int_equal(table.c.entries[0].edx, without ? 0 : 4);
		}
	}
}

/* --- */

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
		{ "host,-lm", "'lm'", "x86-64 guests need it" },
		{ "host,-sse2", "'sse2'", "x86-64 guests need it" },
		{ "host,-tsc", "'tsc'", "x86-64 guests need it" },
		{ "host,-ssdb", "'ssdb'", "did you mean -ssbd?" },
		{ "host,-rep_good", "'rep_good'", "does not decide" },
		{ "host,-ibs", "'ibs'", "does not decide" }, /* and not: did you mean -ibt? */
		{ "host,-wonder", "'wonder'", "not all of these" },
		{ "host,-svm", "'svm'", "+nested" },
		{ "host,-vpid", "'vpid'", "+nested" },
		{ "host,-hypervisor", "'hypervisor'", "hide-hypervisor" },
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
		assert_int_equal(vm_cpu_model_resolve(root, &(struct cpu_model){ .nested = true }, &err),
				 rows[i].r);
		if (rows[i].r < 0)
			assert_non_null(strstr(err.text, rows[i].module));
		assert_int_equal(vm_cpu_model_resolve(root, &(struct cpu_model){ 0 }, &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_feature_is_one_bit_of_one_register),
		cmocka_unit_test(test_a_mitigation_goes_whoever_tells_of_it),
		cmocka_unit_test(test_names_are_in_order_and_each_has_its_bit),
		cmocka_unit_test(test_what_needs_a_feature_goes_along_and_nothing_else),
		cmocka_unit_test(test_what_the_host_has_of_it_is_told),
		cmocka_unit_test(test_mwait_stays_where_the_processor_has_it),
		cmocka_unit_test(test_state_goes_with_the_last_feature_it_is_for),
		cmocka_unit_test(test_leaves_that_tell_more_of_a_feature_are_empty_without_it),
		cmocka_unit_test(test_virtualization_is_shown_on_request_only),
		cmocka_unit_test(test_a_hypervisor_is_hidden_or_has_another_name),
		cmocka_unit_test(test_the_guest_may_spin_where_that_was_said),
		cmocka_unit_test(test_what_is_no_processor_is_told_what_was_meant),
		cmocka_unit_test(test_nested_needs_a_host_that_has_it),
	};

	return cmocka_run_group_tests_name("vm_cpu_model", tests, NULL, NULL);
}
