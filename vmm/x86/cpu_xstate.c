// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/cpu_xstate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/range.h"
#include "vmm/cpu_model.h"

#define LEAF_XSTATE 0xd

/* x87, SSE and the header, which every area has (SDM volume 1, 13.4.1). */
#define AREA_MIN 576

#define LEAF1_ECX_XSAVE	 (1u << 26)
#define XSAVE_EAX_XSAVEC (1u << 1)
#define XSAVE_EAX_XSAVES (1u << 3)

/* Of a component, in ECX of its own index. */
#define COMPONENT_SUPERVISOR (1u << 0)
#define COMPONENT_ALIGNED    (1u << 1) /* to 64 bytes, in the compacted form */
#define COMPONENT_FIRST	     2
#define COMPONENT_MAX	     63

/* A component goes when all that it is for do; those not here stay. */
static const struct {
	uint8_t first, last;
	enum cpu_word word;
	uint32_t features;
} states[] = {
	{ 2, 2, CPU_1_ECX, 1u << 28 },	   /* avx */
	{ 3, 4, CPU_7_0_EBX, 1u << 14 },   /* mpx */
	{ 5, 7, CPU_7_0_EBX, 1u << 16 },   /* avx512f */
	{ 8, 8, CPU_7_0_EBX, 1u << 25 },   /* intel_pt */
	{ 9, 9, CPU_7_0_ECX, 1u << 3 },	   /* pku */
	{ 10, 10, CPU_7_0_ECX, 1u << 29 }, /* enqcmd: the PASID */
	{ 17, 18, CPU_7_0_EDX, 1u << 24 }, /* amx_tile */
	{ 19, 19, CPU_7_1_EDX, 1u << 21 }, /* apx */
};

/* shstk and ibt share the state of CET. */
#define CET_STATES (3ull << 11)

static uint64_t gone_states(const struct cpu_model *m)
{
	uint64_t gone = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		if (!(m->hidden[states[i].word] & states[i].features))
			continue;
		for (unsigned n = states[i].first; n <= states[i].last; n++)
			gone |= 1ull << n;
	}
	if (m->hidden[CPU_7_0_ECX] & 1u << 7 && m->hidden[CPU_7_0_EDX] & 1u << 20)
		gone |= CET_STATES;
	return gone;
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == LEAF_XSTATE && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

static void clear(struct kvm_cpuid_entry2 *e)
{
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

static void clear_all(struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == LEAF_XSTATE)
			clear(&cpuid->entries[i]);
}

static void clear_bits(uint32_t *low, uint32_t *high, uint64_t gone)
{
	*low &= ~(uint32_t)gone;
	*high &= ~(uint32_t)(gone >> 32);
}

/* What components 0 and 1 tell of all of them: XCR0, and by XSAVES IA32_XSS. */
static uint64_t valid_states(const struct kvm_cpuid_entry2 *user,
			     const struct kvm_cpuid_entry2 *supervisor)
{
	uint64_t valid = user->eax | (uint64_t)user->edx << 32;

	return supervisor ? valid | supervisor->ecx | (uint64_t)supervisor->edx << 32 : valid;
}

struct area {
	uint32_t size, compacted;
};

/* The area of all states that are left. The indices of those that are not are emptied. */
static struct area measure(struct kvm_cpuid2 *cpuid, uint64_t valid)
{
	struct area a = { AREA_MIN, AREA_MIN };

	for (unsigned n = COMPONENT_FIRST; n < COMPONENT_MAX; n++) {
		struct kvm_cpuid_entry2 *e = find(cpuid, n);

		if (e && !(valid >> n & 1))
			clear(e);
		if (!e || !e->eax)
			continue;
		if (!(e->ecx & COMPONENT_SUPERVISOR) && e->ebx + e->eax > a.size)
			a.size = e->ebx + e->eax;
		if (e->ecx & COMPONENT_ALIGNED)
			a.compacted = (uint32_t)align_up(a.compacted, 64);
		a.compacted += e->eax;
	}
	return a;
}

/*
 * KVM tells EBX of index 0 and 1 by what the guest has enabled as it runs. ECX of index 0 is ours to
 * tell, and a guest lays its areas out by the indices behind.
 */
void x86_cpu_xstate_apply(struct kvm_cpuid2 *cpuid, const struct cpu_model *m)
{
	struct kvm_cpuid_entry2 *user = find(cpuid, 0), *more = find(cpuid, 1);
	bool without_xsaves = m->hidden[CPU_D_1_EAX] & XSAVE_EAX_XSAVES;
	uint64_t gone = gone_states(m);
	struct area area;

	if (m->hidden[CPU_1_ECX] & LEAF1_ECX_XSAVE)
		clear_all(cpuid);
	else if (user && (gone || m->hidden[CPU_D_1_EAX])) {
		clear_bits(&user->eax, &user->edx, gone);
		if (more)
			clear_bits(&more->ecx, &more->edx, without_xsaves ? ~0ull : gone);
		area = measure(cpuid, valid_states(user, more));
		user->ebx = user->ecx = area.size;
		if (more)
			more->ebx = more->eax & (XSAVE_EAX_XSAVEC | XSAVE_EAX_XSAVES) ? area.compacted : 0;
	}
}
