/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device's INTx, where others of the host use the same line. */
#ifndef TOOLS_VM_INTX_H
#define TOOLS_VM_INTX_H

#include <stdbool.h>

#include "base/bdf.h"
#include "base/err.h"
#include "vmm/handover.h"

/*
 * What a guest is to have of it: withheld, said once, where the line is shared, unless `shared` was
 * allowed. -EBUSY, err set: it has no other interrupts, so that it is refused.
 */
int vm_intx_choose(int root, struct bdf bdf, bool shared, uint32_t *ret, struct err *err);

#endif
