/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual machine: the KVM descriptors and what hangs on them.
 *
 * Locking: vm->lock is the device lock. vCPU threads take it around each PIO or
 * MMIO access they dispatch, the main thread around each event-loop callback;
 * nobody holds it across KVM_RUN. All device emulation, PCI state, buses,
 * memslots and the GSI table are touched under it only.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct bus;
struct gsi;
struct loop;
struct mem;
struct memslots;
struct pci;
struct vcpu;

/* Why the machine stops; the main thread acts on it after all vCPUs have left KVM_RUN. */
enum vm_request {
	VM_RUN,
	VM_POWEROFF, /* S5 */
	VM_REBOOT,   /* reset register, triple fault excluded */
	VM_CRASH,    /* triple fault or KVM error: said on stderr, exit 1 */
	VM_QUIT,     /* Ctrl-A x, or the supervisor said so */
};

/* Counted by vCPU threads without the lock (relaxed atomics), summed for reports. */
struct vm_stats {
	uint64_t exits; /* returns of KVM_RUN to us */
	uint64_t pio, mmio, interrupted, other;
	uint64_t bar_faults; /* EFAULT on a BAR address, answered with all-ones */
};

struct vm {
	int kvm_fd; /* /dev/kvm */
	int fd;	    /* KVM_CREATE_VM */
	pthread_mutex_t lock;

	struct bus *pio;
	struct bus *mmio;
	struct mem *mem;
	struct memslots *slots;
	struct gsi *gsi;
	struct pci *pci;
	struct loop *loop;

	unsigned ncpus;
	struct vcpu *vcpus; /* ncpus of them */
	unsigned phys_bits; /* of guest physical addresses */

	struct vm_stats stats;
};

static inline void vm_lock(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
}

static inline void vm_unlock(struct vm *vm)
{
	pthread_mutex_unlock(&vm->lock);
}

/* Ask for a stop from any thread, with or without the lock. The first request stands. */
void vm_request(struct vm *vm, enum vm_request why);

/* Drive IOAPIC/PIC pin gsi (0..23) with KVM_IRQ_LINE. */
void vm_irq_line(struct vm *vm, unsigned gsi, bool level);

#endif
