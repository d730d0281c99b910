// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_cpu_features.h"

#include <stdbool.h>
#include <string.h>

#include "base/fd.h"

/*
 * Names of /proc/cpuinfo (Linux, arch/x86/include/asm/cpufeatures.h), by name. Not here: what
 * x86-64 cannot be without, what Linux makes up itself, and virtualization (see nested).
 */
static const struct cpu_feature features[] = {
	{ "3dnow", CPU_EXT_1_EDX, 31 },
	{ "3dnowext", CPU_EXT_1_EDX, 30 },
	{ "3dnowprefetch", CPU_EXT_1_ECX, 8 },
	{ "abm", CPU_EXT_1_ECX, 5 },
	{ "adx", CPU_7_0_EBX, 19 },
	{ "aes", CPU_1_ECX, 25 },
	{ "amx_bf16", CPU_7_0_EDX, 22 },
	{ "amx_complex", CPU_7_1_EDX, 8 },
	{ "amx_fp16", CPU_7_1_EAX, 21 },
	{ "amx_int8", CPU_7_0_EDX, 25 },
	{ "amx_tile", CPU_7_0_EDX, 24 },
	{ "apx", CPU_7_1_EDX, 21 },
	{ "arat", CPU_6_EAX, 2 },
	{ "arch_capabilities", CPU_7_0_EDX, 29 },
	{ "avx", CPU_1_ECX, 28 },
	{ "avx10", CPU_7_1_EDX, 19 },
	{ "avx2", CPU_7_0_EBX, 5 },
	{ "avx512_4fmaps", CPU_7_0_EDX, 3 },
	{ "avx512_4vnniw", CPU_7_0_EDX, 2 },
	{ "avx512_bf16", CPU_7_1_EAX, 5 },
	{ "avx512_bitalg", CPU_7_0_ECX, 12 },
	{ "avx512_fp16", CPU_7_0_EDX, 23 },
	{ "avx512_vbmi2", CPU_7_0_ECX, 6 },
	{ "avx512_vnni", CPU_7_0_ECX, 11 },
	{ "avx512_vp2intersect", CPU_7_0_EDX, 8 },
	{ "avx512_vpopcntdq", CPU_7_0_ECX, 14 },
	{ "avx512bw", CPU_7_0_EBX, 30 },
	{ "avx512cd", CPU_7_0_EBX, 28 },
	{ "avx512dq", CPU_7_0_EBX, 17 },
	{ "avx512er", CPU_7_0_EBX, 27 },
	{ "avx512f", CPU_7_0_EBX, 16 },
	{ "avx512ifma", CPU_7_0_EBX, 21 },
	{ "avx512pf", CPU_7_0_EBX, 26 },
	{ "avx512vbmi", CPU_7_0_ECX, 1 },
	{ "avx512vl", CPU_7_0_EBX, 31 },
	{ "avx_ifma", CPU_7_1_EAX, 23 },
	{ "avx_ne_convert", CPU_7_1_EDX, 5 },
	{ "avx_vnni", CPU_7_1_EAX, 4 },
	{ "avx_vnni_int16", CPU_7_1_EDX, 10 },
	{ "avx_vnni_int8", CPU_7_1_EDX, 4 },
	{ "bmi1", CPU_7_0_EBX, 3 },
	{ "bmi2", CPU_7_0_EBX, 8 },
	{ "bpext", CPU_EXT_1_ECX, 26 },
	{ "bus_lock_detect", CPU_7_0_ECX, 24 },
	{ "cldemote", CPU_7_0_ECX, 25 },
	{ "clflush", CPU_1_EDX, 19 },
	{ "clflushopt", CPU_7_0_EBX, 23 },
	{ "clwb", CPU_7_0_EBX, 24 },
	{ "clzero", CPU_EXT_8_EBX, 0 },
	{ "constant_tsc", CPU_EXT_7_EDX, 8 },
	{ "cr8_legacy", CPU_EXT_1_ECX, 4 },
	{ "cx16", CPU_1_ECX, 13 },
	{ "enqcmd", CPU_7_0_ECX, 29 },
	{ "erms", CPU_7_0_EBX, 9 },
	{ "f16c", CPU_1_ECX, 29 },
	{ "flush_l1d", CPU_7_0_EDX, 28 },
	{ "fma", CPU_1_ECX, 12 },
	{ "fma4", CPU_EXT_1_ECX, 16 },
	{ "fsgsbase", CPU_7_0_EBX, 0 },
	{ "fsrm", CPU_7_0_EDX, 4 },
	{ "fxsr_opt", CPU_EXT_1_EDX, 25 },
	{ "gfni", CPU_7_0_ECX, 8 },
	{ "hle", CPU_7_0_EBX, 4 },
	{ "ibpb", CPU_7_0_EDX, 26 }, /* one bit with ibrs where it is Intel's */
	{ "ibrs", CPU_7_0_EDX, 26 },
	{ "ibt", CPU_7_0_EDX, 20 },
	{ "intel_pt", CPU_7_0_EBX, 25 },
	{ "invpcid", CPU_7_0_EBX, 10 },
	{ "la57", CPU_7_0_ECX, 16 },
	{ "lahf_lm", CPU_EXT_1_ECX, 0 },
	{ "lam", CPU_7_1_EAX, 26 },
	{ "mca", CPU_1_EDX, 14 },
	{ "mce", CPU_1_EDX, 7 },
	{ "md_clear", CPU_7_0_EDX, 10 },
	{ "misalignsse", CPU_EXT_1_ECX, 7 },
	{ "mmx", CPU_1_EDX, 23 },
	{ "mmxext", CPU_EXT_1_EDX, 22 },
	{ "movbe", CPU_1_ECX, 22 },
	{ "movdir64b", CPU_7_0_ECX, 28 },
	{ "movdiri", CPU_7_0_ECX, 27 },
	{ "mpx", CPU_7_0_EBX, 14 },
	{ "mtrr", CPU_1_EDX, 12 },
	{ "nonstop_tsc", CPU_EXT_7_EDX, 8 },
	{ "nx", CPU_EXT_1_EDX, 20 },
	{ "osvw", CPU_EXT_1_ECX, 9 },
	{ "pat", CPU_1_EDX, 16 },
	{ "pcid", CPU_1_ECX, 17 },
	{ "pclmulqdq", CPU_1_ECX, 1 },
	{ "pdpe1gb", CPU_EXT_1_EDX, 26 },
	{ "perfctr_core", CPU_EXT_1_ECX, 23 },
	{ "perfctr_nb", CPU_EXT_1_ECX, 24 },
	{ "pku", CPU_7_0_ECX, 3 },
	{ "pni", CPU_1_ECX, 0 },
	{ "popcnt", CPU_1_ECX, 23 },
	{ "pse36", CPU_1_EDX, 17 },
	{ "rdpid", CPU_7_0_ECX, 22 },
	{ "rdpru", CPU_EXT_8_EBX, 4 },
	{ "rdrand", CPU_1_ECX, 30 },
	{ "rdseed", CPU_7_0_EBX, 18 },
	{ "rdtscp", CPU_EXT_1_EDX, 27 },
	{ "rtm", CPU_7_0_EBX, 11 },
	{ "sep", CPU_1_EDX, 11 },
	{ "serialize", CPU_7_0_EDX, 14 },
	{ "sha512", CPU_7_1_EAX, 0 },
	{ "sha_ni", CPU_7_0_EBX, 29 },
	{ "shstk", CPU_7_0_ECX, 7 },
	{ "sm3", CPU_7_1_EAX, 1 },
	{ "sm4", CPU_7_1_EAX, 2 },
	{ "smap", CPU_7_0_EBX, 20 },
	{ "smep", CPU_7_0_EBX, 7 },
	{ "ssbd", CPU_7_0_EDX, 31 },
	{ "sse4_1", CPU_1_ECX, 19 },
	{ "sse4_2", CPU_1_ECX, 20 },
	{ "sse4a", CPU_EXT_1_ECX, 6 },
	{ "ssse3", CPU_1_ECX, 9 },
	{ "stibp", CPU_7_0_EDX, 27 },
	{ "tbm", CPU_EXT_1_ECX, 21 },
	{ "topoext", CPU_EXT_1_ECX, 22 },
	{ "tsc_adjust", CPU_7_0_EBX, 1 },
	{ "tsc_deadline_timer", CPU_1_ECX, 24 },
	{ "tsxldtrk", CPU_7_0_EDX, 16 },
	{ "umip", CPU_7_0_ECX, 2 },
	{ "vaes", CPU_7_0_ECX, 9 },
	{ "virt_ssbd", CPU_EXT_8_EBX, 25 },
	{ "vme", CPU_1_EDX, 1 },
	{ "vpclmulqdq", CPU_7_0_ECX, 10 },
	{ "waitpkg", CPU_7_0_ECX, 5 },
	{ "wbnoinvd", CPU_EXT_8_EBX, 9 },
	{ "x2apic", CPU_1_ECX, 21 },
	{ "xfd", CPU_D_1_EAX, 4 },
	{ "xgetbv1", CPU_D_1_EAX, 2 },
	{ "xop", CPU_EXT_1_ECX, 11 },
	{ "xsave", CPU_1_ECX, 26 },
	{ "xsavec", CPU_D_1_EAX, 1 },
	{ "xsaveerptr", CPU_EXT_8_EBX, 2 },
	{ "xsaveopt", CPU_D_1_EAX, 0 },
	{ "xsaves", CPU_D_1_EAX, 3 },
};

/*
 * What else tells of one: Linux calls Intel's bit and AMD's the same, and KVM shows both on a
 * processor of AMD's.
 */
static const struct cpu_feature also[] = {
	{ "ibpb", CPU_EXT_8_EBX, 12 },
	{ "ibpb", CPU_EXT_8_EBX, 30 }, /* that it clears return addresses, too */
	{ "ibrs", CPU_EXT_8_EBX, 14 },
	{ "ssbd", CPU_EXT_8_EBX, 24 },
	{ "stibp", CPU_EXT_8_EBX, 15 },
	{ "stibp", CPU_EXT_8_EBX, 17 }, /* that it may stay on */
};

/* What 64-bit programs, Linux and the machine take for granted. */
static const char *const baseline[] = {
	"apic", "cmov", "cx8", "de", "fpu", "fxsr", "lm", "msr", "pae", "pge", "pse", "sse", "sse2",
	"syscall", "tsc",
};

/* Other flags of /proc/cpuinfo: KVM's, the topology's, Linux's own, or those that no guest has. */
static const char *const fixed[] = {
	"acpi", "aperfmperf", "arch_perfmon", "art", "cat_l3", "cdp_l3", "cid", "cmp_legacy", "cpb",
	"cppc", "cpuid", "cqm", "dca", "ds_cpl", "dtes64", "dtherm", "dts", "epb", "est", "extapic",
	"hfi", "ht", "hwp", "ibs", "ida", "irperf", "lwp", "mba", "monitor",
	"mwaitx", "nopl", "ospke", "pbe", "pcommit", "pconfig", "pdcm", "perfctr_llc", "pln", "pti",
	"ptsc", "pts", "rdt_a", "rep_good", "sdbg", "sgx", "skinit", "sme", "smx", "ss", "tce", "tm", "tm2",
	"tme", "wdt", "xtopology", "xtpr",
};

/*
 * Which feature is nothing without which: it extends the other's instructions, or its registers are
 * saved by the other alone. After Linux (arch/x86/kernel/cpu/cpuid-deps.c), the manuals' ways of
 * detection, and what compilers take to be there; a line break is another family. No processor has the
 * first without the second, so programs look for the first and use both. KVM keeps INVPCID from a guest
 * without PCID by itself.
 */
static const struct {
	const char *name, *needs;
} needs[] = {
	{ "3dnow", "mmx" },
	{ "3dnowext", "3dnow" },
	{ "mmxext", "mmx" },

	{ "ssse3", "pni" },
	{ "sse4_1", "ssse3" },
	{ "sse4_2", "sse4_1" },
	{ "sse4a", "pni" },

	{ "avx", "sse4_2" },
	{ "avx", "xsave" },
	{ "f16c", "avx" },
	{ "fma", "avx" },
	{ "fma4", "avx" },
	{ "xop", "avx" },
	{ "vaes", "avx" },
	{ "vaes", "aes" },
	{ "vpclmulqdq", "avx" },
	{ "vpclmulqdq", "pclmulqdq" },
	{ "avx2", "avx" },
	{ "avx_ifma", "avx2" },
	{ "avx_ne_convert", "avx2" },
	{ "avx_vnni", "avx2" },
	{ "avx_vnni_int16", "avx2" },
	{ "avx_vnni_int8", "avx2" },
	{ "sha512", "avx2" },
	{ "sm3", "avx" },
	{ "sm4", "avx2" },

	{ "avx512f", "avx2" },
	{ "avx512_4fmaps", "avx512f" },
	{ "avx512_4vnniw", "avx512f" },
	{ "avx512_vpopcntdq", "avx512f" },
	{ "avx512bw", "avx512f" },
	{ "avx512cd", "avx512f" },
	{ "avx512dq", "avx512f" },
	{ "avx512er", "avx512f" },
	{ "avx512ifma", "avx512f" },
	{ "avx512pf", "avx512f" },
	{ "avx512vbmi", "avx512f" },
	{ "avx512vl", "avx512f" },
	{ "avx512_bf16", "avx512vl" },
	{ "avx512_bitalg", "avx512vl" },
	{ "avx512_vbmi2", "avx512vl" },
	{ "avx512_vnni", "avx512vl" },
	{ "avx512_vp2intersect", "avx512vl" },
	{ "avx512_fp16", "avx512bw" },
	{ "avx10", "avx512vl" },

	{ "apx", "xsave" },
	{ "mpx", "xsave" },
	{ "pku", "xsave" },
	{ "xgetbv1", "xsave" },
	{ "xsavec", "xsave" },
	{ "xsaveopt", "xsave" },
	{ "xsaves", "xsave" },
	{ "enqcmd", "xsaves" },
	{ "ibt", "xsaves" },
	{ "shstk", "xsaves" },
	{ "xfd", "xgetbv1" },
	{ "xfd", "xsaves" },
	{ "amx_tile", "xfd" },
	{ "amx_bf16", "amx_tile" },
	{ "amx_complex", "amx_tile" },
	{ "amx_fp16", "amx_tile" },
	{ "amx_int8", "amx_tile" },

	{ "invpcid", "pcid" },
	{ "virt_ssbd", "ssbd" },
	{ "tsxldtrk", "rtm" },
};

const struct cpu_feature *cpu_features(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(features);
	return features;
}

const struct cpu_feature *cpu_feature_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (strcmp(features[i].name, name) == 0)
			return &features[i];
	return NULL;
}

static bool among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool cpu_feature_is_baseline(const char *name)
{
	return among(name, baseline, ARRAY_SIZE(baseline));
}

bool cpu_feature_is_fixed(const char *name)
{
	return among(name, fixed, ARRAY_SIZE(fixed));
}

void cpu_feature_hide(const struct cpu_feature *f, uint32_t hidden[CPU_WORDS])
{
	hidden[f->word] |= 1u << f->bit;
	for (size_t i = 0; i < ARRAY_SIZE(also); i++)
		if (strcmp(also[i].name, f->name) == 0)
			hidden[also[i].word] |= 1u << also[i].bit;
}

bool cpu_feature_in(const struct cpu_feature *f, const uint32_t words[CPU_WORDS])
{
	return words[f->word] >> f->bit & 1;
}

/* One round. Whether there was anything more. */
static bool take_along(uint32_t hidden[CPU_WORDS])
{
	bool more = false;

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		const struct cpu_feature *f = cpu_feature_find(needs[i].name);
		const struct cpu_feature *base = cpu_feature_find(needs[i].needs);

		if (!f || !base || cpu_feature_in(f, hidden) || !cpu_feature_in(base, hidden))
			continue;
		cpu_feature_hide(f, hidden);
		more = true;
	}
	return more;
}

void cpu_features_take_along(uint32_t hidden[CPU_WORDS])
{
	while (take_along(hidden))
		;
}
