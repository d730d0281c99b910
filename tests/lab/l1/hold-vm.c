// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Holds a virtual machine that never runs, for as long as the emulated host is up.
 *
 * With the first VM of a host, and after the last, KVM patches a jump in the scheduler
 * (preempt_notifier_key in finish_task_switch). Emulated CPUs run in threads, and one may
 * translate the old bytes once more while another writes the new ones: it then runs into
 * the breakpoint of a patch that is over, and the host dies of "Oops: int3". Seen once in
 * some thousands of guests. With a VM that stays nothing is patched there; no check is
 * about that moment.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	/* Its vCPU with a local APIC that is off keeps apic_sw_disabled as it is, too. */
	if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(vm, KVM_CREATE_VCPU, 0) < 0) {
		perror("hold-vm");
		return 1;
	}
	for (;;)
		pause();
}
