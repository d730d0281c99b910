/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual CPUs: one thread each, KVM_RUN in a loop, exits dispatched to the
 * buses under vm_lock().
 *
 * vcpus_pause() and vcpus_resume() are the only ways in and out: after pause
 * every thread is parked outside KVM_RUN with no instruction half done, so that
 * registers and devices may be set from the main thread.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/vm.h"

struct kvm_run;

struct vcpu {
	struct vm *vm; /* borrowed */
	int fd;
	unsigned index;
	unsigned apic_id;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool started;
	unsigned faults; /* EFAULTs in a row */
	struct vm_stats stats;
	int stats_fd; /* of kvm_stats_open(); -1: not asked for yet, or not to be had */
	int tid; /* of its thread; atomic, 0 until it first left KVM_RUN */
};

/* vm->ncpus vCPUs with no state yet, threads not started. Fills vm->vcpus. */
int vcpus_new(struct vm *vm, struct err *err);

/* Ends the threads and frees everything; NULL vcpus are fine. */
void vcpus_free(struct vm *vm);

/* Start the threads; they run at once. Once. */
int vcpus_start(struct vm *vm, struct err *err);

/* What all CPUs counted so far. */
void vcpus_stats(const struct vm *vm, struct vm_stats *ret);

/* All out of KVM_RUN when it returns. The caller must not hold vm_lock(). */
void vcpus_pause(struct vm *vm);
void vcpus_resume(struct vm *vm);

#endif
