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

#include <stdbool.h>
#include <stdint.h>

struct vm;

/* Find the ring. After vcpus_new(); without support in KVM (Linux 4.20) nothing is coalesced. */
void coalesced_init(struct vm *vm);

/* Writes within size ports from port on, of any width. 0; -EOPNOTSUPP; -errno. */
int coalesced_add_port(struct vm *vm, uint16_t port, unsigned size);
void coalesced_del_port(struct vm *vm, uint16_t port, unsigned size);

/*
 * The same from the guest's first exit on, which is soon enough and one call less
 * before the guest runs; at most COALESCED_LATER_MAX of them, while it does not run.
 */
void coalesced_add_later(struct vm *vm, uint16_t port, unsigned size);

/*
 * Ports that are coalesced only while the guest is busy with the device: for those
 * where a write that is never followed by anything must not stay in the ring.
 */
struct coalesced_burst {
	struct vm *vm; /* borrowed */
	uint16_t port;
	unsigned size;
	int timer_fd; /* -1 before the first burst */
	bool on;
	bool used; /* since the timer was armed */
};

#define COALESCED_BURST_INIT(v, p, n) { .vm = (v), .port = (p), .size = (n), .timer_fd = -1 }

/*
 * The guest did something at the device that made it exit. Its writes to the ports
 * need none from now on, until it has done nothing of the kind for 0.1 s. What is
 * in the ring by then is handed out. Under vm_lock(), on any thread.
 */
void coalesced_busy(struct coalesced_burst *b);

/* No more of it. Harmless before the first burst. */
void coalesced_burst_end(struct coalesced_burst *b);

/*
 * Hand what the ring holds to the buses; then comes the access that made the guest
 * exit, and then coalesced_settle(). All under vm_lock().
 */
void coalesced_drain(struct vm *vm);
void coalesced_settle(struct vm *vm);

/*
 * For a device inside a write: whether it came out of the ring. Then fn is called
 * by coalesced_settle(), once: an interrupt that the write causes must not be
 * raised before the access behind it, which may be the one that forbids it.
 */
bool coalesced_defer(struct vm *vm, void (*fn)(void *opaque), void *opaque);

#endif
