// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_cpu_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/near.h"

struct feature {
	const char *name;
	enum cpu_word word;
	unsigned bit;
};

/*
 * Names of /proc/cpuinfo (Linux, arch/x86/include/asm/cpufeatures.h), by name. Not here: what
 * x86-64 cannot be without, what Linux makes up itself, and virtualization (see nested).
 */
static const struct feature features[] = {
	{ "3dnow", CPU_EXT_1_EDX, 31 },
	{ "3dnowext", CPU_EXT_1_EDX, 30 },
	{ "3dnowprefetch", CPU_EXT_1_ECX, 8 },
	{ "abm", CPU_EXT_1_ECX, 5 },
	{ "adx", CPU_7_0_EBX, 19 },
	{ "aes", CPU_1_ECX, 25 },
	{ "amx_bf16", CPU_7_0_EDX, 22 },
	{ "amx_int8", CPU_7_0_EDX, 25 },
	{ "amx_tile", CPU_7_0_EDX, 24 },
	{ "arat", CPU_6_EAX, 2 },
	{ "arch_capabilities", CPU_7_0_EDX, 29 },
	{ "avx", CPU_1_ECX, 28 },
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
	{ "avx_vnni", CPU_7_1_EAX, 4 },
	{ "bmi1", CPU_7_0_EBX, 3 },
	{ "bmi2", CPU_7_0_EBX, 8 },
	{ "bus_lock_detect", CPU_7_0_ECX, 24 },
	{ "cldemote", CPU_7_0_ECX, 25 },
	{ "clflush", CPU_1_EDX, 19 },
	{ "clflushopt", CPU_7_0_EBX, 23 },
	{ "clwb", CPU_7_0_EBX, 24 },
	{ "clzero", CPU_EXT_8_EBX, 0 },
	{ "constant_tsc", CPU_EXT_7_EDX, 8 },
	{ "cr8_legacy", CPU_EXT_1_ECX, 4 },
	{ "cx16", CPU_1_ECX, 13 },
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
	{ "invpcid", CPU_7_0_EBX, 10 },
	{ "la57", CPU_7_0_ECX, 16 },
	{ "lahf_lm", CPU_EXT_1_ECX, 0 },
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
	{ "pku", CPU_7_0_ECX, 3 },
	{ "pni", CPU_1_ECX, 0 },
	{ "popcnt", CPU_1_ECX, 23 },
	{ "pse36", CPU_1_EDX, 17 },
	{ "rdpid", CPU_7_0_ECX, 22 },
	{ "rdrand", CPU_1_ECX, 30 },
	{ "rdseed", CPU_7_0_EBX, 18 },
	{ "rdtscp", CPU_EXT_1_EDX, 27 },
	{ "rtm", CPU_7_0_EBX, 11 },
	{ "sep", CPU_1_EDX, 11 },
	{ "serialize", CPU_7_0_EDX, 14 },
	{ "sha_ni", CPU_7_0_EBX, 29 },
	{ "smap", CPU_7_0_EBX, 20 },
	{ "smep", CPU_7_0_EBX, 7 },
	{ "sse4_1", CPU_1_ECX, 19 },
	{ "sse4_2", CPU_1_ECX, 20 },
	{ "sse4a", CPU_EXT_1_ECX, 6 },
	{ "ssse3", CPU_1_ECX, 9 },
	{ "tbm", CPU_EXT_1_ECX, 21 },
	{ "topoext", CPU_EXT_1_ECX, 22 },
	{ "tsc_adjust", CPU_7_0_EBX, 1 },
	{ "tsc_deadline_timer", CPU_1_ECX, 24 },
	{ "tsxldtrk", CPU_7_0_EDX, 16 },
	{ "umip", CPU_7_0_ECX, 2 },
	{ "vaes", CPU_7_0_ECX, 9 },
	{ "vme", CPU_1_EDX, 1 },
	{ "vpclmulqdq", CPU_7_0_ECX, 10 },
	{ "waitpkg", CPU_7_0_ECX, 5 },
	{ "wbnoinvd", CPU_EXT_8_EBX, 9 },
	{ "x2apic", CPU_1_ECX, 21 },
	{ "xgetbv1", CPU_D_1_EAX, 2 },
	{ "xop", CPU_EXT_1_ECX, 11 },
	{ "xsave", CPU_1_ECX, 26 },
	{ "xsavec", CPU_D_1_EAX, 1 },
	{ "xsaveerptr", CPU_EXT_8_EBX, 2 },
	{ "xsaveopt", CPU_D_1_EAX, 0 },
	{ "xsaves", CPU_D_1_EAX, 3 },
};

static const struct feature *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (strcmp(features[i].name, name) == 0)
			return &features[i];
	return NULL;
}

static int unknown_feature(const char *name, struct err *err)
{
	const char *names[ARRAY_SIZE(features)], *near;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		names[i] = features[i].name;
	near = near_word(name, names, ARRAY_SIZE(features));
	err_usage(err, "--cpu: '%s' is no feature that can be left out", name);
	if (strcmp(name, "vmx") == 0 || strcmp(name, "svm") == 0)
		return err_hint(err, "it is, unless +nested is said");
	if (near)
		return err_hint(err, "did you mean -%s?", near);
	return err_hint(err, "names are those of flags in /proc/cpuinfo; what every 64-bit processor has "
			     "stays");
}

static int take_vendor_id(const char *id, struct cpu_model *m, struct err *err)
{
	size_t len = strlen(id);
	bool bad = len == 0 || len > CPU_VENDOR_ID;

	for (size_t i = 0; i < len; i++)
		bad |= id[i] < ' ' || id[i] > '~';
	if (bad) {
		err_usage(err, "--cpu: 'vendor-id=%s' is not possible", id);
		return err_hint(err, "1 to %d letters, digits and signs", CPU_VENDOR_ID);
	}
	strcpy(m->vendor_id, id);
	return 0;
}

static int take_word(const char *word, struct cpu_model *m, struct err *err)
{
	const struct feature *f;

	if (strcmp(word, "+nested") == 0) {
		m->nested = true;
	} else if (strcmp(word, "realtime") == 0) {
		m->realtime = true;
	} else if (strcmp(word, "hide-hypervisor") == 0) {
		m->hide_hypervisor = true;
	} else if (strncmp(word, "vendor-id=", 10) == 0) {
		return take_vendor_id(word + 10, m, err);
	} else if (word[0] == '-') {
		f = find(word + 1);
		if (!f)
			return unknown_feature(word + 1, err);
		m->hidden[f->word] |= 1u << f->bit;
	} else {
		err_usage(err, "--cpu: '%s' is not among its words", word);
		return err_hint(err, "-FEATURE, +nested, realtime, hide-hypervisor, vendor-id=ID%s",
				word[0] == '+' ? "; what the host's processor has is there already" : "");
	}
	return 0;
}

int vm_cpu_model_parse(const char *text, struct cpu_model *ret, struct err *err)
{
	struct cpu_model m = { 0 };
	char copy[1024], *rest = copy, *word;
	int r = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_usage(err, "--cpu: longer than %zu bytes", sizeof(copy) - 1);
	word = strsep(&rest, ",");
	if (strcmp(word, "host") != 0) {
		err_usage(err, "--cpu: '%s' is no processor that guests can have", word);
		return err_hint(err, "host is the only one: --cpu host,-FEATURE takes features away");
	}
	while (r == 0 && (word = strsep(&rest, ",")))
		r = take_word(word, &m, err);
	if (r == 0 && m.hide_hypervisor && m.vendor_id[0])
		r = err_usage(err, "--cpu: a hypervisor that is hidden has no vendor-id=");
	if (r == 0 && m.realtime && (m.hide_hypervisor || m.vendor_id[0]))
		r = err_usage(err, "--cpu: realtime is a word of KVM's, which such a guest does not see");
	if (r == 0)
		*ret = m;
	return r;
}

/* 1: the module gives it; 0: it does not; -errno: it is not loaded, or does not tell. */
static int nested_of(int root, const char *module)
{
	char text[16];
	ssize_t len = hostfs_read(root, text, sizeof(text), "sys/module/%s/parameters/nested", module);

	return len < 0 ? (int)len : text[0] == 'Y' || text[0] == '1';
}

int vm_cpu_model_check(int root, const struct cpu_model *m, struct err *err)
{
	static const char *const modules[] = { "kvm_intel", "kvm_amd" };

	for (unsigned i = 0; m->nested && i < ARRAY_SIZE(modules); i++) {
		if (nested_of(root, modules[i]) != 0)
			continue;
		err_plain(err, -EOPNOTSUPP, "--cpu: this host's KVM runs no guests of guests (+nested): "
			  "parameter nested of %s is off", modules[i]);
		return err_hint(err, "write 'options %s nested=1' to /etc/modprobe.d/kvm.conf and load "
				     "the module anew when no VM runs", modules[i]);
	}
	return 0;
}
