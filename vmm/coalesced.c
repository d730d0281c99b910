// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/coalesced.h"

#include <errno.h>

#include <linux/kvm.h>

#include "base/ioctl.h"
#include "vmm/bus.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define PAGE 4096u
/* What fits into the ring's page, as KVM counts it. */
#define RING_ENTRIES \
	((PAGE - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

void coalesced_init(struct vm *vm)
{
	/* The answer is the ring's page within each vCPU's mapping; all show the same one. */
	int page = VALUE_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

	if (page <= 0 || (unsigned)(page + 1) * PAGE > vm->vcpus[0].run_size ||
	    VALUE_IOCTL(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) <= 0)
		return;
	vm->ring = (struct kvm_coalesced_mmio_ring *)((uint8_t *)vm->vcpus[0].run +
						      (unsigned)page * PAGE);
}

int coalesced_add_port(struct vm *vm, uint16_t port, unsigned size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = port, .size = size, .pio = 1 };
	int r;

	if (!vm->ring)
		return -EOPNOTSUPP;
	r = SIZED_IOCTL(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone);
	return r < 0 ? r : 0;
}

void coalesced_del_port(struct vm *vm, uint16_t port, unsigned size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = port, .size = size, .pio = 1 };

	if (vm->ring)
		(void)SIZED_IOCTL(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

void coalesced_drain(struct vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->ring;

	if (!ring)
		return;
	/* KVM writes entries and then last; we alone write first. */
	while (ring->first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
		struct kvm_coalesced_mmio e = ring->coalesced_mmio[ring->first % RING_ENTRIES];

		__atomic_store_n(&ring->first, (ring->first + 1) % RING_ENTRIES, __ATOMIC_RELEASE);
		if (e.len <= sizeof(e.data))
			bus_write(e.pio ? vm->pio : vm->mmio, e.phys_addr, e.data, e.len);
	}
}
