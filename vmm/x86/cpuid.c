// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/cpuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/range.h"
#include "vmm/numa.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86/msr.h"

#define ENTRIES_MAX 256

#define LEAF1_EDX_HTT	       (1u << 28)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define AMD1_ECX_CMP_LEGACY    (1u << 1)

/* Levels of leaf 0xb, in ECX[15:8]. */
enum { LEVEL_NONE, LEVEL_SMT, LEVEL_CORE };

struct topology {
	unsigned index;
	unsigned ncpus; /* in the package */
	unsigned shift; /* bits of an APIC id that number a CPU within the package */
	bool tsc_deadline;
};

int x86_cpuid_host(int kvm_fd, struct kvm_cpuid2 **ret, struct err *err)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + ENTRIES_MAX * sizeof(cpuid->entries[0]));
	int r;

	if (!cpuid) {
		err_set(err, -ENOMEM, "cannot hold the CPUID table");
		return -ENOMEM;
	}
	cpuid->nent = ENTRIES_MAX;
	r = SIZED_IOCTL(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid);
	if (r < 0) {
		free(cpuid);
		err_set(err, r, "cannot ask KVM for its CPUID table");
		return r;
	}
	*ret = cpuid;
	return 0;
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *cpuid, uint32_t function)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

unsigned x86_cpuid_phys_bits(const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find(cpuid, 0x80000008);
	unsigned bits, mapped;

	if (!e)
		return 36; /* what every processor with PAE has */
	bits = e->eax & 0xff;
	mapped = e->eax >> 16 & 0xff; /* since Linux 6.10, 0 before: what the page tables reach */
	return mapped && mapped < bits ? mapped : bits;
}

static unsigned bits_for(unsigned n)
{
	return n <= 1 ? 0 : 32 - (unsigned)__builtin_clz(n - 1);
}

static void set_bits(uint32_t *reg, unsigned low, unsigned count, uint32_t value)
{
	uint32_t mask = ((1u << count) - 1) << low;

	*reg = (*reg & ~mask) | (value << low & mask);
}

static uint32_t at_most(uint32_t value, uint32_t max)
{
	return value < max ? value : max;
}

static void adapt_leaf1(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	set_bits(&e->ebx, 24, 8, t->index);
	set_bits(&e->ebx, 16, 8, at_most(1u << t->shift, 0xff));
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	/* KVM before 6.9 emulates it without listing it. */
	if (t->tsc_deadline)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
	else
		e->ecx &= ~LEAF1_ECX_TSC_DEADLINE;
	if (t->ncpus > 1)
		e->edx |= LEAF1_EDX_HTT;
	else
		e->edx &= ~LEAF1_EDX_HTT;
}

/* Caches of Intel: level 3 and up belong to the package, lower ones to the core. */
static void adapt_leaf4(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	unsigned level = e->eax >> 5 & 7;

	if ((e->eax & 0x1f) == 0)
		return;
	set_bits(&e->eax, 14, 12, level >= 3 ? (1u << t->shift) - 1 : 0);
	set_bits(&e->eax, 26, 6, at_most((1u << t->shift) - 1, 63));
}

static void adapt_leaf_b(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	uint32_t level = e->index;

	e->ecx = level & 0xff;
	e->edx = t->index;
	e->eax = e->ebx = 0;
	if (level == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_SMT << 8;
	} else if (level == 1) {
		e->eax = t->shift;
		e->ebx = t->ncpus;
		e->ecx |= LEVEL_CORE << 8;
	}
}

static void adapt_amd_caches(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	unsigned level = e->eax >> 5 & 7;

	if (e->eax & 0x1f)
		set_bits(&e->eax, 14, 12, level >= 3 ? t->ncpus - 1 : 0);
}

static void adapt_entry(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	switch (e->function) {
	case 1:
		adapt_leaf1(e, t);
		return;
	case 4:
		adapt_leaf4(e, t);
		return;
	case 0xb:
		adapt_leaf_b(e, t);
		return;
	case 0x1f:	 /* dies, modules: an empty one sends the kernel to leaf 0xb */
	case 0x80000026: /* AMD's form of the same */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		return;
	case 0x80000001:
		if (t->ncpus > 1)
			e->ecx |= AMD1_ECX_CMP_LEGACY;
		else
			e->ecx &= ~AMD1_ECX_CMP_LEGACY;
		return;
	case 0x80000008:
		set_bits(&e->ecx, 0, 8, t->ncpus - 1);
		set_bits(&e->ecx, 12, 4, t->shift);
		return;
	case 0x8000001d:
		adapt_amd_caches(e, t);
		return;
	case 0x8000001e: /* extended APIC id; one thread per core; a node per package */
		e->eax = t->index;
		e->ebx = t->index & 0xff;
		e->ecx = t->index >> t->shift & 0xff;
		return;
	}
}

/*
 * KVM lists the levels of leaf 0xb that the host has, which may be none, one or
 * many. The guest gets the two it needs.
 */
static void two_topology_levels(struct kvm_cpuid2 *cpuid)
{
	uint32_t kept = 0, levels = 0;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != 0xb)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	for (; levels < 2 && kept < ENTRIES_MAX; levels++)
		cpuid->entries[kept++] = (struct kvm_cpuid_entry2){
			.function = 0xb,
			.index = levels,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		};
	cpuid->nent = kept;
}

/* CPUs of two nodes with a cache in common are a broken machine to Linux (topology_sane()). */
unsigned x86_cpuid_package(const struct numa *numa, unsigned ncpus)
{
	unsigned n = 1;

	if (numa->nodes <= 1)
		return ncpus;
	while (n < ncpus && numa->cpu_node[n] == numa->cpu_node[0])
		n++;
	if (ncpus % n || !is_pow2(n))
		return 1;
	for (unsigned i = 0; i < ncpus; i++)
		if (numa->cpu_node[i] != numa->cpu_node[i - i % n])
			return 1;
	return n;
}

/* Both what the processor has and, since Linux 6.10, what its page tables reach. */
void x86_cpuid_limit_phys_bits(struct kvm_cpuid2 *cpuid, unsigned bits)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function != 0x80000008)
			continue;
		set_bits(&e->eax, 0, 8, at_most(e->eax & 0xff, bits));
		set_bits(&e->eax, 16, 8, at_most(e->eax >> 16 & 0xff, bits));
	}
}

void x86_cpuid_adapt(struct kvm_cpuid2 *cpuid, unsigned index, unsigned package,
		     bool tsc_deadline)
{
	struct topology t = { index, package, bits_for(package), tsc_deadline };

	two_topology_levels(cpuid);
	for (uint32_t i = 0; i < cpuid->nent; i++)
		adapt_entry(&cpuid->entries[i], &t);
}

int x86_cpuid_set_all(struct vm *vm, const struct numa *numa, unsigned max_phys_bits,
		      struct err *err)
{
	unsigned package = x86_cpuid_package(numa, vm->ncpus);
	_cleanup_free_ struct kvm_cpuid2 *cpuid = NULL;
	int r = x86_cpuid_host(vm->kvm_fd, &cpuid, err);

	if (r < 0)
		return r;
	x86_cpuid_limit_phys_bits(cpuid, max_phys_bits);
	vm->phys_bits = x86_cpuid_phys_bits(cpuid);
	for (unsigned i = 0; i < vm->ncpus; i++) {
		x86_cpuid_adapt(cpuid, i, package, vm->tsc_deadline);
		r = SIZED_IOCTL(vm->vcpus[i].fd, KVM_SET_CPUID2, cpuid);
		if (r >= 0)
			r = x86_msrs_init(vm->vcpus[i].fd);
		if (r < 0)
			return err_set(err, r, "KVM refused the features of CPU %u", i);
	}
	return 0;
}
