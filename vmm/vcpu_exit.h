/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a return of KVM_RUN asks for. Called by the vCPU's thread, without vm_lock(). */
#ifndef VMM_VCPU_EXIT_H
#define VMM_VCPU_EXIT_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* Serve cpu->run's exit. False: this CPU cannot go on, and the request is made. */
bool vcpu_handle_exit(struct vcpu *cpu);

/* KVM_RUN failed with -errno. False as above. */
bool vcpu_handle_error(struct vcpu *cpu, int error);

/* One more in a counter of this CPU, which nobody else writes. */
static inline void vcpu_count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

#endif
