// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration space: how it is reached, registers and their masks, capabilities. */
#include "tests/fake/guest_pci.h"

#include <errno.h>

static const struct pci_config one_node = { .nodes = 1, .mmio64_start = 4 * GiB,
					    .mmio64_end = 512 * GiB };

/* One function at 01:00.0, behind a port at 00:01.0. */
static void set_up(struct guest_pci *m, struct fake_fn *fn)
{
	guest_pci_new(m, &one_node);
	fake_fn_init(fn, "0000:41:00.0");
	fake_bar(fn, 0, PCI_BAR_MEM64, true, 16 * KiB);
	for (unsigned i = 0x40; i < PCI_CONFIG_SIZE; i++)
		fn->dev.config[i] = (uint8_t)(i * 7 + 1);
	fn->dev.config[PCI_CAPABILITY_LIST] = 0x40;
	fn->dev.config[0x40] = PCI_CAP_ID_EXP;
	fn->dev.config[0x41] = 0;
	assert_int_equal(pci_add(m->vm.pci, &fn->dev, 0, true, &m->err), 0);
	assert_int_equal(pci_assign(m->vm.pci, &m->err), 0);
}

static void tear_down(struct guest_pci *m, struct fake_fn *fn)
{
	pci_remove(&fn->dev);
	guest_pci_free(m);
}

static void test_every_offset_and_width_reads_its_bytes_or_ones(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	for (unsigned off = 0; off < PCI_CONFIG_SIZE; off++) {
		for (unsigned len = 1; len <= 8; len++) {
			bool legal = (len == 1 || len == 2 || len == 4) && (off & 3) + len <= 4;
			uint8_t got[8], want[8];

			memset(want, 0xff, sizeof(want));
			if (legal)
				memcpy(want, &fn.dev.config[off], len);
			bus_read(m.vm.mmio, fake_ecam(1, 0, 0, off), got, len);
			assert_memory_equal(got, want, len);
		}
	}
	tear_down(&m, &fn);
}

static void test_a_conventional_function_ends_at_256_bytes(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	guest_pci_new(&m, &one_node);
	fake_fn_init(&fn, "0000:41:00.0");
	memset(&fn.dev.wmask[0xfc], 0xff, 8);
	assert_int_equal(pci_add(m.vm.pci, &fn.dev, 0, false, &m.err), 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	cfg_put(&m, 0, 1, 0xfc, 4, 0x12345678);
	cfg_put(&m, 0, 1, 0x100, 4, 0x12345678);
	assert_int_equal(cfg_get(&m, 0, 1, 0xfc, 4), 0x12345678);
	assert_int_equal(cfg_get(&m, 0, 1, 0x100, 4), 0xffffffff);
	assert_int_equal(get_le32(&fn.dev.config[0x100]), 0);
	assert_int_equal(cfg_get(&m, 0, 0, 0x100, 4), 0xffffffff); /* the host bridge */
	tear_down(&m, &fn);
}

static void test_straddling_and_wide_writes_change_nothing(void **state)
{
	static const uint8_t junk[8] = { 0xa5, 0x5a, 0xa5, 0x5a, 0xa5, 0x5a, 0xa5, 0x5a };
	struct guest_pci m;
	struct fake_fn fn;
	uint8_t before[PCI_CONFIG_SIZE];

	set_up(&m, &fn);
	memset(&fn.dev.wmask[0x40], 0xff, PCI_CONFIG_SIZE - 0x40);
	memcpy(before, fn.dev.config, sizeof(before));
	for (unsigned off = 0; off < PCI_CONFIG_SIZE; off++) {
		for (unsigned len = 1; len <= 8; len++) {
			if ((len == 1 || len == 2 || len == 4) && (off & 3) + len <= 4)
				continue;
			bus_write(m.vm.mmio, fake_ecam(1, 0, 0, off), junk, len);
		}
	}
	assert_memory_equal(fn.dev.config, before, sizeof(before));
	tear_down(&m, &fn);
}

static void test_masks_say_what_a_write_changes(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	put_le32(&fn.dev.config[0x50], 0xffff0000);
	put_le32(&fn.dev.wmask[0x50], 0x00ff00ff);
	put_le32(&fn.dev.w1cmask[0x50], 0xf0000000);
	cfg_put(&m, 1, 0, 0x50, 4, 0x9012345f);
	assert_int_equal(cfg_get(&m, 1, 0, 0x50, 4), 0x6f12005f);
	/* A byte write leaves its neighbours, write-1-to-clear ones too. */
	cfg_put(&m, 1, 0, 0x52, 1, 0xee);
	assert_int_equal(cfg_get(&m, 1, 0, 0x50, 4), 0x6fee005f);
	tear_down(&m, &fn);
}

static void test_ids_are_read_only(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	cfg_put(&m, 1, 0, PCI_VENDOR_ID, 4, 0);
	cfg_put(&m, 1, 0, PCI_CLASS_REVISION, 4, 0);
	cfg_put(&m, 1, 0, PCI_HEADER_TYPE, 1, 0x7f);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_VENDOR_ID, 4), 0x10ca8086);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_CLASS_REVISION, 4), 0x02000001);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_SUBSYSTEM_VENDOR_ID, 4), 0xa03c8086);
	tear_down(&m, &fn);
}

static void test_command_holds_only_what_the_function_has(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	cfg_put(&m, 1, 0, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
				 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	tear_down(&m, &fn);
}

static void test_what_the_host_had_enabled_is_off_at_first(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	guest_pci_new(&m, &one_node);
	fake_fn_init(&fn, "0000:41:00.0");
	fake_bar(&fn, 0, PCI_BAR_MEM32, false, 4 * KiB);
	put_le16(&fn.dev.config[PCI_COMMAND], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(pci_add(m.vm.pci, &fn.dev, 0, true, &m.err), 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_COMMAND, 2), 0);
	pci_reset(m.vm.pci);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_COMMAND, 2), 0);
	assert_int_equal(fn.ntold, 0);
	tear_down(&m, &fn);
}

static void test_nobody_home_reads_ones(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	assert_int_equal(cfg_get(&m, 0, 0, 0, 4), 0x00081b36);	 /* the host bridge */
	assert_int_equal(cfg_get(&m, 0, 1, 0, 4), 0x000c1b36);	 /* the port */
	assert_int_equal(cfg_get(&m, 0, 2, 0, 4), 0xffffffff);
	assert_int_equal(cfg_get(&m, 1, 1, 0, 4), 0xffffffff);	 /* a link has one device */
	assert_int_equal(cfg_get(&m, 2, 0, 0, 4), 0xffffffff);
	assert_int_equal(cfg_get(&m, 255, 31, 0, 4), 0xffffffff);
	cfg_put(&m, 2, 0, 0, 4, 0); /* and takes writes */
	tear_down(&m, &fn);
}

static uint32_t port_get(struct guest_pci *m, unsigned port, unsigned len)
{
	uint8_t data[4];

	bus_read(m->vm.pio, port, data, len);
	return (uint32_t)get_le(data, len);
}

static void port_put(struct guest_pci *m, unsigned port, unsigned len, uint32_t value)
{
	uint8_t data[4];

	put_le(data, value, len);
	bus_write(m->vm.pio, port, data, len);
}

static void test_cf8_latches_dwords_and_cfc_reads_any_part(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	port_put(&m, 0xcf8, 4, 0xffffffff);
	assert_int_equal(port_get(&m, 0xcf8, 4), 0x80fffffc);
	port_put(&m, 0xcf8, 4, 0x80010000 | PCI_CLASS_REVISION);
	assert_int_equal(port_get(&m, 0xcfc, 4), 0x02000001);
	assert_int_equal(port_get(&m, 0xcfc, 1), 0x01);
	assert_int_equal(port_get(&m, 0xcfd, 2), 0x0000);
	assert_int_equal(port_get(&m, 0xcff, 1), 0x02);
	assert_int_equal(port_get(&m, 0xcfe, 4), 0xffffffff); /* leaves the dword */
	port_put(&m, 0xcf8, 4, 0x80010000 | PCI_INTERRUPT_LINE);
	port_put(&m, 0xcfc, 1, 11);
	assert_int_equal(cfg_get(&m, 1, 0, PCI_INTERRUPT_LINE, 1), 11);
	/* Narrow accesses to the latch are not accesses to it. */
	port_put(&m, 0xcf8, 1, 0);
	port_put(&m, 0xcfa, 2, 0);
	assert_int_equal(port_get(&m, 0xcf8, 2), 0xffff);
	assert_int_equal(port_get(&m, 0xcfc, 1), 11);
	port_put(&m, 0xcf8, 4, 0x00010000); /* not enabled */
	assert_int_equal(port_get(&m, 0xcfc, 4), 0xffffffff);
	tear_down(&m, &fn);
}

static void test_cf9_arms_then_resets(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	port_put(&m, 0xcf9, 1, 0x02);
	assert_int_equal(m.vm.request, VM_RUN);
	assert_int_equal(port_get(&m, 0xcf9, 1), 0x02);
	port_put(&m, 0xcf8, 4, 0x80000600); /* the same byte inside a dword is the latch */
	assert_int_equal(m.vm.request, VM_RUN);
	port_put(&m, 0xcf9, 1, 0x06);
	assert_int_equal(m.vm.request, VM_REBOOT);
	tear_down(&m, &fn);
}

static void test_capabilities_are_chained_and_bounded(void **state)
{
	static const uint8_t body[] = { 0x11, 0x22, 0x33, 0x44 };
	static const uint8_t mask[] = { 0x0f, 0, 0, 0xf0 };
	struct fake_fn fn;
	int second;

	fake_fn_init(&fn, "x");
	assert_int_equal(pci_cap_add(&fn.dev, PCI_CAP_ID_VNDR, 6, body, mask), 0x40);
	second = pci_cap_add(&fn.dev, PCI_CAP_ID_MSI, 14, NULL, NULL);
	assert_int_equal(second, 0x48);
	assert_int_equal(fn.dev.config[PCI_CAPABILITY_LIST], 0x40);
	assert_int_equal(fn.dev.config[0x40], PCI_CAP_ID_VNDR);
	assert_int_equal(fn.dev.config[0x41], 0x48);
	assert_memory_equal(&fn.dev.config[0x42], body, sizeof(body));
	assert_memory_equal(&fn.dev.wmask[0x42], mask, sizeof(mask));
	assert_int_equal(fn.dev.config[0x49], 0);
	assert_true(get_le16(&fn.dev.config[PCI_STATUS]) & PCI_STATUS_CAP_LIST);
	assert_int_equal(pci_cap_add(&fn.dev, PCI_CAP_ID_VNDR, 0xa9, NULL, NULL), -ENOSPC);
	assert_int_equal(pci_cap_add(&fn.dev, PCI_CAP_ID_VNDR, 0xa8, NULL, NULL), 0x58);
	assert_int_equal(pci_cap_add(&fn.dev, PCI_CAP_ID_VNDR, 2, NULL, NULL), -ENOSPC);
	assert_int_equal(pci_cap_add(&fn.dev, PCI_CAP_ID_VNDR, 1, NULL, NULL), -EINVAL);
}

static void test_guest_reset_brings_registers_and_bars_back(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;
	uint8_t before[PCI_CONFIG_SIZE];
	unsigned told;

	set_up(&m, &fn);
	memcpy(before, fn.dev.config, sizeof(before));
	cfg_put(&m, 0, 1, PCI_SECONDARY_BUS, 1, 9);
	cfg_put(&m, 9, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	cfg_put(&m, 9, 0, PCI_INTERRUPT_LINE, 1, 7);
	told = fn.ntold;
	pci_reset(m.vm.pci);
	assert_int_equal(fn.resets, 1);
	assert_int_equal(fn.ntold, told + 1);
	assert_false(fn.told[told].on);
	assert_memory_equal(fn.dev.config, before, sizeof(before));
	assert_int_equal(fn.dev.bus, 1);
	assert_int_equal(cfg_get(&m, 1, 0, 0, 4), 0x10ca8086);
	tear_down(&m, &fn);
}

static void test_a_removed_function_leaves_an_empty_slot(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	cfg_put(&m, 1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	pci_remove(&fn.dev);
	assert_int_equal(fn.ntold, 2);
	assert_false(fn.told[1].on);
	assert_int_equal(cfg_get(&m, 1, 0, 0, 4), 0xffffffff);
	pci_remove(&fn.dev); /* harmless */
	pci_reset(m.vm.pci);
	assert_int_equal(fn.resets, 0);
	guest_pci_free(&m);
}

static void test_what_is_left_when_pci_goes_is_off_and_forgotten(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	set_up(&m, &fn);
	cfg_put(&m, 1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	guest_pci_free(&m);
	assert_int_equal(fn.ntold, 2);
	assert_false(fn.told[1].on);
	pci_remove(&fn.dev); /* harmless */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_offset_and_width_reads_its_bytes_or_ones),
		cmocka_unit_test(test_a_conventional_function_ends_at_256_bytes),
		cmocka_unit_test(test_straddling_and_wide_writes_change_nothing),
		cmocka_unit_test(test_masks_say_what_a_write_changes),
		cmocka_unit_test(test_ids_are_read_only),
		cmocka_unit_test(test_command_holds_only_what_the_function_has),
		cmocka_unit_test(test_what_the_host_had_enabled_is_off_at_first),
		cmocka_unit_test(test_nobody_home_reads_ones),
		cmocka_unit_test(test_cf8_latches_dwords_and_cfc_reads_any_part),
		cmocka_unit_test(test_cf9_arms_then_resets),
		cmocka_unit_test(test_capabilities_are_chained_and_bounded),
		cmocka_unit_test(test_guest_reset_brings_registers_and_bars_back),
		cmocka_unit_test(test_a_removed_function_leaves_an_empty_slot),
		cmocka_unit_test(test_what_is_left_when_pci_goes_is_off_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
