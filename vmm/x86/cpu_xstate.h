/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUID leaf 0xd: what of a processor's state XSAVE saves, and how large that is. */
#ifndef VMM_X86_CPU_XSTATE_H
#define VMM_X86_CPU_XSTATE_H

struct cpu_model;
struct kvm_cpuid2;

/*
 * Without the state of features that are taken away. Needs the features of leaf 0xd gone already; may
 * be called again on its own result. Changes nothing where no state goes.
 */
void x86_cpu_xstate_apply(struct kvm_cpuid2 *cpuid, const struct cpu_model *m);

#endif
