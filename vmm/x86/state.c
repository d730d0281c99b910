// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/le.h"
#include "base/log.h"
#include "vmm/layout.h"
#include "vmm/x86/boot_tables.h"
#include "vmm/x86/msr.h"

#define CR0_PE (1ull << 0)
#define CR0_ET (1ull << 4)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define APIC_BASE_BSP	 (1ull << 8)
#define APIC_BASE_ENABLE (1ull << 11)
#define RFLAGS_FIXED	 2

/* Segment types: accessed code (execute, read) and data (read, write); system ones. */
enum { SEG_DATA = 3, SEG_CODE = 11, SEG_LDT = 2, SEG_TSS_BUSY = 11 };

static struct kvm_segment segment(uint16_t selector, uint8_t type, uint32_t limit)
{
	return (struct kvm_segment){
		.selector = selector,
		.type = type,
		.limit = limit,
		.present = 1,
		.s = 1,
	};
}

static struct kvm_segment system_segment(uint16_t selector, uint8_t type, uint32_t limit)
{
	struct kvm_segment s = segment(selector, type, limit);

	s.s = 0;
	return s;
}

static void set_data_segments(struct kvm_sregs *s, struct kvm_segment data)
{
	s->ds = s->es = s->fs = s->gs = s->ss = data;
}

static struct kvm_sregs power_on(bool bsp)
{
	struct kvm_sregs s = {
		.cs = segment(0xf000, SEG_CODE, 0xffff),
		.ldt = system_segment(0, SEG_LDT, 0xffff),
		.tr = system_segment(0, SEG_TSS_BUSY, 0xffff),
		.gdt = { .limit = 0xffff },
		.idt = { .limit = 0xffff },
		.cr0 = CR0_CD | CR0_NW | CR0_ET,
		.apic_base = LAYOUT_LAPIC | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0),
	};

	s.cs.base = 0xffff0000;
	set_data_segments(&s, segment(0, SEG_DATA, 0xffff));
	return s;
}

/* Flat segments and, for the 64-bit protocol, long mode over the identity map. */
static struct kvm_sregs at_entry(bool long_mode)
{
	struct kvm_sregs s = power_on(true);
	struct kvm_segment data = segment(BOOT_DS, SEG_DATA, 0xffffffff);

	data.g = data.db = 1;
	set_data_segments(&s, data);
	s.cs = segment(BOOT_CS, SEG_CODE, 0xffffffff);
	s.cs.g = 1;
	s.cs.l = long_mode;
	s.cs.db = !long_mode;
	s.tr = system_segment(BOOT_TSS, SEG_TSS_BUSY, 0x67);
	s.gdt.base = LAYOUT_GDT;
	s.gdt.limit = BOOT_GDT_LIMIT;
	s.idt.limit = 0;
	s.cr0 = CR0_PE | CR0_ET;
	if (long_mode) {
		s.cr0 |= CR0_PG;
		s.cr3 = LAYOUT_PAGE_TABLES;
		s.cr4 = CR4_PAE;
		s.efer = EFER_LME | EFER_LMA;
	}
	return s;
}

int x86_state_enter(int vcpu_fd, const struct x86_entry *entry)
{
	struct kvm_sregs sregs = at_entry(entry->long_mode);
	struct kvm_regs regs = {
		.rip = entry->rip,
		.rsi = entry->long_mode ? entry->arg : 0,
		.rbx = entry->long_mode ? 0 : entry->arg,
		.rsp = LAYOUT_PAGE_TABLES, /* a page of free RAM lies below */
		.rflags = RFLAGS_FIXED,
	};
	int r = SIZED_IOCTL(vcpu_fd, KVM_SET_SREGS, &sregs);

	if (r >= 0)
		r = SIZED_IOCTL(vcpu_fd, KVM_SET_REGS, &regs);
	return r < 0 ? r : 0;
}

static int reset_registers(int fd, unsigned index)
{
	struct kvm_sregs sregs = power_on(index == 0);
	struct kvm_regs regs = { .rip = 0xfff0, .rflags = RFLAGS_FIXED };
	struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	int r = SIZED_IOCTL(fd, KVM_SET_SREGS, &sregs);

	if (r >= 0)
		r = SIZED_IOCTL(fd, KVM_SET_REGS, &regs);
	if (r >= 0)
		r = SIZED_IOCTL(fd, KVM_SET_DEBUGREGS, &debug);
	return r;
}

/* APIC registers that are not 0 after a reset (SDM 3A 11.4.7.1). */
static int reset_lapic(int fd, unsigned index)
{
	enum { ID = 0x20, VERSION = 0x30, DFR = 0xe0, SVR = 0xf0, LVT = 0x320, LVT_LINT0 = 0x350,
	       LVT_END = 0x380, LVT_MASKED = 1 << 16, EXT_INT = 7 << 8 };
	struct kvm_lapic_state lapic = { 0 };

	put_le32(&lapic.regs[ID], index << 24);
	put_le32(&lapic.regs[VERSION], 0x50014);
	put_le32(&lapic.regs[DFR], 0xffffffff);
	put_le32(&lapic.regs[SVR], 0xff);
	for (unsigned off = LVT; off < LVT_END; off += 0x10)
		put_le32(&lapic.regs[off], LVT_MASKED);
	if (index == 0) /* virtual wire: the PIC reaches the boot processor */
		put_le32(&lapic.regs[LVT_LINT0], EXT_INT);
	return SIZED_IOCTL(fd, KVM_SET_LAPIC, &lapic);
}

/* What KVM_SET_XSAVE reads: more than its struct where the guest has AMX (Linux 5.17). */
static size_t xsave_size(int vm_fd)
{
	int size = VALUE_IOCTL(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	return size > (int)sizeof(struct kvm_xsave) ? (size_t)size : sizeof(struct kvm_xsave);
}

/* All vector state in its initial configuration; legacy control words at their defaults. */
static int reset_fpu(int vm_fd, int fd)
{
	enum { FCW = 0, MXCSR = 6 };
	_cleanup_free_ struct kvm_xsave *xsave = calloc(1, xsave_size(vm_fd));
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = 1 } } };
	int r;

	if (!xsave)
		return -ENOMEM;
	xsave->region[FCW] = 0x37f;
	xsave->region[MXCSR] = 0x1f80;
	r = SIZED_IOCTL(fd, KVM_SET_XSAVE, xsave);
	/* Hosts without XSAVE have no XCR0 to reset. */
	(void)SIZED_IOCTL(fd, KVM_SET_XCRS, &xcrs);
	return r;
}

/*
 * A guest that was itself a hypervisor: back to "never entered". Each call fits one
 * vendor and is refused by the other, and by hosts without nesting.
 */
static void reset_nested(int fd)
{
	struct kvm_nested_state vmx = {
		.format = KVM_STATE_NESTED_FORMAT_VMX,
		.size = sizeof(vmx),
		.hdr.vmx = { .vmxon_pa = -1ull, .vmcs12_pa = -1ull },
	};
	struct kvm_nested_state svm = {
		.flags = KVM_STATE_NESTED_GIF_SET,
		.format = KVM_STATE_NESTED_FORMAT_SVM,
		.size = sizeof(svm),
	};

	if (SIZED_IOCTL(fd, KVM_SET_NESTED_STATE, &vmx) < 0)
		(void)SIZED_IOCTL(fd, KVM_SET_NESTED_STATE, &svm);
}

int x86_state_reset(int vm_fd, int vcpu_fd, unsigned index)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			 KVM_VCPUEVENT_VALID_SHADOW,
	};
	struct kvm_mp_state mp = {
		.mp_state = index == 0 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED,
	};
	int r;

	/* While EFER.SVME is still what it was: SVM's nested state is checked against it. */
	reset_nested(vcpu_fd);
	r = reset_registers(vcpu_fd, index);
	if (r >= 0)
		r = x86_msrs_reset(vcpu_fd);
	if (r >= 0)
		r = reset_fpu(vm_fd, vcpu_fd);
	if (r >= 0)
		r = SIZED_IOCTL(vcpu_fd, KVM_SET_VCPU_EVENTS, &events);
	if (r >= 0)
		r = reset_lapic(vcpu_fd, index);
	if (r >= 0)
		r = SIZED_IOCTL(vcpu_fd, KVM_SET_MP_STATE, &mp);
	return r < 0 ? r : 0;
}

void x86_state_dump(int vcpu_fd, unsigned index)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (SIZED_IOCTL(vcpu_fd, KVM_GET_REGS, &r) < 0 ||
	    SIZED_IOCTL(vcpu_fd, KVM_GET_SREGS, &s) < 0)
		return;
	log_warn("CPU %u: rip %04x:%016llx rflags %08llx rsp %04x:%016llx", index, s.cs.selector,
		 r.rip, r.rflags, s.ss.selector, r.rsp);
	log_warn("CPU %u: rax %016llx rbx %016llx rcx %016llx rdx %016llx", index, r.rax, r.rbx,
		 r.rcx, r.rdx);
	log_warn("CPU %u: rsi %016llx rdi %016llx rbp %016llx r8  %016llx", index, r.rsi, r.rdi,
		 r.rbp, r.r8);
	log_warn("CPU %u: cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %llx", index, s.cr0,
		 s.cr2, s.cr3, s.cr4, s.efer);
}
