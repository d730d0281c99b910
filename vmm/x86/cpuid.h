/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest's CPUID says: the host's features, our topology. */
#ifndef VMM_X86_CPUID_H
#define VMM_X86_CPUID_H

#include <stdbool.h>

#include "base/err.h"

struct cpu_model;
struct cpu_topology;
struct kvm_cpuid2;
struct vm;

#define CPUID_ENTRIES_MAX 256

/* What KVM supports here, with room for CPUID_ENTRIES_MAX. The caller frees *ret. */
int x86_cpuid_host(int kvm_fd, struct kvm_cpuid2 **ret, struct err *err);

/* Bits of a guest physical address: what the processor has, or fewer if KVM maps fewer. */
unsigned x86_cpuid_phys_bits(const struct kvm_cpuid2 *cpuid);

/* The guest is not to believe that it has addresses which its devices do not reach. */
void x86_cpuid_limit_phys_bits(struct kvm_cpuid2 *cpuid, unsigned bits);

/*
 * Make the host's table that of CPU index in this topology. May be called again on its own
 * result for the next CPU.
 */
void x86_cpuid_adapt(struct kvm_cpuid2 *cpuid, unsigned index, const struct cpu_topology *t,
		     bool tsc_deadline);

/*
 * CPUID and MSRs of all vCPUs, in vm->topology, less what the model hides. Sets vm->phys_bits,
 * at most so many (64: what KVM has).
 */
int x86_cpuid_set_all(struct vm *vm, const struct cpu_model *model, unsigned max_phys_bits,
		      struct err *err);

#endif
