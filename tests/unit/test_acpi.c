// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables as a guest walks them: from the RSDP to every table, checksums, contents. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/size.h"
#include "vmm/x86/acpi.h"

static uint8_t buf[LAYOUT_ACPI_END - LAYOUT_ACPI];
static long length;

static struct acpi_machine machine(unsigned cpus, unsigned nodes)
{
	struct acpi_machine m = {
		.cpus = cpus,
		.panic_port = true,
		.bridge_count = nodes,
		.memory_count = 2,
		.memory = { { 0, 3 * GiB, 0 }, { 4 * GiB, 1 * GiB, nodes - 1 } },
	};

	numa_even(&m.numa, cpus, nodes);
	for (unsigned i = 0; i < nodes; i++)
		m.bridges[i] = (struct pci_bridge_info){
			.node = i,
			.bus_first = (uint8_t)(i * 256 / nodes),
			.bus_last = (uint8_t)((i + 1) * 256 / nodes - 1),
			.mmio32_start = (uint32_t)LAYOUT_MMIO32 + i * 0x1000000,
			.mmio32_size = 0x1000000,
			.mmio64_start = (8 + i) * GiB,
			.mmio64_size = GiB,
			.pio_start = (uint16_t)(0x1000 + i * 0x1000),
			.pio_size = 0x1000,
		};
	return m;
}

static void build(unsigned cpus, unsigned nodes)
{
	struct acpi_machine m = machine(cpus, nodes);

	memset(buf, 0xee, sizeof(buf));
	length = acpi_write(&m, buf, sizeof(buf));
	assert_true(length > 0);
}

static unsigned sum(const uint8_t *p, size_t len)
{
	unsigned s = 0;

	while (len--)
		s += *p++;
	return s & 0xff;
}

/* A table by its address, with header, length and checksum in order. */
static const uint8_t *table_at(uint64_t gpa, const char *signature)
{
	const uint8_t *t = buf + (gpa - LAYOUT_ACPI);

	assert_true(gpa >= LAYOUT_ACPI && gpa + 36 <= LAYOUT_ACPI + (uint64_t)length);
	assert_memory_equal(t, signature, 4);
	assert_true(gpa + get_le32(t + 4) <= LAYOUT_ACPI + (uint64_t)length);
	assert_int_equal(sum(t, get_le32(t + 4)), 0);
	return t;
}

static const uint8_t *find(const char *signature)
{
	const uint8_t *xsdt = table_at(get_le64(buf + 24), "XSDT");

	for (unsigned i = 36; i < get_le32(xsdt + 4); i += 8) {
		uint64_t gpa = get_le64(xsdt + i);

		if (!memcmp(buf + (gpa - LAYOUT_ACPI), signature, 4))
			return table_at(gpa, signature);
	}
	return NULL;
}

static void test_rsdp_is_first_and_leads_to_all(void **state)
{
	build(2, 1);
	assert_memory_equal(buf, "RSD PTR ", 8);
	assert_int_equal(buf[15], 2);
	assert_int_equal(sum(buf, 20), 0);
	assert_int_equal(sum(buf, 36), 0);
	assert_non_null(find("FACP"));
	assert_non_null(find("APIC"));
	assert_non_null(find("MCFG"));
	assert_non_null(find("SRAT"));
	assert_null(find("SLIT")); /* nothing is far */
}

static void test_fadt_is_full_hardware_with_our_ports(void **state)
{
	const uint8_t *t;

	build(1, 1);
	t = find("FACP");
	assert_int_equal(get_le32(t + 4), 276);
	assert_int_equal(t[8], 6);
	assert_int_equal(get_le16(t + 46), 9);		     /* SCI */
	assert_int_equal(get_le32(t + 48), 0);		     /* SMI_CMD: ACPI is always on */
	assert_int_equal(get_le32(t + 56), LAYOUT_PM1A_EVT);
	assert_int_equal(get_le64(t + 152), LAYOUT_PM1A_EVT); /* and in the 64-bit form */
	assert_int_equal(get_le64(t + 176), LAYOUT_PM1A_CNT);
	assert_int_equal(get_le64(t + 212), LAYOUT_PM_TMR);
	assert_int_equal(get_le64(t + 120), LAYOUT_RESET);
	assert_int_equal(t[128], 0x06);
	assert_int_equal(get_le16(t + 109), 0x0005); /* no 8042, no VGA; MSI and RTC present */
	assert_false(get_le32(t + 112) & 1u << 20);  /* not hardware-reduced */
	assert_false(get_le32(t + 112) & 1u << 4);   /* the power button is fixed hardware */
	assert_true(get_le32(t + 112) & 1u << 10);   /* reset register */
	table_at(get_le64(t + 140), "DSDT");
	assert_int_equal(get_le32(t + 40), get_le64(t + 140));
	assert_int_equal(get_le32(t + 36) % 64, 0);
	assert_memory_equal(buf + get_le32(t + 36) - LAYOUT_ACPI, "FACS", 4);
}

static void test_madt_has_each_cpu_and_the_overrides_of_the_gsi_table(void **state)
{
	unsigned cpus = 0, ioapics = 0, pit = 0, sci = 0;
	const uint8_t *t, *p;

	build(5, 1);
	t = find("APIC");
	for (p = t + 44; p < t + get_le32(t + 4); p += p[1]) {
		assert_true(p[1] >= 6);
		if (p[0] == 0)
			assert_int_equal(p[3], cpus++);
		ioapics += p[0] == 1 && get_le32(p + 4) == 0xfec00000 && get_le32(p + 8) == 0;
		pit += p[0] == 2 && p[3] == 0 && get_le32(p + 4) == 2;
		sci += p[0] == 2 && p[3] == 9 && get_le32(p + 4) == 9 && get_le16(p + 8) == 0x0d;
	}
	assert_int_equal(p - t, get_le32(t + 4));
	assert_int_equal(cpus, 5);
	assert_int_equal(ioapics, 1);
	assert_int_equal(pit, 1);
	assert_int_equal(sci, 1);
}

static void test_ids_are_those_of_the_topology(void **state)
{
	static const uint8_t ids[] = { 0, 1, 2, 4, 5, 6 };
	struct acpi_machine m = machine(6, 2);
	const uint8_t *t, *p;
	unsigned n = 0;

	m.topology = (struct cpu_topology){ 2, 1, 3, 1 };
	length = acpi_write(&m, buf, sizeof(buf));
	assert_true(length > 0);
	t = find("APIC");
	for (p = t + 44; p[0] == 0; p += p[1], n++) {
		assert_int_equal(p[2], n);
		assert_int_equal(p[3], ids[n]);
	}
	assert_int_equal(n, 6);
	t = find("SRAT");
	for (n = 0, p = t + 48; p[0] == 0; p += p[1], n++)
		assert_int_equal(p[3], ids[n]);
	assert_int_equal(n, 6);
}

static void test_mcfg_is_all_of_ecam(void **state)
{
	const uint8_t *t;

	build(1, 4);
	t = find("MCFG");
	assert_int_equal(get_le32(t + 4), 60);
	assert_int_equal(get_le64(t + 44), LAYOUT_ECAM);
	assert_int_equal(get_le16(t + 52), 0);
	assert_int_equal(t[54], 0);
	assert_int_equal(t[55], 255);
}

static void test_nodes_own_cpus_and_memory(void **state)
{
	static const unsigned want[] = { 0, 0, 0, 1, 1 };
	unsigned cpus = 0, memory = 0;
	const uint8_t *t, *p;

	build(5, 2);
	t = find("SRAT");
	for (p = t + 48; p < t + get_le32(t + 4); p += p[1]) {
		if (p[0] == 0) {
			assert_int_equal(p[3], cpus);
			assert_int_equal(p[2], want[cpus++]);
			assert_int_equal(get_le32(p + 4), 1);
		} else {
			assert_int_equal(p[0], 1);
			assert_int_equal(get_le32(p + 2), memory);
			assert_int_equal(get_le64(p + 8), memory ? 4 * GiB : 0);
			assert_int_equal(get_le64(p + 16), memory ? 1 * GiB : 3 * GiB);
			assert_int_equal(get_le32(p + 28), 1);
			memory++;
		}
	}
	assert_int_equal(cpus, 5);
	assert_int_equal(memory, 2);
	t = find("SLIT");
	assert_int_equal(get_le64(t + 36), 2);
	assert_memory_equal(t + 44, ((const uint8_t[]){ 10, 20, 20, 10 }), 4);
}

static void test_nodes_are_as_far_apart_as_is_said(void **state)
{
	struct acpi_machine m = machine(4, 3);
	static const uint8_t want[] = { 10, 21, 31, 21, 10, 11, 32, 11, 10 };
	const uint8_t *t;

	for (unsigned i = 0; i < 9; i++)
		m.numa.distance[i / 3][i % 3] = want[i];
	memcpy(m.numa.cpu_node, (const uint8_t[]){ 2, 0, 1, 2 }, 4);
	length = acpi_write(&m, buf, sizeof(buf));
	t = find("SLIT");
	assert_int_equal(get_le64(t + 36), 3);
	assert_memory_equal(t + 44, want, 9);
	/* In order of nodes, so that the guest calls them as we do. */
	t = find("SRAT");
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(t[48 + 16 * i + 2], ((const uint8_t[]){ 0, 1, 2, 2 })[i]);
		assert_int_equal(t[48 + 16 * i + 3], ((const uint8_t[]){ 1, 2, 0, 3 })[i]);
	}
}

static void test_a_single_node_has_all(void **state)
{
	unsigned cpus = 0, memory = 0;
	const uint8_t *t, *p;

	build(3, 1);
	t = find("SRAT");
	for (p = t + 48; p < t + get_le32(t + 4); p += p[1]) {
		assert_int_equal(p[0] ? get_le32(p + 2) : p[2], 0);
		*(p[0] ? &memory : &cpus) += 1;
	}
	assert_int_equal(cpus, 3);
	assert_in_range(memory, 1, 2);
}

static void test_cpus_are_split_evenly(void **state)
{
	for (unsigned nodes = 1; nodes <= 8; nodes++) {
		for (unsigned cpus = nodes; cpus <= 255; cpus++) {
			unsigned count[8] = { 0 };
			struct numa numa;

			numa_even(&numa, cpus, nodes);
			for (unsigned i = 0; i < cpus; i++)
				count[numa.cpu_node[i]]++;
			for (unsigned n = 0; n < nodes; n++)
				assert_in_range(count[n], cpus / nodes, cpus / nodes + 1);
		}
	}
}

static void test_the_largest_machine_fits_and_less_room_is_an_error(void **state)
{
	struct acpi_machine m = machine(255, 8);

	build(255, 8);
	assert_true(length < (long)sizeof(buf));
	for (long space = 0; space < length; space += 64) {
		memset(buf, 0xee, sizeof(buf));
		assert_int_equal(acpi_write(&m, buf, (size_t)space), -ENOSPC);
		for (size_t i = (size_t)space; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0xee);
	}
}

static void test_host_bridges_are_in_the_dsdt(void **state)
{
	static const uint8_t hid[] = { '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x08 };
	static const uint8_t bbn[] = { '_', 'B', 'B', 'N', 0x0a, 0x80 };
	static const uint8_t pxm[] = { '_', 'P', 'X', 'M', 0x01 };
	/* slot 1 INTA → GSI 17 */
	static const uint8_t prt[] = { 0x12, 0x0b, 0x04, 0x0c, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00,
				       0x0a, 0x11 };
	const uint8_t *t;

	build(2, 2);
	t = table_at(get_le64(find("FACP") + 140), "DSDT");
	assert_non_null(memmem(t, get_le32(t + 4), hid, sizeof(hid)));
	assert_non_null(memmem(t, get_le32(t + 4), bbn, sizeof(bbn)));
	assert_non_null(memmem(t, get_le32(t + 4), pxm, sizeof(pxm)));
	assert_non_null(memmem(t, get_le32(t + 4), prt, sizeof(prt)));
	build(2, 1);
	t = table_at(get_le64(find("FACP") + 140), "DSDT");
	assert_non_null(memmem(t, get_le32(t + 4), "_PXM", 4)); /* or devices are on no node */
}

/* Disassembled and compiled again by ACPI's own tool: no error, no warning, the same bytes. */
/* By the name that drivers look for, and the port: IO (Decode16, 0x505, 0x505, 1, 1). */
static void test_the_panic_port_is_told_of_where_it_is(void **state)
{
	static const uint8_t hid[] = "\x08_HID\x0dQEMU0001", io[] = { 0x47, 1, 5, 5, 5, 5, 1, 1 };
	struct acpi_machine m = machine(1, 1);
	uint8_t dsdt[8192];
	long len = acpi_write_dsdt(&m, dsdt, sizeof(dsdt));

	assert_true(len > 0);
	assert_non_null(memmem(dsdt, (size_t)len, hid, sizeof(hid)));
	assert_non_null(memmem(dsdt, (size_t)len, io, sizeof(io)));
	m.panic_port = false;
	len = acpi_write_dsdt(&m, dsdt, sizeof(dsdt));
	assert_true(len > 0);
	assert_null(memmem(dsdt, (size_t)len, "QEMU0001", 8));
}

static void test_iasl_finds_nothing_to_say(void **state)
{
	char dir[] = "/tmp/test_acpi.XXXXXX", command[512];
	const uint8_t *t;
	FILE *f;

	if (system("command -v iasl >/dev/null 2>&1") != 0) {
		print_message("iasl is not installed (acpica-tools)\n");
		skip();
	}
	build(4, 2);
	t = table_at(get_le64(find("FACP") + 140), "DSDT");
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "%s/dsdt.aml", dir);
	f = fopen(command, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(t, get_le32(t + 4), 1, f), 1);
	fclose(f);
	snprintf(command, sizeof(command),
		 "cd %s && iasl -d dsdt.aml >/dev/null 2>&1 && iasl -oa -we -p again dsdt.dsl >log "
		 "2>&1 && grep -q '0 Errors, 0 Warnings, 0 Remarks' log", dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdp_is_first_and_leads_to_all),
		cmocka_unit_test(test_fadt_is_full_hardware_with_our_ports),
		cmocka_unit_test(test_madt_has_each_cpu_and_the_overrides_of_the_gsi_table),
		cmocka_unit_test(test_ids_are_those_of_the_topology),
		cmocka_unit_test(test_mcfg_is_all_of_ecam),
		cmocka_unit_test(test_nodes_own_cpus_and_memory),
		cmocka_unit_test(test_nodes_are_as_far_apart_as_is_said),
		cmocka_unit_test(test_a_single_node_has_all),
		cmocka_unit_test(test_cpus_are_split_evenly),
		cmocka_unit_test(test_the_largest_machine_fits_and_less_room_is_an_error),
		cmocka_unit_test(test_host_bridges_are_in_the_dsdt),
		cmocka_unit_test(test_the_panic_port_is_told_of_where_it_is),
		cmocka_unit_test(test_iasl_finds_nothing_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
