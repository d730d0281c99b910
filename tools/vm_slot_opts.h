/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --hotplug-slots N[,pref=SIZE][,node=K]`: slots for devices that come later. */
#ifndef TOOLS_VM_SLOT_OPTS_H
#define TOOLS_VM_SLOT_OPTS_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/pci/spare.h"

struct vm_opt_slot {
	unsigned node; /* of the guest, plus one; 0: any */
	uint64_t pref; /* as in struct spare_slot */
};

struct vm_slot_opts {
	unsigned count;
	struct vm_opt_slot slot[SPARE_SLOTS_MAX];
};

/* More than any BAR there is. */
#define VM_MAX_WINDOW (1ull << 40)

/* Add what one such option says to *o. 0 or -EINVAL (usage) with err set. */
int vm_slot_opts_parse(const char *text, struct vm_slot_opts *o, struct err *err);

/*
 * Where they are in a guest of so many nodes: what names no node goes to the one that has the
 * fewest, the first of several. ret has room for o->count. -EINVAL (usage): there is no such node.
 */
int vm_slot_opts_place(const struct vm_slot_opts *o, unsigned nodes, struct spare_slot *ret,
		       struct err *err);

#endif
