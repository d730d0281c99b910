// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/msr.h"

#include <stdint.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"

#define MSR_MISC_ENABLE	  0x1a0
#define MISC_FAST_STRINGS 1
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLED	  (1 << 11)
#define MTRR_WRITE_BACK	  6

struct msr {
	uint32_t index;
	uint64_t value;
};

/*
 * MTRRs enabled with everything write-back and no variable range: with
 * non-coherent DMA KVM honours the guest's MTRRs, and uncached RAM makes a boot
 * take twenty times as long. Fast strings are what Linux looks for on Intel
 * before it uses rep movs.
 */
static const struct msr firmware[] = {
	{ MSR_MTRR_DEF_TYPE, MTRR_ENABLED | MTRR_WRITE_BACK },
	{ MSR_MISC_ENABLE, MISC_FAST_STRINGS },
};

/* KVM may lack any of these, and then there is nothing to reset. */
static const struct msr leftovers[] = {
	{ 0x4b564d00, 0 }, /* KVM_WALL_CLOCK_NEW; first the ones that make KVM write to RAM */
	{ 0x4b564d01, 0 }, /* KVM_SYSTEM_TIME_NEW */
	{ 0x4b564d02, 0 }, /* KVM_ASYNC_PF_EN */
	{ 0x4b564d03, 0 }, /* KVM_STEAL_TIME */
	{ 0x4b564d04, 0 }, /* KVM_PV_EOI_EN */
	{ 0x4b564d05, 1 }, /* KVM_POLL_CONTROL: the host polls */
	{ 0x4b564d06, 0 }, /* KVM_ASYNC_PF_INT */
	{ 0x11, 0 },	   /* the older numbers of the two clocks */
	{ 0x12, 0 },
	{ 0x6e0, 0 },	   /* IA32_TSC_DEADLINE */
	{ 0x3b, 0 },	   /* IA32_TSC_ADJUST */
	{ 0x48, 0 },	   /* IA32_SPEC_CTRL */
	{ 0x277, 0x0007040600070406 }, /* IA32_PAT */
	{ 0x174, 0 },	   /* SYSENTER_CS, ESP, EIP */
	{ 0x175, 0 },
	{ 0x176, 0 },
	{ 0xc0000081, 0 }, /* STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX */
	{ 0xc0000082, 0 },
	{ 0xc0000083, 0 },
	{ 0xc0000084, 0 },
	{ 0xc0000102, 0 },
	{ 0xc0000103, 0 },
	{ 0xda0, 0 },	   /* IA32_XSS */
	{ 0x1c4, 0 },	   /* IA32_XFD: no state is off */
	{ 0x1c5, 0 },	   /* IA32_XFD_ERR */
	{ 0x38f, 0 },	   /* IA32_PERF_GLOBAL_CTRL */
	{ 0x186, 0 },	   /* IA32_PERFEVTSEL0.. */
	{ 0x187, 0 },
	{ 0xc0010117, 0 }, /* VM_HSAVE_PA */
};

#define BATCH 4

/* kvm_msrs ends in a flexible array: room for a few. */
union batch {
	struct kvm_msrs head;
	uint8_t room[sizeof(struct kvm_msrs) + BATCH * sizeof(struct kvm_msr_entry)];
};

/* How many of them KVM took: it stops at the first it does not have. Or -errno. */
static int set(int fd, const struct msr *msrs, unsigned count)
{
	union batch b = { .head = { .nmsrs = count } };

	for (unsigned i = 0; i < count; i++)
		b.head.entries[i] = (struct kvm_msr_entry){
			.index = msrs[i].index,
			.data = msrs[i].value,
		};
	return SIZED_IOCTL(fd, KVM_SET_MSRS, &b.head);
}

_Static_assert(ARRAY_SIZE(firmware) <= BATCH, "set in one call");

int x86_msrs_init(int vcpu_fd)
{
	int r = set(vcpu_fd, firmware, ARRAY_SIZE(firmware));

	return r < 0 ? r : 0;
}

int x86_msrs_reset(int vcpu_fd)
{
	for (unsigned i = 0; i < ARRAY_SIZE(leftovers); i++) {
		int r = set(vcpu_fd, &leftovers[i], 1);

		if (r < 0)
			return r;
	}
	return x86_msrs_init(vcpu_fd);
}
