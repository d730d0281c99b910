// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "vmm/bar_fault.h"
#include "vmm/bus.h"
#include "vmm/layout.h"
#include "vmm/memslot.h"

static int check_host(const struct vm *vm, struct err *err)
{
	int version = VALUE_IOCTL(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	int max;

	if (version != KVM_API_VERSION)
		return err_plain(err, version < 0 ? version : -EPROTO,
				 "this is not KVM's device, or not a KVM of this age");
	/* The youngest of what nothing works without; what is younger is asked for where used. */
	if (VALUE_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0)
		return err_plain(err, -EOPNOTSUPP,
				 "KVM on this host lacks immediate exit (Linux 4.13)");
	max = VALUE_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (vm->ncpus == 0 || vm->ncpus > VMM_MAX_CPUS || (max > 0 && vm->ncpus > (unsigned)max))
		return err_usage(err, "a guest here has 1 to %d CPUs, not %u",
				 max > 0 && max < VMM_MAX_CPUS ? max : VMM_MAX_CPUS, vm->ncpus);
	return 0;
}

/*
 * KVM gives the PIT's lost ticks again, for guests that count time by them, and has to see each
 * end of its interrupt for that: on AMD it then never lets the processor's AVIC deliver interrupts,
 * nor the IOMMU post them (APICV_INHIBIT_REASON_PIT_REINJ, since Linux 5.6). Linux counts by other
 * clocks. A KVM that does not know it has no AVIC either.
 */
static void deliver_by_hardware(struct vm *vm)
{
	struct kvm_reinject_control control = { .pit_reinject = 0 };

	(void)sys_ioctl(vm->fd, KVM_REINJECT_CONTROL, &control); /* _IO, for all its argument */
}

static int create(struct vm *vm, struct err *err)
{
	uint64_t identity = LAYOUT_KVM_IDENTITY;
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int r;

	do
		vm->fd = VALUE_IOCTL(vm->kvm_fd, KVM_CREATE_VM, 0);
	while (vm->fd == -EINTR);
	if (vm->fd < 0) {
		err_set(err, vm->fd, "cannot create a virtual machine");
		return err_hint(err, "another hypervisor may hold the processor's "
				     "virtualization, or /dev/kvm is not for this processor");
	}
	/* Both before the first vCPU. */
	r = SIZED_IOCTL(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	if (r >= 0)
		r = VALUE_IOCTL(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS);
	if (r < 0)
		return err_set(err, r, "KVM refused the addresses of its own pages");
	r = VALUE_IOCTL(vm->fd, KVM_CREATE_IRQCHIP, 0);
	if (r >= 0)
		r = SIZED_IOCTL(vm->fd, KVM_CREATE_PIT2, &pit);
	if (r < 0)
		return err_set(err, r, "KVM cannot emulate the interrupt controllers");
	deliver_by_hardware(vm);
	return 0;
}

static int create_parts(struct vm *vm, struct err *err)
{
	int r = memslots_new(vm->fd, &vm->slots);

	if (r < 0)
		return err_set(err, r, "cannot manage memory slots");
	r = gsi_new(vm->fd, &vm->gsi, err);
	if (r < 0)
		return r;
	vm->pio = bus_new();
	vm->mmio = bus_new();
	vm->loop = loop_new();
	vm->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!vm->pio || !vm->mmio || !vm->loop || vm->request_fd < 0)
		return err_set(err, errno ? -errno : -ENOMEM, "cannot assemble the machine");
	vm->tsc_deadline =
		VALUE_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	return 0;
}

int vm_new(struct vm *vm, int kvm_fd, unsigned ncpus, struct err *err)
{
	int r;

	*vm = (struct vm){ .kvm_fd = kvm_fd, .fd = -1, .request_fd = -1, .ncpus = ncpus };
	pthread_mutex_init(&vm->lock, NULL);
	r = check_host(vm, err);
	if (r == 0)
		r = create(vm, err);
	if (r == 0)
		r = create_parts(vm, err);
	if (r < 0)
		vm_fini(vm);
	return r;
}

void vm_fini(struct vm *vm)
{
	vm->bar_faults = bar_faults_free(vm->bar_faults);
	vm->loop = loop_free(vm->loop);
	vm->mmio = bus_free(vm->mmio);
	vm->pio = bus_free(vm->pio);
	vm->gsi = gsi_free(vm->gsi);
	vm->slots = memslots_free(vm->slots);
	close_fdp(&vm->request_fd);
	close_fdp(&vm->fd);
	pthread_mutex_destroy(&vm->lock);
}

void vm_request(struct vm *vm, enum vm_request why)
{
	enum vm_request now = VM_RUN;

	/* A failed exchange leaves in `now` what stands. */
	while (now == VM_RUN || (now == VM_REBOOT && why == VM_QUIT) ||
	       (now == VM_PAUSE && why != VM_PAUSE)) {
		if (!__atomic_compare_exchange_n(&vm->request, &now, why, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE))
			continue;
		(void)eventfd_write(vm->request_fd, 1);
		return;
	}
}

enum vm_request vm_take_request(struct vm *vm)
{
	eventfd_t count;

	(void)eventfd_read(vm->request_fd, &count);
	return __atomic_exchange_n(&vm->request, VM_RUN, __ATOMIC_ACQ_REL);
}

void vm_crash(struct vm *vm, const char *fmt, ...)
{
	char text[sizeof(vm->crash.text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vm_lock(vm);
	err_plain(&vm->crash, -EIO, "%s", text);
	vm_unlock(vm);
	vm_request(vm, VM_CRASH);
}

void vm_irq_line(struct vm *vm, unsigned gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	/* Fails only without an irqchip, and vm_new() made one. */
	(void)SIZED_IOCTL(vm->fd, KVM_IRQ_LINE, &line);
}

static int reset_pic(struct vm *vm, uint32_t chip, uint8_t elcr_mask)
{
	struct kvm_irqchip state = { .chip_id = chip };

	/* Which lines may be level-triggered is wiring, not state. */
	state.chip.pic.elcr_mask = elcr_mask;
	return SIZED_IOCTL(vm->fd, KVM_SET_IRQCHIP, &state);
}

static int reset_ioapic(struct vm *vm)
{
	struct kvm_irqchip state = { .chip_id = KVM_IRQCHIP_IOAPIC };

	state.chip.ioapic.base_address = LAYOUT_IOAPIC;
	for (unsigned i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		state.chip.ioapic.redirtbl[i].fields.mask = 1;
	return SIZED_IOCTL(vm->fd, KVM_SET_IRQCHIP, &state);
}

static int reset_pit(struct vm *vm)
{
	struct kvm_pit_state2 state = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(state.channels); i++) {
		state.channels[i].mode = 0xff; /* no mode chosen yet: no timer runs */
		state.channels[i].gate = i != 2;
		state.channels[i].count = 0x10000;
	}
	return SIZED_IOCTL(vm->fd, KVM_SET_PIT2, &state);
}

int vm_reset_irqchip(struct vm *vm)
{
	int r = reset_pic(vm, KVM_IRQCHIP_PIC_MASTER, 0xf8);

	if (r >= 0)
		r = reset_pic(vm, KVM_IRQCHIP_PIC_SLAVE, 0xde);
	if (r >= 0)
		r = reset_ioapic(vm);
	if (r >= 0)
		r = reset_pit(vm);
	return r < 0 ? r : 0;
}
