/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast the TSC is, in CPUID leaf 0x15: for a guest that sees no hypervisor it knows, and so
 * has no clock of KVM's. Without it Linux measures the TSC against the PIT and the PM timer,
 * which a busy host makes uneven. Intel's processors alone have the leaf (SDM volume 2A, CPUID),
 * and on others Linux does not look at it.
 */
#ifndef VMM_X86_CPUID_TSC_H
#define VMM_X86_CPUID_TSC_H

#include <stdint.h>

struct kvm_cpuid2;

/*
 * Tell tsc_khz, to a millionth or better. Nothing happens on a processor that is not Intel's,
 * or when the table (of CPUID_ENTRIES_MAX entries) is full. May be called again.
 */
void x86_cpuid_tell_tsc(struct kvm_cpuid2 *cpuid, uint32_t tsc_khz);

/*
 * The fraction ret_num / ret_den next to num / den with a numerator of at most `max`: the last
 * convergent of the continued fraction that fits. num, den and max are not 0.
 */
void x86_cpuid_fraction(uint64_t num, uint64_t den, uint32_t max, uint32_t *ret_num,
			uint32_t *ret_den);

#endif
