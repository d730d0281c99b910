/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of one `vm run`: found by name, bound for its lifetime, given back. */
#ifndef TOOLS_VM_DEVICES_H
#define TOOLS_VM_DEVICES_H

#include <stdbool.h>

#include "base/bdf.h"
#include "base/err.h"
#include "vmm/handover.h"

struct ctx;
struct vm_opts;

struct vm_devices {
	struct bdf bdf[HANDOVER_MAX_DEVICES];
	unsigned count;
	bool bound; /* something may be in the journal to put back */
};

#define VM_DEVICES_INIT { .count = 0 }

/* Resolve the names in opts. Changes nothing. 0, or -errno with err set. */
int vm_devices_find(struct ctx *ctx, const struct vm_opts *opts, struct vm_devices *ret,
		    struct err *err);

/*
 * What is bound to a VFIO driver belongs to whom it was promised, though anybody who may open its group could
 * have it; and with the group goes all that is in it. -EBUSY with err set, unless --force says otherwise.
 */
int vm_devices_refuse_leased(const struct ctx *ctx, const struct bdf *devices, unsigned count,
			     struct err *err);

/*
 * With --bind, bind every device in one journalled change that ends with this process.
 * 0, or -errno with nothing left changed: -EBUSY when another `vm run` that lives has
 * bound one of them for itself, or one of them or of their groups is leased to somebody else.
 */
int vm_devices_take(struct ctx *ctx, const struct vm_opts *opts, struct vm_devices *devices,
		    struct err *err);

/*
 * Undo what vm_devices_take() changed, but leave alone what another process has open by
 * now. 0 or -errno with err set.
 */
int vm_devices_give_back(int root, struct vm_devices *devices, struct err *err);

#endif
