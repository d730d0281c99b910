// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/cpuid_mwait.h"

#include <cpuid.h>
#include <stddef.h>

#include <linux/kvm.h>

#include "vmm/x86/cpuid.h"

#define LEAF_MWAIT	  5
#define LEAF1_ECX_MONITOR (1u << 3)

void x86_cpuid_mwait_host(struct cpuid_mwait *ret)
{
	*ret = (struct cpuid_mwait){ 0 };
	(void)__get_cpuid(LEAF_MWAIT, &ret->reg[0], &ret->reg[1], &ret->reg[2], &ret->reg[3]);
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

/* KVM lists leaf 5 empty, or not at all. */
void x86_cpuid_show_mwait(struct kvm_cpuid2 *cpuid, const struct cpuid_mwait *mwait)
{
	struct kvm_cpuid_entry2 *first = find(cpuid, 1), *e = find(cpuid, LEAF_MWAIT);

	if (!first || (!e && cpuid->nent >= CPUID_ENTRIES_MAX))
		return;
	if (!e)
		e = &cpuid->entries[cpuid->nent++];
	*e = (struct kvm_cpuid_entry2){ .function = LEAF_MWAIT, .eax = mwait->reg[0],
					.ebx = mwait->reg[1], .ecx = mwait->reg[2],
					.edx = mwait->reg[3] };
	first->ecx |= LEAF1_ECX_MONITOR;
}
