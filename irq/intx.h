/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A level-triggered line from the host to a pin of the guest, without a stop in
 * userspace: the device's eventfd raises the pin, the guest's EOI lowers it and
 * signals the eventfd that unmasks the device.
 *
 * Everything runs under the VM's device lock.
 */
#ifndef IRQ_INTX_H
#define IRQ_INTX_H

#include <stdbool.h>
#include <stdint.h>

struct intx;

struct intx_ops {
	/*
	 * The line signals trigger_fd when it rises and masks itself; a signal on
	 * unmask_fd unmasks it. 0 or -errno.
	 */
	int (*connect)(void *opaque, int trigger_fd, int unmask_fd);
	void (*disconnect)(void *opaque);
};

/* Off. ops and opaque are borrowed. NULL when memory ran out. */
struct intx *intx_new(int vm_fd, const struct intx_ops *ops, void *opaque);

/* Turns it off first. NULL is fine. */
struct intx *intx_free(struct intx *intx);

/* On or off; gsi is the IOAPIC pin (0..23). 0 or -errno, and then it is off. */
int intx_set(struct intx *intx, bool on, uint32_t gsi);

bool intx_is_on(const struct intx *intx);

#endif
