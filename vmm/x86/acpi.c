// SPDX-License-Identifier: GPL-2.0-or-later
/* Offsets and section numbers are those of ACPI 6.4. */
#include "vmm/x86/acpi.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/mem.h"
#include "vmm/vm.h"

#define HEADER_LEN 36
#define OEM_ID	   "THRWAY"
#define OEM_TABLE  "THRUWAY "
#define CREATOR	   "THRW"

/* The IOAPIC's GSI for the PIT's IRQ 0, as irq/gsi routes it. */
#define PIT_GSI	     2
#define CMOS_CENTURY 0x32

/* The tables, one after the other; an area of LAYOUT_ACPI. */
struct area {
	uint8_t *buf;
	size_t len, space;
	bool full;
	uint32_t tables[8]; /* addresses of those that XSDT lists */
	unsigned count;
};

static uint32_t address(const struct area *area, const uint8_t *p)
{
	return (uint32_t)(LAYOUT_ACPI + (size_t)(p - area->buf));
}

/* Zeroed space on a 64-byte boundary (FACS needs it); NULL when there is none. */
static uint8_t *take(struct area *area, size_t len)
{
	size_t at = (area->len + 63) & ~(size_t)63;

	if (area->full || at > area->space || len > area->space - at) {
		area->full = true;
		return NULL;
	}
	memset(area->buf + at, 0, len);
	area->len = at + len;
	return area->buf + at;
}

static uint8_t checksum(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* 5.2.6: to be called when the table is complete. */
static void seal(uint8_t *t, const char *signature, uint8_t revision, size_t len)
{
	memcpy(t, signature, 4);
	put_le32(t + 4, (uint32_t)len);
	t[8] = revision;
	memcpy(t + 10, OEM_ID, 6);
	memcpy(t + 16, OEM_TABLE, 8);
	put_le32(t + 24, 1);
	memcpy(t + 28, CREATOR, 4);
	put_le32(t + 32, 1);
	t[9] = 0;
	t[9] = checksum(t, len);
}

static void list(struct area *area, const uint8_t *t)
{
	area->tables[area->count++] = address(area, t);
}

/* 5.2.3.2, Generic Address Structure: an I/O port. */
static void gas_port(uint8_t *p, uint16_t port, uint8_t bits, uint8_t access)
{
	p[0] = 1;
	p[1] = bits;
	p[2] = 0;
	p[3] = access; /* 1 byte, 2 word, 3 dword */
	put_le64(p + 4, port);
}

/* 5.2.9.3: devices on the ISA bus; no 8042, no VGA; MSI, ASPM and RTC as always. */
#define BOOT_LEGACY_DEVICES 0x0001
#define BOOT_NO_VGA	    0x0004

/* 5.2.9: WBINVD works, C1, no fixed sleep button, no fixed RTC wake, reset register */
#define FADT_FLAGS (1u << 0 | 1u << 2 | 1u << 5 | 1u << 6 | 1u << 10)
#define FADT_LEN   276

static void fadt(struct area *area, const uint8_t *facs, const uint8_t *dsdt)
{
	uint8_t *t = take(area, FADT_LEN);

	if (!t || !facs || !dsdt)
		return;
	put_le32(t + 36, address(area, facs));
	put_le32(t + 40, address(area, dsdt));
	put_le16(t + 46, LAYOUT_SCI_GSI);
	put_le32(t + 56, LAYOUT_PM1A_EVT);
	put_le32(t + 64, LAYOUT_PM1A_CNT);
	put_le32(t + 76, LAYOUT_PM_TMR);
	t[88] = 4; /* lengths of those three */
	t[89] = 2;
	t[91] = 4;
	put_le16(t + 96, 0xfff); /* no C2, no C3 */
	put_le16(t + 98, 0xfff);
	t[108] = CMOS_CENTURY;
	put_le16(t + 109, BOOT_LEGACY_DEVICES | BOOT_NO_VGA);
	put_le32(t + 112, FADT_FLAGS);
	gas_port(t + 116, LAYOUT_RESET, 8, 1);
	t[128] = 0x06;
	t[131] = 4; /* minor version of 6.4 */
	put_le64(t + 140, address(area, dsdt));
	gas_port(t + 148, LAYOUT_PM1A_EVT, 32, 2);
	gas_port(t + 172, LAYOUT_PM1A_CNT, 16, 2);
	gas_port(t + 208, LAYOUT_PM_TMR, 32, 3);
	memcpy(t + 268, OEM_TABLE, 8); /* hypervisor vendor */
	seal(t, "FACP", 6, FADT_LEN);
	list(area, t);
}

static uint8_t *facs(struct area *area)
{
	uint8_t *t = take(area, 64);

	if (!t)
		return NULL;
	memcpy(t, "FACS", 4);
	put_le32(t + 4, 64);
	t[32] = 2;
	return t;
}

static uint8_t *dsdt(struct area *area, const struct acpi_machine *m)
{
	uint8_t *t = take(area, HEADER_LEN);
	long len;

	if (!t)
		return NULL;
	len = acpi_write_dsdt(m, t + HEADER_LEN, area->space - area->len);
	if (len < 0) {
		area->full = true;
		return NULL;
	}
	area->len += (size_t)len;
	seal(t, "DSDT", 2, HEADER_LEN + (size_t)len);
	return t;
}

/* 5.2.12.5 */
static uint8_t *irq_override(uint8_t *p, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	p[0] = 2;
	p[1] = 10;
	p[3] = irq;
	put_le32(p + 4, gsi);
	put_le16(p + 8, flags);
	return p + 10;
}

#define MADT_ACTIVE_HIGH 0x0001
#define MADT_LEVEL	 0x000c

/* All APIC ids are below 255, so that none needs an x2APIC entry. */
static void madt(struct area *area, const struct acpi_machine *m)
{
	size_t len = HEADER_LEN + 8 + 8 * m->cpus + 12 + 2 * 10 + 6;
	uint8_t *t = take(area, len), *p;

	if (!t)
		return;
	put_le32(t + 36, (uint32_t)LAYOUT_LAPIC);
	put_le32(t + 40, 1); /* there are 8259s too */
	p = t + 44;
	for (unsigned i = 0; i < m->cpus; i++, p += 8) {
		p[1] = 8;
		p[2] = (uint8_t)i;
		p[3] = (uint8_t)topology_apic_id(&m->topology, i);
		put_le32(p + 4, 1); /* enabled */
	}
	p[0] = 1;
	p[1] = 12;
	put_le32(p + 4, (uint32_t)LAYOUT_IOAPIC);
	p += 12;
	p = irq_override(p, 0, PIT_GSI, 0);
	p = irq_override(p, LAYOUT_SCI_GSI, LAYOUT_SCI_GSI, MADT_ACTIVE_HIGH | MADT_LEVEL);
	p[0] = 4; /* NMI: LINT1 of every CPU */
	p[1] = 6;
	p[2] = 0xff;
	p[5] = 1;
	seal(t, "APIC", 5, len);
	list(area, t);
}

/* PCI Firmware 3.3, 4.1.2: one segment; who has which bus is said by _BBN and _CRS. */
static void mcfg(struct area *area, const struct acpi_machine *m)
{
	uint8_t *t = take(area, HEADER_LEN + 8 + 16);

	if (!t)
		return;
	put_le64(t + 44, LAYOUT_ECAM);
	t[55] = m->bridges[m->bridge_count - 1].bus_last;
	seal(t, "MCFG", 1, HEADER_LEN + 8 + 16);
	list(area, t);
}

static uint8_t *srat_cpu(uint8_t *p, unsigned apic_id, unsigned node)
{
	p[1] = 16;
	p[2] = (uint8_t)node;
	p[3] = (uint8_t)apic_id;
	put_le32(p + 4, 1);
	return p + 16;
}

/* 5.2.16. Node by node: Linux numbers them in the order in which it meets them here. */
static void srat(struct area *area, const struct acpi_machine *m)
{
	size_t len = HEADER_LEN + 12 + 16 * m->cpus + 40 * m->memory_count;
	uint8_t *t = take(area, len), *p;

	if (!t)
		return;
	put_le32(t + 36, 1); /* reserved, for compatibility */
	p = t + 48;
	for (unsigned node = 0; node < m->numa.nodes; node++)
		for (unsigned i = 0; i < m->cpus; i++)
			if (m->numa.cpu_node[i] == node)
				p = srat_cpu(p, topology_apic_id(&m->topology, i), node);
	for (unsigned i = 0; i < m->memory_count; i++, p += 40) {
		p[0] = 1;
		p[1] = 40;
		put_le32(p + 2, m->memory[i].node);
		put_le64(p + 8, m->memory[i].start);
		put_le64(p + 16, m->memory[i].size);
		put_le32(p + 28, 1);
	}
	seal(t, "SRAT", 3, len);
	list(area, t);
}

/* 5.2.17 */
static void slit(struct area *area, const struct acpi_machine *m)
{
	unsigned n = m->numa.nodes;
	size_t len = HEADER_LEN + 8 + n * n;
	uint8_t *t = take(area, len);

	if (!t)
		return;
	put_le64(t + 36, n);
	for (unsigned i = 0; i < n * n; i++)
		t[44 + i] = m->numa.distance[i / n][i % n];
	seal(t, "SLIT", 1, len);
	list(area, t);
}

/* 5.2.5.3 and 5.2.8 */
static void roots(struct area *area, uint8_t *rsdp)
{
	size_t len = HEADER_LEN + 8 * area->count;
	uint8_t *xsdt = take(area, len);

	if (!rsdp || !xsdt)
		return;
	for (unsigned i = 0; i < area->count; i++)
		put_le64(xsdt + HEADER_LEN + 8 * i, area->tables[i]);
	seal(xsdt, "XSDT", 1, len);
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, OEM_ID, 6);
	rsdp[15] = 2;
	put_le32(rsdp + 20, 36);
	put_le64(rsdp + 24, address(area, xsdt));
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, 36);
}

long acpi_write(const struct acpi_machine *machine, uint8_t *buf, size_t space)
{
	struct area area = { .buf = buf, .space = space };
	uint8_t *rsdp = take(&area, 36);
	uint8_t *fixed = facs(&area);

	fadt(&area, fixed, dsdt(&area, machine));
	madt(&area, machine);
	mcfg(&area, machine);
	/* With one node too: on AMD, Linux otherwise looks for nodes by 32 PCI accesses. */
	srat(&area, machine);
	if (machine->numa.nodes > 1)
		slit(&area, machine);
	roots(&area, rsdp);
	return area.full ? -ENOSPC : (long)area.len;
}

int acpi_build(struct vm *vm, const struct numa *numa, bool panic_port, struct err *err)
{
	struct acpi_machine m = { .cpus = vm->ncpus, .topology = vm->topology, .numa = *numa,
				  .panic_port = panic_port };
	_cleanup_free_ uint8_t *buf = calloc(1, LAYOUT_ACPI_END - LAYOUT_ACPI);
	const struct mem_bank *bank;
	long len;
	int r;

	if (!buf)
		return err_set(err, -ENOMEM, "cannot make the ACPI tables");
	m.bridge_count = pci_bridge_count(vm->pci);
	for (unsigned i = 0; i < m.bridge_count; i++)
		pci_bridge_info(vm->pci, i, &m.bridges[i]);
	while (m.memory_count < ACPI_MAX_MEMORY && (bank = mem_bank(vm->mem, m.memory_count)))
		m.memory[m.memory_count++] =
			(struct acpi_memory){ bank->gpa, bank->size, bank->node };
	len = acpi_write(&m, buf, LAYOUT_ACPI_END - LAYOUT_ACPI);
	if (len < 0)
		return err_set(err, (int)len, "the ACPI tables do not fit where they belong");
	r = gmem_write(vm->mem, LAYOUT_ACPI, buf, (uint64_t)len);
	if (r < 0)
		return err_set(err, r, "cannot write the ACPI tables into guest memory");
	return 0;
}
