// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/idle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "vmm/vm.h"

static int enable(struct vm *vm, uint32_t cap, uint64_t value)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { value } };

	return SIZED_IOCTL(vm->fd, KVM_ENABLE_CAP, &c);
}

static const struct {
	uint32_t keep;
	uint64_t exits;
	const char *name;
} kept[] = {
	{ IDLE_KEEP_HLT, KVM_X86_DISABLE_EXITS_HLT, "HLT" },
	{ IDLE_KEEP_PAUSE, KVM_X86_DISABLE_EXITS_PAUSE, "PAUSE" },
	{ IDLE_KEEP_MWAIT, KVM_X86_DISABLE_EXITS_MWAIT, "MWAIT" },
};

/* Names of those that KVM cannot leave to the guest; of all where it says that it could. */
static int refuse(uint32_t keep, uint64_t can, int r, struct err *err)
{
	bool all = r != -EOPNOTSUPP;
	char names[32] = "";

	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
		if (keep & kept[i].keep && (all || !(can & kept[i].exits)))
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
				 names[0] ? ", " : "", kept[i].name);
	err_set(err, r, "--no-exits: KVM on this host cannot leave %s to the guest", names);
	if (!all && keep & IDLE_KEEP_MWAIT && !(can & KVM_X86_DISABLE_EXITS_MWAIT))
		return err_hint(err, "leave mwait out: it takes a processor with MONITOR whose timers go on "
				     "in every idle state, and without the erratum that misses wakeups");
	return err_hint(err, "Linux 4.17 and newer can; a processor with the SMT RSB "
			     "mitigation (mitigate_smt_rsb) may not");
}

static int keep_in_guest(struct vm *vm, uint32_t keep, struct err *err)
{
	int has = VALUE_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS);
	uint64_t bits = 0, can = has > 0 ? (uint64_t)has : 0;
	int r;

	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
		if (keep & kept[i].keep)
			bits |= kept[i].exits;
	r = bits & ~can ? -EOPNOTSUPP : enable(vm, KVM_CAP_X86_DISABLE_EXITS, bits);
	return r < 0 ? refuse(keep, can, r, err) : 0;
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
