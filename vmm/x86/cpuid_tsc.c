// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/cpuid_tsc.h"

#include <stddef.h>

#include <linux/kvm.h>

#include "vmm/x86/cpuid.h"

#define LEAF_TSC 0x15

/* "GenuineIntel" in EBX, EDX, ECX of leaf 0. */
#define INTEL_EBX 0x756e6547u
#define INTEL_EDX 0x49656e69u
#define INTEL_ECX 0x6c65746eu

/*
 * The leaf tells a crystal and its ratio to the TSC. Linux takes the crystal for what feeds the
 * APIC timer, too: that is 1 GHz with KVM. It multiplies kHz by the numerator in 32 bits.
 */
#define CRYSTAL_KHZ   1000000u
#define NUMERATOR_MAX (UINT32_MAX / CRYSTAL_KHZ)

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	}
	return NULL;
}

void x86_cpuid_fraction(uint64_t num, uint64_t den, uint32_t max, uint32_t *ret_num,
			uint32_t *ret_den)
{
	uint64_t n[2] = { 0, 1 }, d[2] = { 1, 0 }; /* the last two convergents */

	while (den) {
		uint64_t a = num / den, next_n = a * n[1] + n[0], next_d = a * d[1] + d[0];
		uint64_t rest = num % den;

		if (next_n > max || next_d > UINT32_MAX)
			break;
		n[0] = n[1];
		n[1] = next_n;
		d[0] = d[1];
		d[1] = next_d;
		num = den;
		den = rest;
	}
	*ret_num = (uint32_t)n[1];
	*ret_den = (uint32_t)d[1];
}

void x86_cpuid_tell_tsc(struct kvm_cpuid2 *cpuid, uint32_t tsc_khz)
{
	struct kvm_cpuid_entry2 *vendor = find(cpuid, 0), *e = find(cpuid, LEAF_TSC);
	uint32_t num, den;

	if (!vendor || vendor->ebx != INTEL_EBX || vendor->edx != INTEL_EDX ||
	    vendor->ecx != INTEL_ECX || !tsc_khz)
		return;
	x86_cpuid_fraction(tsc_khz, CRYSTAL_KHZ, NUMERATOR_MAX, &num, &den);
	if (!num || !den || (!e && cpuid->nent >= CPUID_ENTRIES_MAX))
		return;
	if (!e)
		e = &cpuid->entries[cpuid->nent++];
	*e = (struct kvm_cpuid_entry2){ .function = LEAF_TSC, .eax = den, .ebx = num,
					.ecx = CRYSTAL_KHZ * 1000 };
	if (vendor->eax < LEAF_TSC)
		vendor->eax = LEAF_TSC;
}
