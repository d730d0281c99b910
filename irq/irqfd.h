/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ties an eventfd to a guest interrupt inside KVM, and the way around it.
 *
 * An assigned eventfd is consumed by the kernel: a signal becomes the interrupt
 * that the GSI's route says, with no exit to userspace. What was signalled before
 * the assignment is delivered by it. All return 0 or -errno.
 */
#ifndef IRQ_IRQFD_H
#define IRQ_IRQFD_H

#include <stdbool.h>
#include <stdint.h>

/* The GSI's route must be committed. -EBUSY: event_fd has an irqfd already. */
int irqfd_assign(int vm_fd, int event_fd, uint32_t gsi);

/*
 * For a level-triggered pin: event_fd raises it; at the guest's EOI KVM lowers it
 * and signals resample_fd.
 */
int irqfd_assign_resample(int vm_fd, int event_fd, uint32_t gsi, int resample_fd);

/* On return nothing of event_fd is on its way to the guest any more. */
int irqfd_deassign(int vm_fd, int event_fd, uint32_t gsi);

/* Deliver one message from userspace, without route or eventfd. */
int irqfd_signal_msi(int vm_fd, uint64_t address, uint32_t data);

/* A non-blocking eventfd for a vector, or -errno. */
int irqfd_eventfd(void);

/* Whether event_fd holds a signal; it stays there. */
bool irqfd_pending(int event_fd);

/*
 * Room for n more descriptors: raises the soft limit towards the hard one and
 * grows the process's table now, while it is single-threaded and that is cheap.
 * -EMFILE: the hard limit, up to which it was done, is too low, with what would be needed in *ret_need.
 */
int irqfd_reserve(unsigned n, uint64_t *ret_need);

/* Empty event_fd; true when it held a signal. */
bool irqfd_drain(int event_fd);

#endif
