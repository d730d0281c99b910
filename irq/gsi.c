// SPDX-License-Identifier: GPL-2.0-or-later
#include "irq/gsi.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"

#define PIC_PINS    8
#define IOAPIC_PINS 24
#define ROUTES_MAX  (GSI_LEGACY_ROUTES + GSI_MAX_MSI)

_Static_assert(ROUTES_MAX == 4096, "KVM_MAX_IRQ_ROUTES on x86");
_Static_assert(2 * PIC_PINS + IOAPIC_PINS == GSI_LEGACY_ROUTES, "both PICs and the IOAPIC");

struct gsi {
	int vm_fd; /* borrowed */
	bool staged;
	unsigned commits;
	unsigned hint; /* where the search for a free number begins */
	unsigned used;
	bool taken[GSI_MAX_MSI];        /* by number - GSI_FIRST_MSI */
	uint16_t route_of[GSI_MAX_MSI]; /* index into table->entries; 0: no route yet */
	/* Packed: legacy entries, then one per routed GSI. Pages of it no route reached cost
	 * nothing. */
	struct kvm_irq_routing *table;
};

static void add_pin(struct kvm_irq_routing *table, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/*
 * GSI 0 (the PIT) reaches IOAPIC pin 2, as on every PC; GSI 2 takes pin 0 in
 * exchange, because KVM tells the end of an interrupt on a pin to one GSI only
 * and the PIT needs to hear of it.
 */
static void add_legacy(struct kvm_irq_routing *table)
{
	for (uint32_t i = 0; i < PIC_PINS; i++) {
		add_pin(table, i, KVM_IRQCHIP_PIC_MASTER, i);
		add_pin(table, PIC_PINS + i, KVM_IRQCHIP_PIC_SLAVE, i);
	}
	for (uint32_t i = 0; i < IOAPIC_PINS; i++)
		add_pin(table, i, KVM_IRQCHIP_IOAPIC, i == 0 ? 2 : i == 2 ? 0 : i);
}

int gsi_new(int vm_fd, struct gsi **ret, struct err *err)
{
	struct gsi *gsi = calloc(1, sizeof(*gsi));
	int r;

	if (!gsi)
		return err_set(err, -ENOMEM, "cannot keep the interrupt routing table");
	gsi->vm_fd = vm_fd;
	gsi->table = calloc(1, sizeof(*gsi->table) + ROUTES_MAX * sizeof(gsi->table->entries[0]));
	if (!gsi->table) {
		gsi_free(gsi);
		return err_set(err, -ENOMEM, "cannot keep the interrupt routing table");
	}
	add_legacy(gsi->table);
	gsi->staged = true;
	r = gsi_commit(gsi);
	if (r < 0) {
		gsi_free(gsi);
		return err_set(err, r, "KVM refused the interrupt routing table");
	}
	*ret = gsi;
	return 0;
}

struct gsi *gsi_free(struct gsi *gsi)
{
	if (!gsi)
		return NULL;
	free(gsi->table);
	free(gsi);
	return NULL;
}

int gsi_alloc(struct gsi *gsi, uint32_t *ret_gsi)
{
	for (unsigned i = 0; gsi->used < GSI_MAX_MSI; i++) {
		unsigned n = (gsi->hint + i) % GSI_MAX_MSI;

		if (gsi->taken[n])
			continue;
		gsi->taken[n] = true;
		gsi->hint = n + 1;
		gsi->used++;
		*ret_gsi = GSI_FIRST_MSI + n;
		return 0;
	}
	return -ENOSPC;
}

void gsi_release(struct gsi *gsi, uint32_t n)
{
	struct kvm_irq_routing *table = gsi->table;
	unsigned i = n - GSI_FIRST_MSI, hole = gsi->route_of[i];

	gsi->taken[i] = false;
	gsi->used--;
	gsi->hint = i;
	if (!hole)
		return;
	/* The last entry fills the hole. */
	table->entries[hole] = table->entries[--table->nr];
	gsi->route_of[table->entries[hole].gsi - GSI_FIRST_MSI] = (uint16_t)hole;
	gsi->route_of[i] = 0;
	gsi->staged = true;
}

void gsi_set_msi(struct gsi *gsi, uint32_t n, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing *table = gsi->table;
	unsigned i = n - GSI_FIRST_MSI;
	struct kvm_irq_routing_entry *e = &table->entries[gsi->route_of[i]];
	struct kvm_irq_routing_entry new = {
		.gsi = n,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)address,
			   .address_hi = (uint32_t)(address >> 32),
			   .data = data },
	};

	if (gsi->route_of[i] && e->u.msi.address_lo == new.u.msi.address_lo &&
	    e->u.msi.address_hi == new.u.msi.address_hi && e->u.msi.data == data)
		return;
	if (!gsi->route_of[i]) {
		gsi->route_of[i] = (uint16_t)table->nr;
		e = &table->entries[table->nr++];
	}
	*e = new;
	gsi->staged = true;
}

int gsi_commit(struct gsi *gsi)
{
	int r;

	if (!gsi->staged)
		return 0;
	/* SIZED_IOCTL: the number carries the size of the header, entries follow it. */
	r = SIZED_IOCTL(gsi->vm_fd, KVM_SET_GSI_ROUTING, gsi->table);
	if (r < 0)
		return r;
	gsi->staged = false;
	gsi->commits++;
	return 0;
}

unsigned gsi_commits(const struct gsi *gsi)
{
	return gsi->commits;
}

unsigned gsi_used(const struct gsi *gsi)
{
	return gsi->used;
}
