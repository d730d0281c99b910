/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port by which a guest's kernel says that it panicked: QEMU's pvpanic, which Linux and Windows have
 * drivers for. The guest finds it in ACPI (QEMU0001), at no cost while it boots.
 */
#ifndef VMM_HW_PVPANIC_H
#define VMM_HW_PVPANIC_H

#include <stdbool.h>

#include "base/err.h"

struct pvpanic;
struct vm;

struct pvpanic_owner {
	/*
	 * The guest panicked, or did and goes on in its crash kernel. Once each until pvpanic_reset(),
	 * on a CPU's thread, under vm_lock().
	 */
	void (*panicked)(void *opaque, bool crash_kernel);
	void *opaque;
};

int pvpanic_new(struct vm *vm, const struct pvpanic_owner *owner, struct pvpanic **ret, struct err *err);
struct pvpanic *pvpanic_free(struct pvpanic *p); /* NULL is fine, as for the next */

/* Under vm_lock(): guest reset. */
void pvpanic_reset(struct pvpanic *p);

/* The guest said so since it was last reset. */
bool pvpanic_said(const struct pvpanic *p);

#endif
