/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MONITOR and MWAIT, which KVM shows to no guest by itself. */
#ifndef VMM_X86_CPUID_MWAIT_H
#define VMM_X86_CPUID_MWAIT_H

#include <stdint.h>

struct kvm_cpuid2;

/* EAX to EDX of leaf 5: sizes of what is watched, and idle states. */
struct cpuid_mwait {
	uint32_t reg[4];
};

/* This machine's. */
void x86_cpuid_mwait_host(struct cpuid_mwait *ret);

/* Show the guest MONITOR, of this kind. For a KVM that leaves MWAIT to the guest (vmm/idle.h). */
void x86_cpuid_show_mwait(struct kvm_cpuid2 *cpuid, const struct cpuid_mwait *mwait);

#endif
