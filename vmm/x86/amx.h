/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMX. The data of its tiles is state that the kernel gives a process's guests on request only
 * (Documentation/arch/x86/xstate.rst), and what is asked for stands with the first vCPU.
 */
#ifndef VMM_X86_AMX_H
#define VMM_X86_AMX_H

#include <stdbool.h>

struct cpu_model;
struct kvm_cpuid2;

/* Whether this CPU has it: where it has not, nobody needs to be asked. */
bool x86_amx_on_host(void);

/*
 * Ask for it, if KVM has it for guests: before the first vCPU of this process, and before KVM is asked
 * what it supports. Best effort.
 */
void x86_amx_request(int kvm_fd);

/*
 * Hide all of AMX where KVM's table (x86_cpuid_host()) lacks some of its state: KVM shows the flags
 * without it, and before Linux 6.4 also the tiles' configuration without their data. A guest that
 * enables one without the other takes a #GP.
 */
void x86_amx_hide_incomplete(const struct kvm_cpuid2 *cpuid, struct cpu_model *model);

#endif
