// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/cpu_model.h"

#include <stddef.h>
#include <string.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/cpu_model.h"
#include "vmm/x86/cpu_xstate.h"

#define LEAF1_ECX_VMX	     (1u << 5)
#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define AMD1_ECX_SVM	     (1u << 2)
#define LEAF_SVM	     0x8000000a
#define LEAF_HYPERVISOR	     0x40000000
#define LEAF_HYPERVISOR_END  0x40010000
#define LEAF_KVM_FEATURES    0x40000001
#define KVM_EDX_REALTIME     (1u << 0) /* KVM_HINTS_REALTIME */

/* AMD repeats these bits of leaf 1's EDX in 0x80000001. */
#define AMD1_EDX_REPEATED 0x0183f3ff

#define REG(name) offsetof(struct kvm_cpuid_entry2, name)

static const struct {
	uint32_t function, index;
	size_t reg;
} words[CPU_WORDS] = {
	[CPU_1_ECX] = { 1, 0, REG(ecx) },
	[CPU_1_EDX] = { 1, 0, REG(edx) },
	[CPU_6_EAX] = { 6, 0, REG(eax) },
	[CPU_7_0_EBX] = { 7, 0, REG(ebx) },
	[CPU_7_0_ECX] = { 7, 0, REG(ecx) },
	[CPU_7_0_EDX] = { 7, 0, REG(edx) },
	[CPU_7_1_EAX] = { 7, 1, REG(eax) },
	[CPU_7_1_EDX] = { 7, 1, REG(edx) },
	[CPU_D_1_EAX] = { 0xd, 1, REG(eax) },
	[CPU_EXT_1_ECX] = { 0x80000001, 0, REG(ecx) },
	[CPU_EXT_1_EDX] = { 0x80000001, 0, REG(edx) },
	[CPU_EXT_7_EDX] = { 0x80000007, 0, REG(edx) },
	[CPU_EXT_8_EBX] = { 0x80000008, 0, REG(ebx) },
};

/* What tells more of a feature, which the guest does not have. */
static const struct {
	uint32_t function;
	enum cpu_word word;
	unsigned bit;
} details[] = {
	{ 0x14, CPU_7_0_EBX, 25 },	  /* intel_pt */
	{ 0x1d, CPU_7_0_EDX, 24 },	  /* amx_tile: its tiles */
	{ 0x1e, CPU_7_0_EDX, 24 },	  /* and what multiplies them */
	{ 0x24, CPU_7_1_EDX, 19 },	  /* avx10 */
	{ 0x8000001d, CPU_EXT_1_ECX, 22 }, /* topoext: caches */
	{ 0x8000001e, CPU_EXT_1_ECX, 22 }, /* and ids */
};

static void hide_details(struct kvm_cpuid_entry2 *e, const struct cpu_model *m)
{
	for (unsigned i = 0; i < ARRAY_SIZE(details); i++)
		if (e->function == details[i].function &&
		    m->hidden[details[i].word] >> details[i].bit & 1)
			e->eax = e->ebx = e->ecx = e->edx = 0;
}

static void hide_features(struct kvm_cpuid_entry2 *e, const struct cpu_model *m)
{
	for (unsigned i = 0; i < CPU_WORDS; i++) {
		uint32_t reg;

		if (!m->hidden[i] || e->function != words[i].function || e->index != words[i].index)
			continue;
		memcpy(&reg, (char *)e + words[i].reg, sizeof(reg));
		reg &= ~m->hidden[i];
		memcpy((char *)e + words[i].reg, &reg, sizeof(reg));
	}
	if (e->function == 0x80000001)
		e->edx &= ~(m->hidden[CPU_1_EDX] & AMD1_EDX_REPEATED);
}

static void clear(struct kvm_cpuid_entry2 *e)
{
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

/* Guests of the guest cost every guest something: Linux enables what it finds. */
static void hide_virtualization(struct kvm_cpuid_entry2 *e)
{
	if (e->function == 1)
		e->ecx &= ~LEAF1_ECX_VMX;
	else if (e->function == 0x80000001)
		e->ecx &= ~AMD1_ECX_SVM;
	else if (e->function == LEAF_SVM)
		clear(e);
}

static void hide_hypervisor(struct kvm_cpuid_entry2 *e)
{
	if (e->function == 1)
		e->ecx &= ~LEAF1_ECX_HYPERVISOR;
	else if (e->function >= LEAF_HYPERVISOR && e->function < LEAF_HYPERVISOR_END)
		clear(e);
}

static void rename_hypervisor(struct kvm_cpuid_entry2 *e, const char *id)
{
	uint8_t bytes[CPU_VENDOR_ID] = { 0 };

	if (e->function != LEAF_HYPERVISOR)
		return;
	memcpy(bytes, id, strnlen(id, sizeof(bytes)));
	e->ebx = get_le32(bytes);
	e->ecx = get_le32(bytes + 4);
	e->edx = get_le32(bytes + 8);
}

void x86_cpu_model_apply(struct kvm_cpuid2 *cpuid, const struct cpu_model *m)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		hide_features(e, m);
		hide_details(e, m);
		if (!m->nested)
			hide_virtualization(e);
		if (m->hide_hypervisor)
			hide_hypervisor(e);
		if (m->realtime && e->function == LEAF_KVM_FEATURES)
			e->edx |= KVM_EDX_REALTIME;
		if (m->vendor_id[0])
			rename_hypervisor(e, m->vendor_id);
	}
	x86_cpu_xstate_apply(cpuid, m);
}
