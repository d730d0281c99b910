/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A watchdog that a guest's driver feeds: Intel's 6300ESB on PCI, which Linux (i6300esb) and QEMU's guests
 * know. It has two stages, of which the first one's interrupt is not wired: after both it is over.
 */
#ifndef VMM_HW_WATCHDOG_H
#define VMM_HW_WATCHDOG_H

#include <stdbool.h>

#include "base/err.h"

struct vm;
struct watchdog;

struct watchdog_owner {
	/* It was not fed in time. On the event loop's thread, under vm_lock(); it stands until it is fed again. */
	void (*expired)(void *opaque);
	void *opaque;
};

/* Before pci_assign(). */
int watchdog_new(struct vm *vm, const struct watchdog_owner *owner, struct watchdog **ret, struct err *err);
struct watchdog *watchdog_free(struct watchdog *w); /* NULL is fine, as for the next */

/* Under vm_lock(): the guest's CPUs stand, and its time with them, or go on. */
void watchdog_pause(struct watchdog *w, bool paused);

/* The guest is to feed it. */
bool watchdog_runs(const struct watchdog *w);

#endif
