/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes that need no answer: KVM keeps them in a ring instead of leaving
 * KVM_RUN, and we take them at the next exit, before what that exit asks for, so
 * that a device sees everything in the order the guest did it.
 *
 * For registers only whose users sooner or later look at another register of the
 * same device: a write after which the guest does nothing more stays in the ring.
 */
#ifndef VMM_COALESCED_H
#define VMM_COALESCED_H

#include <stdint.h>

struct vm;

/* Find the ring. After vcpus_new(); without support in KVM (Linux 4.20) nothing is coalesced. */
void coalesced_init(struct vm *vm);

/* Writes within size ports from port on, of any width. 0; -EOPNOTSUPP; -errno. */
int coalesced_add_port(struct vm *vm, uint16_t port, unsigned size);
void coalesced_del_port(struct vm *vm, uint16_t port, unsigned size);

/* Hand what the ring holds to the buses. Under vm_lock(). */
void coalesced_drain(struct vm *vm);

#endif
