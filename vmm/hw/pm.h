/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI's fixed hardware: PM1a event and control, PM timer, reset register, and
 * the power button behind SCI. Ports are in vmm/layout.h and in the FADT.
 */
#ifndef VMM_HW_PM_H
#define VMM_HW_PM_H

#include "base/err.h"

struct pm;
struct vm;

/* SLP_TYP of S5, as the DSDT's _S5 must say. */
#define PM_SLP_TYP_S5 5

/* Claims its ports on vm->pio. */
int pm_new(struct vm *vm, struct pm **ret, struct err *err);
struct pm *pm_free(struct pm *pm);

/*
 * Both under vm_lock(). A button pressed before the guest listens, or before a reset
 * that came instead of a power-off, is seen once the guest enables its event.
 */
void pm_reset(struct pm *pm);
void pm_power_button(struct pm *pm);

#endif
