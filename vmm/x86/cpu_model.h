/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is taken away of the host's CPUID. */
#ifndef VMM_X86_CPU_MODEL_H
#define VMM_X86_CPU_MODEL_H

struct cpu_model;
struct kvm_cpuid2;

/* After x86_cpuid_adapt(), which adds some of it. */
void x86_cpu_model_apply(struct kvm_cpuid2 *cpuid, const struct cpu_model *m);

#endif
