/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the host's processor the guest is not shown, and what of KVM. */
#ifndef VMM_CPU_MODEL_H
#define VMM_CPU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/* Registers of CPUID that hold features, a bit each. */
enum cpu_word {
	CPU_1_ECX,
	CPU_1_EDX,
	CPU_6_EAX,
	CPU_7_0_EBX,
	CPU_7_0_ECX,
	CPU_7_0_EDX,
	CPU_7_1_EAX,
	CPU_7_1_EDX,
	CPU_D_1_EAX,
	CPU_EXT_1_ECX, /* 0x80000001 */
	CPU_EXT_1_EDX,
	CPU_EXT_7_EDX,
	CPU_EXT_8_EBX,
	CPU_WORDS,
};

#define CPU_VENDOR_ID 12

struct cpu_model {
	uint32_t hidden[CPU_WORDS]; /* features that are taken away, with all that need them */
	bool nested;		    /* virtualization (VMX, SVM) is shown */
	bool realtime;		    /* the guest may spin: its CPUs are never away for long */
	bool mwait;		    /* MONITOR is shown: MWAIT stays in the guest */
	bool hide_hypervisor;	    /* no sign of one, nor of KVM's own features */
	char vendor_id[CPU_VENDOR_ID + 1]; /* the hypervisor's; "": KVM's own */
};

#endif
