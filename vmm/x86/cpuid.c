// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/cpuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/le.h"
#include "vmm/topology.h"
#include "vmm/cpu_model.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86/amx.h"
#include "vmm/x86/cpu_model.h"
#include "vmm/x86/cpuid_mwait.h"
#include "vmm/x86/cpuid_tsc.h"
#include "vmm/x86/msr.h"

#define LEAF1_EDX_HTT	       (1u << 28)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define AMD1_ECX_CMP_LEGACY    (1u << 1)

/* Levels of leaves 0xb and 0x1f, in ECX[15:8]. */
enum { LEVEL_NONE, LEVEL_SMT, LEVEL_CORE, LEVEL_DIE = 5 };

/* One CPU in the topology of all. */
struct place {
	const struct cpu_topology *all;
	struct topology_shifts shift;
	unsigned id;	 /* APIC's */
	unsigned socket; /* CPUs in it */
	unsigned die;	 /* CPUs in it */
	bool tsc_deadline;
	bool amd; /* or of its kind */
};

int x86_cpuid_host(int kvm_fd, struct kvm_cpuid2 **ret, struct err *err)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));
	int r;

	if (!cpuid) {
		err_set(err, -ENOMEM, "cannot hold the CPUID table");
		return -ENOMEM;
	}
	cpuid->nent = CPUID_ENTRIES_MAX;
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

/* Whose extended leaves have AMD's meaning. */
static bool of_amds_kind(const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find(cpuid, 0);
	uint8_t id[12];

	if (!e)
		return false;
	put_le32(id, e->ebx);
	put_le32(id + 4, e->edx);
	put_le32(id + 8, e->ecx);
	return memcmp(id, "AuthenticAMD", sizeof(id)) == 0 ||
	       memcmp(id, "HygonGenuine", sizeof(id)) == 0;
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

static void set_bits(uint32_t *reg, unsigned low, unsigned count, uint32_t value)
{
	uint32_t mask = ((1u << count) - 1) << low;

	*reg = (*reg & ~mask) | (value << low & mask);
}

static uint32_t at_most(uint32_t value, uint32_t max)
{
	return value < max ? value : max;
}

static void adapt_leaf1(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	set_bits(&e->ebx, 24, 8, p->id);
	set_bits(&e->ebx, 16, 8, at_most(1u << p->shift.socket, 0xff));
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	/* KVM before 6.9 emulates it without listing it. */
	if (p->tsc_deadline)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
	else
		e->ecx &= ~LEAF1_ECX_TSC_DEADLINE;
	if (p->socket > 1)
		e->edx |= LEAF1_EDX_HTT;
	else
		e->edx &= ~LEAF1_EDX_HTT;
}

/* Caches of Intel: level 3 and up belong to the die, lower ones to the core. In ids, not CPUs. */
static void adapt_leaf4(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	unsigned level = e->eax >> 5 & 7;

	if ((e->eax & 0x1f) == 0)
		return;
	set_bits(&e->eax, 14, 12, (1u << (level >= 3 ? p->shift.die : p->shift.core)) - 1);
	set_bits(&e->eax, 26, 6, at_most((1u << (p->shift.socket - p->shift.core)) - 1, 63));
}

/* What a level of leaf 0xb or 0x1f numbers: bits of the id to shift away, and CPUs in it. */
static void topology_level(struct kvm_cpuid_entry2 *e, unsigned type, unsigned shift, unsigned cpus)
{
	e->eax = shift;
	e->ebx = cpus;
	e->ecx |= type << 8;
}

static void adapt_levels(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	bool dies = e->function == 0x1f;

	e->ecx = e->index & 0xff;
	e->edx = p->id;
	e->eax = e->ebx = 0;
	if (e->index == 0)
		topology_level(e, LEVEL_SMT, p->shift.core, p->all->threads);
	else if (e->index == 1 && dies)
		topology_level(e, LEVEL_CORE, p->shift.die, p->die);
	else if (e->index == 1)
		topology_level(e, LEVEL_CORE, p->shift.socket, p->socket);
	else if (e->index == 2 && dies)
		topology_level(e, LEVEL_DIE, p->shift.socket, p->socket);
}

static void adapt_amd_caches(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	unsigned level = e->eax >> 5 & 7;

	if (e->eax & 0x1f)
		set_bits(&e->eax, 14, 12, (level >= 3 ? p->die : p->all->threads) - 1u);
}

/* Extended APIC id; core and its threads; a node per die. */
static void adapt_amd_ids(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	unsigned in_socket = p->id & ((1u << p->shift.socket) - 1), socket = p->id >> p->shift.socket;
	unsigned die = in_socket >> p->shift.die;

	e->eax = p->id;
	e->ebx = (in_socket >> p->shift.core & 0xff) | (p->all->threads - 1u) << 8;
	e->ecx = ((socket * p->all->dies + die) & 0xff) | at_most(p->all->dies - 1u, 7) << 8;
}

static void adapt_entry(struct kvm_cpuid_entry2 *e, const struct place *p)
{
	switch (e->function) {
	case 0: /* leaf 0x1f is to be found, which is younger than many a processor */
		if (p->all->dies > 1 && e->eax < 0x1f)
			e->eax = 0x1f;
		return;
	case 1: adapt_leaf1(e, p); return;
	case 4: adapt_leaf4(e, p); return;
	case 0xb: adapt_levels(e, p); return;
	case 0x1f: /* an empty one sends the kernel to leaf 0xb */
		if (p->all->dies > 1) {
			adapt_levels(e, p);
			return;
		}
		__attribute__((fallthrough));
	case 0x80000026: /* AMD's form of the same */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		return;
	case 0x80000001: /* reserved on Intel's, as ECX of 0x80000008 is */
		if (p->amd && p->socket > 1)
			e->ecx |= AMD1_ECX_CMP_LEGACY;
		else
			e->ecx &= ~AMD1_ECX_CMP_LEGACY;
		return;
	case 0x80000008:
		if (!p->amd)
			return;
		set_bits(&e->ecx, 0, 8, p->socket - 1);
		set_bits(&e->ecx, 12, 4, p->shift.socket);
		return;
	case 0x8000001d: adapt_amd_caches(e, p); return;
	case 0x8000001e: adapt_amd_ids(e, p); return;
	}
}

/*
 * KVM lists the levels of a topology leaf that the host has, which may be none, one or
 * many. The guest gets those that it needs.
 */
static void make_levels(struct kvm_cpuid2 *cpuid, uint32_t function, unsigned count)
{
	uint32_t kept = 0, levels = 0;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != function)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	for (; levels < count && kept < CPUID_ENTRIES_MAX; levels++)
		cpuid->entries[kept++] = (struct kvm_cpuid_entry2){
			.function = function,
			.index = levels,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		};
	cpuid->nent = kept;
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

void x86_cpuid_adapt(struct kvm_cpuid2 *cpuid, unsigned index, const struct cpu_topology *t,
		     bool tsc_deadline)
{
	struct place place = {
		.all = t,
		.shift = topology_shifts(t),
		.id = topology_apic_id(t, index),
		.socket = topology_die_cpus(t) * t->dies,
		.die = topology_die_cpus(t),
		.tsc_deadline = tsc_deadline,
		.amd = of_amds_kind(cpuid),
	};

	make_levels(cpuid, 0xb, 2);
	if (t->dies > 1)
		make_levels(cpuid, 0x1f, 3);
	for (uint32_t i = 0; i < cpuid->nent; i++)
		adapt_entry(&cpuid->entries[i], &place);
}

/* KVM's clock is for who knows KVM. */
static void tell_tsc(const struct vm *vm, const struct cpu_model *model, struct kvm_cpuid2 *cpuid)
{
	int khz = model->hide_hypervisor || model->vendor_id[0] ?
			  sys_ioctl(vm->vcpus[0].fd, KVM_GET_TSC_KHZ, 0) : 0;

	if (khz > 0)
		x86_cpuid_tell_tsc(cpuid, (uint32_t)khz);
}

int x86_cpuid_set_all(struct vm *vm, const struct cpu_model *model, unsigned max_phys_bits,
		      struct err *err)
{
	const struct cpu_topology one_socket = { 1, 1, (uint16_t)vm->ncpus, 1 };
	const struct cpu_topology *t = vm->topology.threads ? &vm->topology : &one_socket;
	_cleanup_free_ struct kvm_cpuid2 *cpuid = NULL;
	struct cpu_model shown = *model;
	int r = x86_cpuid_host(vm->kvm_fd, &cpuid, err);

	if (r < 0)
		return r;
	x86_amx_hide_incomplete(cpuid, &shown);
	x86_cpuid_limit_phys_bits(cpuid, max_phys_bits);
	vm->phys_bits = x86_cpuid_phys_bits(cpuid);
	tell_tsc(vm, model, cpuid);
	if (model->mwait) {
		struct cpuid_mwait host;

		x86_cpuid_mwait_host(&host);
		x86_cpuid_show_mwait(cpuid, &host);
	}
	for (unsigned i = 0; i < vm->ncpus; i++) {
		x86_cpuid_adapt(cpuid, i, t, vm->tsc_deadline);
		x86_cpu_model_apply(cpuid, &shown);
		r = SIZED_IOCTL(vm->vcpus[i].fd, KVM_SET_CPUID2, cpuid);
		if (r >= 0)
			r = x86_msrs_init(vm->vcpus[i].fd);
		if (r < 0)
			return err_set(err, r, "KVM refused the features of CPU %u", i);
	}
	return 0;
}
