/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI tables: what the guest finds instead of firmware. RSDP (at LAYOUT_ACPI),
 * XSDT, FADT, FACS, MADT, MCFG, DSDT, and with several NUMA nodes SRAT and SLIT.
 */
#ifndef VMM_X86_ACPI_H
#define VMM_X86_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/layout.h"
#include "vmm/numa.h"
#include "vmm/pci/pci.h"
#include "vmm/topology.h"

struct vm;

/*
 * Describe the machine in guest RAM, at LAYOUT_ACPI. After pci_assign(); again at
 * guest reset, because the guest may have written there. 0 or -errno.
 */
int acpi_build(struct vm *vm, const struct numa *numa, bool panic_port, struct err *err);

/* --- below: what acpi_build() is made of, for the tests --- */

#define ACPI_MAX_MEMORY MEM_MAX_BANKS

struct acpi_machine {
	unsigned cpus;
	struct cpu_topology topology;
	struct numa numa;
	bool panic_port; /* vmm/hw/pvpanic.c */
	unsigned bridge_count;
	struct pci_bridge_info bridges[VMM_MAX_NODES];
	unsigned memory_count;
	struct acpi_memory {
		uint64_t start, size;
		unsigned node;
	} memory[ACPI_MAX_MEMORY];
};

/* All tables as they lie from LAYOUT_ACPI on. Returns their length, or -ENOSPC. */
long acpi_write(const struct acpi_machine *machine, uint8_t *buf, size_t space);

/* The body of the DSDT, without its header. Returns its length, or -ENOSPC. */
long acpi_write_dsdt(const struct acpi_machine *machine, uint8_t *buf, size_t space);

#endif
