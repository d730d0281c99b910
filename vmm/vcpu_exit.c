// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/vcpu_exit.h"

#include <errno.h>
#include <string.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/bar_fault.h"
#include "vmm/bus.h"
#include "vmm/coalesced.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86/state.h"

/* Linux 6.8: EFAULT tells the address; Debian 12's headers do not know it. */
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif
#define MEMORY_FAULT_GPA 8 /* offset of __u64 gpa in kvm_run's union */

/* One retry answers a BAR; several CPUs may meet the same one at the same time. */
#define FAULTS_MAX 8

static void handle_pio(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;
	struct vm *vm = cpu->vm;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	vcpu_count(&cpu->stats.pio);
	vm_lock(vm);
	coalesced_drain(vm);
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(vm->pio, run->io.port, data, run->io.size);
		else
			bus_read(vm->pio, run->io.port, data, run->io.size);
	coalesced_settle(vm);
	vm_unlock(vm);
}

static void handle_mmio(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;
	struct vm *vm = cpu->vm;

	vcpu_count(&cpu->stats.mmio);
	vm_lock(vm);
	coalesced_drain(vm);
	if (run->mmio.is_write)
		bus_write(vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	coalesced_settle(vm);
	vm_unlock(vm);
}

static bool handle_system_event(struct vcpu *cpu)
{
	uint32_t type = cpu->run->system_event.type;

	if (type == KVM_SYSTEM_EVENT_SHUTDOWN)
		vm_request(cpu->vm, VM_POWEROFF);
	else if (type == KVM_SYSTEM_EVENT_RESET)
		vm_request(cpu->vm, VM_REBOOT);
	else
		vm_crash(cpu->vm, "CPU %u: the guest crashed (KVM system event %u)", cpu->index,
			 type);
	return false;
}

/* A guest that asked for a reset and then killed itself: the write may be in the ring. */
static bool handle_shutdown(struct vcpu *cpu)
{
	struct vm *vm = cpu->vm;
	enum vm_request request;

	vm_lock(vm);
	coalesced_drain(vm);
	coalesced_settle(vm);
	vm_unlock(vm);
	request = __atomic_load_n(&vm->request, __ATOMIC_ACQUIRE);
	if (request != VM_RUN && request != VM_PAUSE)
		return false;
	x86_state_dump(cpu->fd, cpu->index);
	vm_crash(vm, "CPU %u: triple fault", cpu->index);
	return false;
}

static bool handle_internal_error(struct vcpu *cpu)
{
	const struct kvm_run *run = cpu->run;

	x86_state_dump(cpu->fd, cpu->index);
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		vm_crash(cpu->vm, "CPU %u: KVM cannot emulate an instruction of the guest",
			 cpu->index);
	else
		vm_crash(cpu->vm, "CPU %u: KVM internal error %u", cpu->index,
			 run->internal.suberror);
	return false;
}

bool vcpu_handle_exit(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;

	cpu->faults = 0;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_pio(cpu);
		/* Behind the write that said so a guest that panicked resets itself. */
		return __atomic_load_n(&cpu->vm->request, __ATOMIC_ACQUIRE) != VM_PAUSE;
	case KVM_EXIT_MMIO:
		handle_mmio(cpu);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_HLT: /* not with an in-kernel irqchip, but harmless */
		vcpu_count(&cpu->stats.other);
		return true;
	}
	vcpu_count(&cpu->stats.other);
	switch (run->exit_reason) {
	case KVM_EXIT_SYSTEM_EVENT:
		return handle_system_event(cpu);
	case KVM_EXIT_SHUTDOWN:
		return handle_shutdown(cpu);
	case KVM_EXIT_INTERNAL_ERROR:
		return handle_internal_error(cpu);
	case KVM_EXIT_FAIL_ENTRY:
		x86_state_dump(cpu->fd, cpu->index);
		vm_crash(cpu->vm, "CPU %u: the processor refused the guest's state (reason 0x%llx)",
			 cpu->index,
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		return false;
	}
	x86_state_dump(cpu->fd, cpu->index);
	vm_crash(cpu->vm, "CPU %u: KVM exit %u is unknown to this VMM", cpu->index,
		 run->exit_reason);
	return false;
}

/* The guest touched memory that is not there now: most likely a BAR. */
static void handle_fault(struct vcpu *cpu)
{
	struct vm *vm = cpu->vm;
	gpa_t gpa = get_le64(cpu->run->padding + MEMORY_FAULT_GPA);
	bool known = cpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT;

	vm_lock(vm);
	if (bar_fault(vm, known ? &gpa : NULL, cpu->faults == 1))
		vcpu_count(&cpu->stats.bar_faults);
	vm_unlock(vm);
}

bool vcpu_handle_error(struct vcpu *cpu, int error)
{
	if (error == -EINTR || error == -EAGAIN) {
		vcpu_count(&cpu->stats.interrupted);
		return true;
	}
	if (error == -EFAULT && cpu->faults++ < FAULTS_MAX) {
		handle_fault(cpu);
		return true;
	}
	x86_state_dump(cpu->fd, cpu->index);
	vm_crash(cpu->vm, "CPU %u: KVM_RUN failed: %s", cpu->index, strerror(-error));
	return false;
}
