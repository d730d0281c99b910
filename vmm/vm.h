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
#include "vmm/topology.h"

struct bar_faults;
struct bus;
struct gsi;
struct kvm_coalesced_mmio_ring;
struct loop;
struct mem;
struct memslots;
struct pci;
struct vcpu;
struct vcpu_park;

#define COALESCED_LATER_MAX 4

/* Why the machine stops; the main thread acts on it after all vCPUs have left KVM_RUN. */
enum vm_request {
	VM_RUN,
	VM_POWEROFF, /* S5 */
	VM_REBOOT,   /* reset register, triple fault excluded */
	VM_CRASH,    /* triple fault or KVM error: said on stderr, exit 1 */
	VM_QUIT,     /* Ctrl-A x, or the supervisor said so */
	VM_PAUSE,    /* the guest panicked, or its watchdog expired: it is to stand */
};

/* Of each CPU, counted by its thread without the lock (relaxed atomics); summed for reports. */
struct vm_stats {
	uint64_t exits; /* returns of KVM_RUN to us */
	uint64_t pio, mmio, interrupted, other;
	uint64_t bar_faults; /* EFAULT on a BAR address, answered with all-ones */
};

/* What happens to a device of the host while the guest runs. */
enum vm_device_event {
	VM_DEVICE_ERROR = 1, /* the host reported an uncorrectable error of it */
	VM_DEVICE_REQUEST,   /* the host wants it back */
	VM_DEVICE_REMOVED,   /* it is out of the guest, and closed */
	VM_DEVICE_ADDED,     /* it is in the guest */
	/* Of one that came for a network device with failover: whether the guest's driver uses it. */
	VM_DEVICE_STARTED, /* it may do DMA, and the guest hears its first interrupt vector */
	VM_DEVICE_STOPPED, /* not any more */
};

/* What came of the reset of a device of the host. */
struct vm_device_reset {
	const char *device;
	const char *kind;  /* vfio_reset_word() */
	bool known;	   /* it was looked at afterwards */
	bool verified;	   /* and found as after a reset */
	const char *cause; /* why not, or why that is not known; NULL: it was verified */
};

/* What a guest's driver does with a network device that stands by for another. */
enum vm_nic_event {
	VM_NIC_ACKNOWLEDGED = 1, /* it runs, and knows what standing by is */
	VM_NIC_ALONE,		 /* it runs, and does not know */
	VM_NIC_STOPPED,		 /* it was reset */
	VM_NIC_WANT_STANDBY,	 /* somebody who controls the machine asks for it, as for the next */
	VM_NIC_WANT_PRIMARY,
};

/* What processes of the host serve (vhost-user). */
enum vm_backend_device { VM_BACKEND_NIC, VM_BACKEND_DISK, VM_BACKEND_FS };

struct vm {
	int kvm_fd; /* /dev/kvm */
	int fd;	    /* KVM_CREATE_VM */
	pthread_mutex_t lock;

	struct bus *pio;
	struct bus *mmio;
	struct mem *mem;
	struct memslots *slots;
	struct bar_faults *bar_faults; /* bar_fault.c's; NULL: none was met */
	struct gsi *gsi;
	struct pci *pci;
	struct loop *loop;

	unsigned ncpus;
	struct cpu_topology topology; /* set before vcpus_new(); zeroes: one socket of cores */
	struct vcpu *vcpus; /* ncpus of them */
	/* Where and how their threads run; set before vcpus_start(). */
	const uint16_t *host_cpu; /* borrowed: ncpus CPUs of the host; NULL: anywhere */
	unsigned fifo; /* priority of SCHED_FIFO; 0: as everybody */
	struct vcpu_park *park;
	/* coalesced.c's, under lock. */
	struct kvm_coalesced_mmio_ring *ring; /* NULL: not supported */
	struct {
		uint16_t port;
		uint8_t size;
	} later[COALESCED_LATER_MAX];
	unsigned nlater;
	bool draining;
	void (*settle)(void *opaque);
	void *settle_opaque;
	bool packed_rings; /* virtio devices of which nothing else is said offer them; set before devices are */
	unsigned phys_bits; /* of guest physical addresses */
	bool tsc_deadline;  /* KVM's local APIC has the TSC deadline timer */

	enum vm_request request; /* atomic: set by vm_request(), taken by vm_take_request() */
	int request_fd;		 /* eventfd, readable once there is a request */
	struct err crash;	 /* why, with VM_CRASH; under lock */
	/* Called once by the first CPU's thread when it has run the guest; no lock. NULL: nobody. */
	void (*on_running)(void);
	/* Where what happens to a device is told to; NULL: nowhere. Set before devices are. */
	void (*on_event)(void *opaque, enum vm_device_event event, const char *device);
	void *on_event_opaque;
	/* What came of their resets when the guest reboots or they leave; NULL: nowhere. on_event_opaque. */
	void (*on_reset)(void *opaque, const struct vm_device_reset *reset);
	/* The same for network devices with failover, by their number; NULL: nowhere. */
	void (*on_nic)(unsigned nic, enum vm_nic_event event);
	/* Who serves the index-th of such devices came, or is gone; NULL: nobody wants to know. */
	void (*on_backend)(void *opaque, enum vm_backend_device what, unsigned index, bool there);
};

/*
 * KVM's part of the machine, in the order that KVM wants: VM, TSS and identity
 * map, irqchip and PIT, routing table; and the empty buses. kvm_fd is borrowed.
 * Checks what KVM must be able to do. No vCPU and no memory yet.
 */
int vm_new(struct vm *vm, int kvm_fd, unsigned ncpus, struct err *err);
void vm_fini(struct vm *vm);

/* Power-on state of irqchip and PIT. vCPUs are out of KVM_RUN. 0 or -errno. */
int vm_reset_irqchip(struct vm *vm);

static inline void vm_lock(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
}

static inline void vm_unlock(struct vm *vm)
{
	pthread_mutex_unlock(&vm->lock);
}

/*
 * Ask for a stop from any thread, with or without the lock. The first request stands,
 * but VM_QUIT takes the place of a VM_REBOOT, after which the guest would go on, and all others
 * that of a VM_PAUSE.
 */
void vm_request(struct vm *vm, enum vm_request why);

/* The request, taken back so that another may come; VM_RUN when there is none. Main thread. */
enum vm_request vm_take_request(struct vm *vm);

/* VM_CRASH with a sentence; the first one stands. Takes the lock: not while holding it. */
void vm_crash(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Something happened to a device that whoever watches the machine wants to know. */
static inline void vm_event(struct vm *vm, enum vm_device_event event, const char *device)
{
	if (vm->on_event)
		vm->on_event(vm->on_event_opaque, event, device);
}

/* Drive IOAPIC/PIC pin gsi (0..23) with KVM_IRQ_LINE. */
void vm_irq_line(struct vm *vm, unsigned gsi, bool level);

#endif
