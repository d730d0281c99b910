// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/coalesced.h"

#include <errno.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/loop.h"
#include "vmm/bus.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define PAGE 4096u
/* The longest a write stays in the ring of a burst, and the least a burst lasts. */
#define BURST_NS 100000000ull
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

void coalesced_add_later(struct vm *vm, uint16_t port, unsigned size)
{
	if (vm->nlater == COALESCED_LATER_MAX)
		return;
	vm->later[vm->nlater].port = port;
	vm->later[vm->nlater++].size = (uint8_t)size;
}

static void add_those_of_later(struct vm *vm)
{
	while (vm->nlater) {
		vm->nlater--;
		/* Where KVM cannot, each write is an exit. */
		(void)coalesced_add_port(vm, vm->later[vm->nlater].port,
					 vm->later[vm->nlater].size);
	}
}

static void burst_off(struct coalesced_burst *b)
{
	if (b->on)
		coalesced_del_port(b->vm, b->port, b->size);
	b->on = false;
}

static void on_tick(void *opaque, int fd)
{
	struct coalesced_burst *b = opaque;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	if (!b->used || loop_timer_arm(fd, BURST_NS) < 0)
		burst_off(b);
	b->used = false;
	/* After the ports are off: nothing can come in behind. */
	coalesced_drain(b->vm);
	coalesced_settle(b->vm);
}

void coalesced_busy(struct coalesced_burst *b)
{
	b->used = true;
	if (b->on || !b->vm->ring)
		return;
	if (b->timer_fd < 0 && loop_timer_new(b->vm->loop, on_tick, b, &b->timer_fd) < 0)
		return;
	if (loop_timer_arm(b->timer_fd, BURST_NS) == 0)
		b->on = coalesced_add_port(b->vm, b->port, b->size) == 0;
}

void coalesced_burst_end(struct coalesced_burst *b)
{
	burst_off(b);
	if (b->timer_fd >= 0)
		loop_del(b->vm->loop, b->timer_fd);
	close_fdp(&b->timer_fd);
}

void coalesced_drain(struct vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->ring;
	uint32_t last;

	if (!ring)
		return;
	add_those_of_later(vm);
	vm->draining = true;
	/*
	 * KVM writes entries and then last; we alone write first. What comes in meanwhile is
	 * of other CPUs and for the next time: they could write for ever, and we hold the lock.
	 */
	last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
	while (ring->first != last) {
		struct kvm_coalesced_mmio e = ring->coalesced_mmio[ring->first % RING_ENTRIES];

		__atomic_store_n(&ring->first, (ring->first + 1) % RING_ENTRIES, __ATOMIC_RELEASE);
		if (e.len <= sizeof(e.data))
			bus_write(e.pio ? vm->pio : vm->mmio, e.phys_addr, e.data, e.len);
	}
	vm->draining = false;
}

bool coalesced_defer(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
	if (!vm->draining)
		return false;
	/* Another device's turn: it does not wait for ours. */
	if (vm->settle && (vm->settle != fn || vm->settle_opaque != opaque))
		vm->settle(vm->settle_opaque);
	vm->settle = fn;
	vm->settle_opaque = opaque;
	return true;
}

void coalesced_settle(struct vm *vm)
{
	void (*fn)(void *opaque) = vm->settle;

	vm->settle = NULL;
	if (fn)
		fn(vm->settle_opaque);
}
