/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a vCPU: at power-on, where the kernel is entered, and as told
 * when the guest dies. vCPU threads are parked or not started.
 */
#ifndef VMM_X86_STATE_H
#define VMM_X86_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* How the boot processor begins. */
struct x86_entry {
	bool long_mode; /* 64-bit boot protocol, RSI = arg; else PVH: 32-bit, EBX = arg */
	uint64_t rip;
	uint64_t arg; /* guest address of boot_params or hvm_start_info */
};

/* Enter the kernel. 0 or -errno. */
int x86_state_enter(int vcpu_fd, const struct x86_entry *entry);

/*
 * Power-on state of everything a guest may have left behind: registers, local
 * APIC, FPU, debug registers, pending events, nested guests, MSRs. The boot
 * processor (APIC id 0) becomes runnable, the others wait for INIT and SIPI.
 */
int x86_state_reset(int vm_fd, int vcpu_fd, unsigned apic_id);

/* A few lines on stderr. */
void x86_state_dump(int vcpu_fd, unsigned index);

#endif
