// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/amx.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <asm/prctl.h>
#include <linux/kvm.h>

#include "base/ioctl.h"
#include "base/log.h"
#include "vmm/cpu_model.h"

/* Linux 5.17. */
#ifndef ARCH_REQ_XCOMP_GUEST_PERM
#define ARCH_REQ_XCOMP_GUEST_PERM 0x1025
#endif
#ifndef KVM_X86_XCOMP_GUEST_SUPP
#define KVM_X86_XCOMP_GUEST_SUPP 0
#endif

#define XSTATE_TILE_DATA 18
#define XCR0_TILE_CONFIG (1u << 17)
#define XCR0_TILE_DATA	 (1u << XSTATE_TILE_DATA)
#define XCR0_TILES	 (XCR0_TILE_CONFIG | XCR0_TILE_DATA)

/* amx_bf16, amx_tile and amx_int8; amx_fp16; amx_complex. */
#define LEAF7_0_EDX_AMX (1u << 22 | 1u << 24 | 1u << 25)
#define LEAF7_1_EAX_AMX (1u << 21)
#define LEAF7_1_EDX_AMX (1u << 8)

void x86_amx_request(int kvm_fd)
{
	uint64_t supported = 0;
	struct kvm_device_attr attr = {
		.attr = KVM_X86_XCOMP_GUEST_SUPP,
		.addr = (uintptr_t)&supported,
	};

	/* A KVM without KVM_CAP_SYS_ATTRIBUTES refuses the request itself. */
	if (SIZED_IOCTL(kvm_fd, KVM_GET_DEVICE_ATTR, &attr) < 0 || !(supported & XCR0_TILE_DATA))
		return;
	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_GUEST_PERM, (unsigned long)XSTATE_TILE_DATA) < 0)
		log_warn("the guest does without AMX: the kernel refuses the state of its tiles: %s",
			 strerror(errno));
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *cpuid, uint32_t function,
					   uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

/* Anything of AMX at all: a host without it keeps its table as it is. */
static bool any(const struct kvm_cpuid2 *cpuid, uint32_t tiles)
{
	const struct kvm_cpuid_entry2 *flags = find(cpuid, 7, 0), *more = find(cpuid, 7, 1);

	return tiles || (flags && flags->edx & LEAF7_0_EDX_AMX) ||
	       (more && (more->eax & LEAF7_1_EAX_AMX || more->edx & LEAF7_1_EDX_AMX));
}

void x86_amx_hide_incomplete(const struct kvm_cpuid2 *cpuid, struct cpu_model *model)
{
	const struct kvm_cpuid_entry2 *state = find(cpuid, 0xd, 0);
	uint32_t tiles = state ? state->eax & XCR0_TILES : 0;

	if (tiles == XCR0_TILES || !any(cpuid, tiles))
		return;
	/* With amx_tile go both states, and leaves 0x1d and 0x1e. */
	model->hidden[CPU_7_0_EDX] |= LEAF7_0_EDX_AMX;
	model->hidden[CPU_7_1_EAX] |= LEAF7_1_EAX_AMX;
	model->hidden[CPU_7_1_EDX] |= LEAF7_1_EDX_AMX;
}
