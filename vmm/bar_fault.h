/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_RUN met a page of a device's memory that cannot be touched: it sleeps, or its memory decode is
 * off below us. Its mappings are taken away, so that the access comes again as MMIO and the bus
 * answers, and they come back when it does. Under vm_lock().
 */
#ifndef VMM_BAR_FAULT_H
#define VMM_BAR_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"

struct bar_faults;
struct memslots;
struct vm;

/*
 * gpa: the address, NULL when KVM did not tell (kernels before 6.8). first: the CPU got on since its last
 * fault. Whether KVM_RUN is worth another try because mappings went; false: it was no BAR.
 */
bool bar_fault(struct vm *vm, const gpa_t *gpa, bool first);

struct bar_faults *bar_faults_free(struct bar_faults *faults); /* NULL is fine */

/* What they do, at a time of the caller's in nanoseconds; for bar_fault() and for tests. */
struct bar_faults *bar_faults_new(struct memslots *slots); /* borrowed; NULL: no memory */
unsigned bar_faults_met(struct bar_faults *faults, const gpa_t *gpa, bool first, uint64_t now);
/* Puts back what is due. Until when it is to be called again; UINT64_MAX: not. */
uint64_t bar_faults_retry(struct bar_faults *faults, uint64_t now);

#endif
