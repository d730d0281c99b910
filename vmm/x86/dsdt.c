// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DSDT: host bridges with their windows, interrupt pins and the offer of
 * native PCI Express control, and the few devices that are not on PCI.
 */
#include "vmm/x86/acpi.h"

#include <errno.h>

#include "vmm/hw/pm.h"
#include "vmm/x86/aml.h"

/* _OSC (PCI Firmware 3.3, 4.5): what the guest may take over, and how it is told what not. */
#define OSC_UUID	  "33db4d5b-1ff7-401c-9657-7441c03dd766"
#define OSC_HOTPLUG	  0x01 /* native hotplug */
#define OSC_PCIE_CAP	  0x10
/* Not PME, AER and LTR: the root ports have none of them. */
#define OSC_GRANTED	  (OSC_HOTPLUG | OSC_PCIE_CAP)
#define OSC_UNKNOWN_UUID  0x04
#define OSC_UNKNOWN_REV	  0x08
#define OSC_MASKED	  0x10

#define PRT_FIRST_SLOT 1
#define PRT_LAST_SLOT  31

/* One table for all host bridges: they swizzle alike. */
static void routing(struct aml *a)
{
	aml_name(a, "PRTS");
	aml_package(a, 4 * (PRT_LAST_SLOT - PRT_FIRST_SLOT + 1));
	for (unsigned slot = PRT_FIRST_SLOT; slot <= PRT_LAST_SLOT; slot++) {
		for (unsigned pin = 0; pin < 4; pin++) {
			aml_package(a, 4);
			aml_int(a, slot << 16 | 0xffff);
			aml_int(a, pin);
			aml_int(a, 0); /* no link device: a GSI */
			aml_int(a, pci_intx_gsi(slot, pin));
			aml_end(a);
		}
	}
	aml_end(a);
}

/* Or (CDW1, bit, CDW1) */
static void osc_complain(struct aml *a, unsigned bit)
{
	aml_op(a, AML_OR);
	aml_path(a, "CDW1");
	aml_int(a, bit);
	aml_path(a, "CDW1");
}

/* CreateDWordField (Arg3, offset, name) */
static void osc_field(struct aml *a, unsigned offset, const char *name)
{
	aml_op(a, AML_CREATE_DWORD_FIELD);
	aml_op(a, AML_ARG0 + 3);
	aml_int(a, offset);
	aml_path(a, name);
}

/* The guest's wishes in CDW3 are cut down to what we grant. */
static void osc_grant(struct aml *a)
{
	osc_field(a, 8, "CDW3");
	aml_op(a, AML_AND);
	aml_path(a, "CDW3");
	aml_int(a, OSC_GRANTED);
	aml_op(a, AML_LOCAL0);
	aml_if(a);
	aml_op(a, AML_LNOT);
	aml_op(a, AML_LEQUAL);
	aml_path(a, "CDW3");
	aml_op(a, AML_LOCAL0);
	osc_complain(a, OSC_MASKED);
	aml_end(a);
	aml_if(a);
	aml_op(a, AML_LNOT);
	aml_op(a, AML_LEQUAL);
	aml_op(a, AML_ARG0 + 1);
	aml_int(a, 1);
	osc_complain(a, OSC_UNKNOWN_REV);
	aml_end(a);
	aml_op(a, AML_STORE);
	aml_op(a, AML_LOCAL0);
	aml_path(a, "CDW3");
}

/* Method (_OSC, 4): Arg0 UUID, Arg1 revision, Arg2 count, Arg3 capabilities. */
static void osc(struct aml *a)
{
	aml_method(a, "_OSC", 4);
	osc_field(a, 0, "CDW1");
	aml_if(a);
	aml_op(a, AML_LEQUAL);
	aml_op(a, AML_ARG0);
	aml_uuid(a, OSC_UUID);
	osc_grant(a);
	aml_end(a);
	aml_else(a);
	osc_complain(a, OSC_UNKNOWN_UUID);
	aml_end(a);
	aml_op(a, AML_RETURN);
	aml_op(a, AML_ARG0 + 3);
	aml_end(a);
}

static void windows(struct aml *a, const struct pci_bridge_info *b, bool first)
{
	struct aml_res res = { .len = 0 };

	aml_res_bus(&res, b->bus_first, b->bus_last);
	if (first)
		aml_res_io(&res, LAYOUT_PCI_CF8, 8);
	if (b->pio_size)
		aml_res_io_window(&res, b->pio_start, b->pio_size);
	if (b->mmio32_size)
		aml_res_mem32_window(&res, b->mmio32_start, b->mmio32_size);
	if (b->mmio64_size)
		aml_res_mem64_window(&res, b->mmio64_start, b->mmio64_size);
	aml_name(a, "_CRS");
	aml_resources(a, &res);
}

static void host_bridge(struct aml *a, const struct acpi_machine *m, unsigned i)
{
	const struct pci_bridge_info *b = &m->bridges[i];
	const char name[] = { 'P', 'C', 'I', (char)('0' + i), 0 };

	aml_device(a, name);
	aml_name_eisa_id(a, "_HID", "PNP0A08");
	aml_name_eisa_id(a, "_CID", "PNP0A03");
	aml_name_int(a, "_UID", i);
	aml_name_int(a, "_SEG", 0);
	aml_name_int(a, "_BBN", b->bus_first);
	aml_name_int(a, "_PXM", b->node);
	windows(a, b, i == 0);
	aml_method(a, "_PRT", 0);
	aml_op(a, AML_RETURN);
	aml_path(a, "\\_SB_.PRTS");
	aml_end(a);
	osc(a);
	aml_end(a);
}

static void isa_device(struct aml *a, const char *name, const char *hid, unsigned port,
		       unsigned count, unsigned irq)
{
	struct aml_res res = { .len = 0 };

	aml_device(a, name);
	aml_name_eisa_id(a, "_HID", hid);
	aml_name_int(a, "_UID", 0);
	aml_res_io(&res, (uint16_t)port, (uint8_t)count);
	aml_res_irq(&res, irq);
	aml_name(a, "_CRS");
	aml_resources(a, &res);
	aml_end(a);
}

/* As QEMU has it, whose name drivers look for. */
static void panic_port(struct aml *a)
{
	struct aml_res res = { .len = 0 };

	aml_device(a, "PEVT");
	aml_name(a, "_HID");
	aml_string(a, "QEMU0001");
	aml_res_io(&res, LAYOUT_PVPANIC, 1);
	aml_name(a, "_CRS");
	aml_resources(a, &res);
	aml_end(a);
}

/* What no driver may take: Linux uses ECAM only when it is reserved here. */
static void motherboard(struct aml *a)
{
	struct aml_res res = { .len = 0 };

	aml_device(a, "MRES");
	aml_name_eisa_id(a, "_HID", "PNP0C02");
	aml_name_int(a, "_UID", 0);
	aml_res_mem32(&res, (uint32_t)LAYOUT_ECAM, (uint32_t)LAYOUT_ECAM_SIZE);
	aml_name(a, "_CRS");
	aml_resources(a, &res);
	aml_end(a);
}

long acpi_write_dsdt(const struct acpi_machine *machine, uint8_t *buf, size_t space)
{
	struct aml a;

	aml_init(&a, buf, space);
	aml_scope(&a, "\\_SB_");
	routing(&a);
	for (unsigned i = 0; i < machine->bridge_count; i++)
		host_bridge(&a, machine, i);
	motherboard(&a);
	isa_device(&a, "COM1", "PNP0501", LAYOUT_SERIAL, 8, LAYOUT_SERIAL_GSI);
	isa_device(&a, "RTC_", "PNP0B00", LAYOUT_RTC, 2, LAYOUT_RTC_GSI);
	if (machine->panic_port)
		panic_port(&a);
	aml_end(&a);
	/* Soft off: SLP_TYP for PM1a and PM1b. */
	aml_name(&a, "\\_S5_");
	aml_package(&a, 4);
	aml_int(&a, PM_SLP_TYP_S5);
	aml_int(&a, 0);
	aml_int(&a, 0);
	aml_int(&a, 0);
	aml_end(&a);
	return aml_finish(&a);
}
