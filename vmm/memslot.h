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

/* 0 or -errno; reads KVM_CAP_NR_MEMSLOTS. vm_fd is borrowed. */
int memslots_new(int vm_fd, struct memslots **ret);
struct memslots *memslots_free(struct memslots *slots);

/* A slot for every bank of RAM, from mem's announcements. mem must outlive slots. */
int memslots_back_ram(struct memslots *slots, struct mem *mem, struct err *err);

/*
 * Map a BAR: hva at gpa. *ret_slot names it. 0; -ENOSPC (no slot left); -EEXIST
 * (overlap); -EINVAL (unaligned, empty or wrapping); -errno.
 *
 * The mapping may be taken away again by memslots_fault(), so whoever sets one
 * also answers at these addresses on the MMIO bus.
 */
int memslot_set(struct memslots *slots, gpa_t gpa, uint64_t size, void *hva, bool readonly,
		unsigned *ret_slot);
void memslot_clear(struct memslots *slots, unsigned slot);

/*
 * KVM_RUN met a host page that cannot be touched: memory decode is off below
 * us, or the device is in reset or gone. Take the BAR's mapping away, so that the
 * access comes again as MMIO and the bus answers. gpa: the address, or NULL when
 * KVM did not tell (kernels before 6.8): every BAR mapping goes then, which is
 * slow from there on but right. Returns how many went: 0 means it was no BAR.
 */
unsigned memslots_fault(struct memslots *slots, const gpa_t *gpa);

#endif
