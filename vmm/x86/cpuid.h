/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest's CPUID says: the host's features, our topology. */
#ifndef VMM_X86_CPUID_H
#define VMM_X86_CPUID_H

#include <stdbool.h>

#include "base/err.h"

struct kvm_cpuid2;
struct numa;
struct vm;

/* What KVM supports here. The caller frees *ret. */
int x86_cpuid_host(int kvm_fd, struct kvm_cpuid2 **ret, struct err *err);

/* Bits of a guest physical address: what the processor has, or fewer if KVM maps fewer. */
unsigned x86_cpuid_phys_bits(const struct kvm_cpuid2 *cpuid);

/*
 * How many of ncpus CPUs share a package, whose last cache and number they share:
 * all of a node's that follow each other; or just one where that cannot be said with
 * APIC ids that count up.
 */
unsigned x86_cpuid_package(const struct numa *numa, unsigned ncpus);

/* The guest is not to believe that it has addresses which its devices do not reach. */
void x86_cpuid_limit_phys_bits(struct kvm_cpuid2 *cpuid, unsigned bits);

/*
 * Make the host's table that of CPU index, in packages of so many CPUs: one
 * thread per core, APIC id = index. May be called again on its own result for the
 * next CPU.
 */
void x86_cpuid_adapt(struct kvm_cpuid2 *cpuid, unsigned index, unsigned package,
		     bool tsc_deadline);

/*
 * CPUID and MSRs of all vCPUs on these NUMA nodes. Sets vm->phys_bits, at most so many
 * (64: what KVM has).
 */
int x86_cpuid_set_all(struct vm *vm, const struct numa *numa, unsigned max_phys_bits,
		      struct err *err);

#endif
