/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM memory slots: RAM banks and mapped BARs get one each. Under vm_lock(). */
#ifndef VMM_MEMSLOT_H
#define VMM_MEMSLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"

struct memslots;

/* 0 or -errno; reads KVM_CAP_NR_MEMSLOTS. vm_fd is borrowed. */
int memslots_new(int vm_fd, struct memslots **ret);
struct memslots *memslots_free(struct memslots *slots);

/* Map hva at gpa. *ret_slot names it. 0; -ENOSPC (no slot left); -EEXIST (overlap); -errno. */
int memslot_set(struct memslots *slots, gpa_t gpa, uint64_t size, void *hva, bool readonly,
		unsigned *ret_slot);
void memslot_clear(struct memslots *slots, unsigned slot);

#endif
