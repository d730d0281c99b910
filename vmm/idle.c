// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/idle.h"

#include <errno.h>

#include <linux/kvm.h>

#include "base/ioctl.h"
#include "vmm/vm.h"

static int enable(struct vm *vm, uint32_t cap, uint64_t value)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { value } };

	return SIZED_IOCTL(vm->fd, KVM_ENABLE_CAP, &c);
}

static int keep_in_guest(struct vm *vm, uint32_t keep, struct err *err)
{
	uint64_t bits = (keep & IDLE_KEEP_HLT ? KVM_X86_DISABLE_EXITS_HLT : 0u) |
			(keep & IDLE_KEEP_PAUSE ? KVM_X86_DISABLE_EXITS_PAUSE : 0u);
	int can = VALUE_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS);
	int r = can < 0 || bits & ~(uint64_t)can ? -EOPNOTSUPP :
						   enable(vm, KVM_CAP_X86_DISABLE_EXITS, bits);

	if (r >= 0)
		return 0;
	err_set(err, r, "--no-exits: KVM on this host cannot leave %s to the guest",
		keep == IDLE_KEEP_HLT	? "HLT" :
		keep == IDLE_KEEP_PAUSE ? "PAUSE" :
					  "HLT and PAUSE");
	return err_hint(err, "Linux 4.17 and newer can; a processor with the SMT RSB "
			     "mitigation (mitigate_smt_rsb) may not");
}

static int poll_for(struct vm *vm, uint32_t ns, struct err *err)
{
	int r = enable(vm, KVM_CAP_HALT_POLL, ns);

	if (r >= 0)
		return 0;
	err_set(err, r, "--halt-poll: KVM on this host has no such time for one guest");
	return err_hint(err, "newer kernels have; halt_poll_ns in /sys/module/kvm/parameters is "
			     "that of all guests");
}

int vm_set_idle(struct vm *vm, const struct vm_idle *idle, struct err *err)
{
	int r = idle->keep ? keep_in_guest(vm, idle->keep, err) : 0;

	return r == 0 && idle->poll ? poll_for(vm, idle->poll_ns, err) : r;
}
