/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM memory slots: RAM banks and mapped BARs get one each. Under vm_lock() once vCPUs run. */
#ifndef VMM_MEMSLOT_H
#define VMM_MEMSLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/range.h"

struct mem;
struct memslots;

/*
 * Whose memory a mapping is of: a device's, whose pages may not be there when the guest touches
 * them. It outlives its mappings.
 */
struct memslot_owner {
	const char *name;
	/* Whether its pages are there now, as far as the device can be asked. */
	bool (*answers)(struct memslot_owner *owner);
	/* bar_fault.c's: faults not long ago, when the last one was, when the mapping is tried next. */
	unsigned faults;
	uint64_t fault_ns, wait_ns, due_ns;
};

/* 0 or -errno; reads KVM_CAP_NR_MEMSLOTS. vm_fd is borrowed. */
int memslots_new(int vm_fd, struct memslots **ret);
struct memslots *memslots_free(struct memslots *slots);

/* A slot for every bank of RAM, from mem's announcements. mem must outlive slots. */
int memslots_back_ram(struct memslots *slots, struct mem *mem, struct err *err);

/*
 * Map a BAR: hva at gpa. *ret_slot names it. 0; -ENOSPC (no slot left); -EEXIST
 * (overlap); -EINVAL (unaligned, empty or wrapping); -errno.
 *
 * bar_fault.c takes mappings of an owner away, and puts them back: whoever sets one
 * also answers at these addresses on the MMIO bus.
 */
int memslot_set(struct memslots *slots, gpa_t gpa, uint64_t size, void *hva, bool readonly,
		struct memslot_owner *owner, unsigned *ret_slot);
void memslot_clear(struct memslots *slots, unsigned slot);

/* The i-th mapping from 0 on: its owner, NULL for RAM or none, and whether KVM has it. false: none is left. */
bool memslots_look(const struct memslots *slots, unsigned i, struct memslot_owner **ret_owner,
		   bool *ret_mapped);

/* Whose mapping that KVM has is at gpa; NULL: nobody's, or RAM. */
struct memslot_owner *memslots_owner_at(const struct memslots *slots, gpa_t gpa);

/* Take owner's mappings away, so that accesses come as MMIO. How many KVM had. */
unsigned memslots_drop(struct memslots *slots, const struct memslot_owner *owner);

/* Give KVM those of owner's that were taken away. 0, or -errno: the rest is still away. */
int memslots_put_back(struct memslots *slots, const struct memslot_owner *owner);

#endif
