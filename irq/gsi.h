/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM's GSI routing table. One writer: callers hold the VM's device lock.
 *
 * KVM_SET_GSI_ROUTING replaces the whole table, so the table lives here, changes
 * are staged, and gsi_commit() sends them in one call. The 40 legacy entries
 * (PIC 0-15; IOAPIC 0-23) are always in it, which leaves 4056 of
 * KVM_MAX_IRQ_ROUTES (4096) for MSI. GSI 0 goes to IOAPIC pin 2, as our MADT's
 * interrupt source override says.
 *
 * Order (kernel commit a80ced6ea514 and CVE history): route before irqfd, irqfd
 * gone before its route changes.
 */
#ifndef IRQ_GSI_H
#define IRQ_GSI_H

#include <stdint.h>

#include "base/err.h"

struct gsi;

#define GSI_LEGACY_ROUTES 40
#define GSI_FIRST_MSI     24
#define GSI_MAX_MSI       4056

/* Table with the legacy entries, committed. vm_fd is borrowed; needs KVM_CREATE_IRQCHIP done. */
int gsi_new(int vm_fd, struct gsi **ret, struct err *err);
struct gsi *gsi_free(struct gsi *gsi);

/* A free GSI for an MSI route. 0, or -ENOSPC when all 4056 are taken. */
int gsi_alloc(struct gsi *gsi, uint32_t *ret_gsi);

/* Drops the route (staged) and the number. No irqfd may be on it any more. */
void gsi_release(struct gsi *gsi, uint32_t n);

/* Stage a route; nothing reaches KVM before gsi_commit(). An unchanged one stages nothing. */
void gsi_set_msi(struct gsi *gsi, uint32_t n, uint64_t address, uint32_t data);

/* One KVM_SET_GSI_ROUTING if anything is staged. 0 or -errno (the table stays staged). */
int gsi_commit(struct gsi *gsi);

/* KVM_SET_GSI_ROUTING calls so far, for reports and tests. */
unsigned gsi_commits(const struct gsi *gsi);

/* GSIs for MSI routes that are taken, of GSI_MAX_MSI. */
unsigned gsi_used(const struct gsi *gsi);

#endif
