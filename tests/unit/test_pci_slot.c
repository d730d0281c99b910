// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions of one device of the host in one slot: numbers, windows, and how they leave and come back. */
#include "tests/fake/guest_pci.h"

#include <errno.h>

#define EXP  0x40
#define PORT 1 /* its slot on bus 0; bus 1 is behind it */
#define GPU  0x4100 /* a slot of the host */

static const struct spare_slot two[] = { { 0, 64 * MiB }, { 0, 64 * MiB } };
static const struct pci_config plain = { .nodes = 1, .mmio64_start = 4 * GiB, .mmio64_end = 512 * GiB };
static const struct pci_config spare = { .nodes = 1, .spare = two, .spares = 2,
					 .mmio64_start = 4 * GiB, .mmio64_end = 512 * GiB };

static struct guest_pci m;
static struct fake_fn fn[8]; /* fn[i] is function i of the host's */
static char ejected[16];

static void eject(struct pci_dev *dev)
{
	ejected[strlen(ejected)] = dev->name[0];
}

static const struct pci_dev_ops ops = { .bar_set = fake_bar_set, .reset = fake_reset, .eject = eject };

/* Function i, with ids of its own and a pin. */
static struct pci_dev *describe(unsigned i, uint64_t host_slot)
{
	char name[] = { (char)('a' + i), '\0' };
	struct pci_dev *dev = &fn[i].dev;

	fake_fn_init(&fn[i], name);
	dev->ops = &ops;
	dev->host_slot = host_slot;
	dev->host_fn = (uint8_t)i;
	pci_set_ids(dev, 0x1000, (uint16_t)(0x100 + i), 0x02000001, 0, 0);
	dev->config[PCI_INTERRUPT_PIN] = 1;
	fake_bar(&fn[i], 0, PCI_BAR_MEM32, false, 1 * MiB);
	fake_bar(&fn[i], 2, PCI_BAR_MEM64, true, 16 * MiB);
	return dev;
}

static void add(unsigned i, unsigned node)
{
	assert_int_equal(pci_add(m.vm.pci, describe(i, GPU), node, true, &m.err), 0);
}

static void begin(const struct pci_config *config)
{
	memset(ejected, 0, sizeof(ejected));
	memset(fn, 0, sizeof(fn));
	guest_pci_new(&m, config);
}

/* With these functions, in that order. */
static void begin_with(const char *order)
{
	begin(&plain);
	for (; *order; order++)
		add((unsigned)(*order - '0'), 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
}

static void end(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(fn); i++)
		pci_remove(&fn[i].dev);
	guest_pci_free(&m);
}

static uint32_t get(unsigned bus, unsigned n, unsigned off, unsigned len)
{
	uint8_t data[4];

	bus_read(m.vm.mmio, fake_ecam(bus, 0, n, off), data, len);
	return (uint32_t)get_le(data, len);
}

static void put(unsigned bus, unsigned n, unsigned off, unsigned len, uint32_t value)
{
	uint8_t data[4];

	put_le(data, value, len);
	bus_write(m.vm.mmio, fake_ecam(bus, 0, n, off), data, len);
}

/* Functions of the host as the guest's 0 to 7 on a bus, "." where there is none. */
static const char *slot_of(unsigned bus)
{
	static char text[9];

	memset(text, 0, sizeof(text));
	for (unsigned n = 0; n < 8; n++) {
		uint32_t ids = get(bus, n, PCI_VENDOR_ID, 4);

		text[n] = ids == 0xffffffff ? '.' : (char)('0' + (ids >> 16) - 0x100);
	}
	return text;
}

static void several_everywhere(unsigned bus, const char *functions, bool several)
{
	for (unsigned n = 0; functions[n]; n++)
		if (functions[n] != '.')
			assert_int_equal(get(bus, n, PCI_HEADER_TYPE, 1), several ? 0x80 : 0);
}

static unsigned status(void)
{
	return cfg_get(&m, 0, PORT, EXP + PCI_EXP_SLTSTA, 2);
}

static void test_functions_have_their_numbers_in_one_slot(void **state)
{
	static const struct {
		const char *given, *found;
	} rows[] = { { "01", "01......" }, { "10", "01......" }, { "0", "0......." }, { "1", "1......." },
		     { "31", "1..3...." }, { "520", "0.2..5.." }, { "7", "7......." },
		     { "76543210", "01234567" } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_with(rows[i].given);
		assert_string_equal(slot_of(1), rows[i].found);
		several_everywhere(1, rows[i].found, strlen(rows[i].given) > 1);
		/* One bus, one port; and no function of a device that cannot be. */
		assert_int_equal(get(2, 0, 0, 4), 0xffffffff);
		assert_int_equal(cfg_get(&m, 0, 2, 0, 4), 0xffffffff);
		assert_int_equal(cfg_get(&m, 1, 1, 0, 4), 0xffffffff);
		/* The bit is there after a reset, too. */
		pci_reset(m.vm.pci);
		several_everywhere(1, rows[i].found, strlen(rows[i].given) > 1);
		end();
	}
}

static void test_each_function_has_registers_of_its_own(void **state)
{
	begin_with("01");
	put(1, 1, PCI_INTERRUPT_LINE, 1, 7);
	assert_int_equal(get(1, 0, PCI_INTERRUPT_LINE, 1), 0);
	assert_int_equal(get(1, 1, PCI_INTERRUPT_LINE, 1), 7);
	put(1, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(fn[1].dev.bar[0].live && !fn[0].dev.bar[0].live);
	put(1, 2, PCI_INTERRUPT_LINE, 1, 7); /* nobody's */
	end();
}

static void test_others_of_the_host_and_of_none_are_alone(void **state)
{
	begin(&plain);
	add(0, 0);
	assert_int_equal(pci_add(m.vm.pci, describe(1, GPU + 1), 0, true, &m.err), 0);
	assert_int_equal(pci_add(m.vm.pci, describe(2, 0), 0, true, &m.err), 0);
	assert_int_equal(pci_add(m.vm.pci, describe(3, 0), 0, true, &m.err), 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(fn[i].dev.bus, 1 + i);
		assert_int_equal(fn[i].dev.devfn, 0);
		several_everywhere(1 + i, slot_of(1 + i), false);
	}
	end();
}

static void test_one_on_another_node_is_alone(void **state)
{
	struct pci_config numa = plain;

	numa.nodes = 2;
	begin(&numa);
	add(0, 0);
	add(1, 1);
	add(2, 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	assert_int_equal(fn[0].dev.bus, fn[2].dev.bus);
	assert_int_not_equal(fn[0].dev.bus, fn[1].dev.bus);
	assert_int_equal(fn[1].dev.devfn, 0);
	assert_int_equal(fn[1].dev.config[PCI_HEADER_TYPE], 0);
	assert_int_equal(fn[2].dev.devfn, 2);
	end();
}

static bool overlap(const struct pci_bar *a, const struct pci_bar *b)
{
	return a->assigned < b->assigned + b->size && b->assigned < a->assigned + a->size;
}

static void test_windows_hold_the_bars_of_all(void **state)
{
	uint64_t low, high;

	begin_with("0123");
	low = (uint64_t)cfg_get(&m, 0, PORT, PCI_MEMORY_BASE, 2) << 16;
	high = (uint64_t)cfg_get(&m, 0, PORT, PCI_MEMORY_LIMIT, 2) << 16 | 0xfffff;
	assert_int_equal(high + 1 - low, 4 * MiB);
	for (unsigned i = 0; i < 4; i++) {
		const struct pci_bar *bar = fn[i].dev.bar;

		assert_in_range(bar[0].assigned, low, high + 1 - bar[0].size);
		assert_int_equal(bar[2].assigned % bar[2].size, 0);
		for (unsigned k = 0; k < i; k++) {
			assert_false(overlap(&bar[0], &fn[k].dev.bar[0]));
			assert_false(overlap(&bar[2], &fn[k].dev.bar[2]));
		}
		put(1, i, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		assert_true(bar[0].live && bar[2].live);
	}
	end();
}

static void test_what_does_not_fit_is_named_by_its_function(void **state)
{
	struct pci_config narrow = plain;

	narrow.mmio64_end = 5 * GiB;
	begin(&narrow);
	add(0, 0);
	describe(1, GPU);
	fake_bar(&fn[1], 2, PCI_BAR_MEM64, true, 8 * GiB);
	assert_int_equal(pci_add(m.vm.pci, &fn[1].dev, 0, true, &m.err), 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), -ENOSPC);
	assert_non_null(strstr(m.err.text, "b: BAR 2 (8 GiB) does not fit"));
	end();
}

static void test_the_guest_may_renumber_their_bus(void **state)
{
	begin_with("01");
	cfg_put(&m, 0, PORT, PCI_PRIMARY_BUS, 4, 0x00202000);
	assert_string_equal(slot_of(1), "........");
	assert_string_equal(slot_of(0x20), "01......");
	assert_int_equal(fn[0].dev.bus, 0x20);
	assert_int_equal(fn[1].dev.bus, 0x20);
	end();
}

static void test_each_has_its_interrupt_line(void **state)
{
	begin_with("0145");
	for (unsigned i = 0; i < 8; i++) {
		if (!fn[i].dev.pci)
			continue;
		assert_int_equal(get(1, i, PCI_INTERRUPT_PIN, 1), 1 + i % 4);
		assert_int_equal(fn[i].dev.intx_gsi, pci_intx_gsi(PORT, i % 4));
	}
	end();
	/* One without a pin has none; one that is alone uses INTA. */
	begin(&plain);
	add(0, 0);
	describe(1, GPU)->config[PCI_INTERRUPT_PIN] = 0;
	assert_int_equal(pci_add(m.vm.pci, &fn[1].dev, 0, true, &m.err), 0);
	assert_int_equal(pci_add(m.vm.pci, describe(3, GPU + 1), 0, true, &m.err), 0);
	assert_int_equal(fn[1].dev.config[PCI_INTERRUPT_PIN], 0);
	assert_int_equal(fn[3].dev.config[PCI_INTERRUPT_PIN], 1);
	end();
}

static void give_payload(unsigned i, uint16_t payload)
{
	uint8_t exp[0x3a] = { 0 };

	put_le16(&exp[PCI_EXP_DEVCTL - 2], payload);
	assert_int_equal(pci_cap_add(describe(i, GPU), PCI_CAP_ID_EXP, 0x3c, exp, NULL), 0x40);
	assert_int_equal(pci_add(m.vm.pci, &fn[i].dev, 0, true, &m.err), 0);
}

static void test_the_payload_size_is_the_smallest(void **state)
{
	begin(&plain);
	give_payload(0, PCI_EXP_DEVCTL_PAYLOAD_512B);
	give_payload(1, PCI_EXP_DEVCTL_PAYLOAD_256B);
	give_payload(2, PCI_EXP_DEVCTL_PAYLOAD_512B);
	assert_int_equal(cfg_get(&m, 0, PORT, EXP + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_PAYLOAD,
			 PCI_EXP_DEVCTL_PAYLOAD_256B);
	end();
}

static void test_a_secondary_bus_reset_reaches_all(void **state)
{
	begin_with("01");
	put(1, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	cfg_put(&m, 0, PORT, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	assert_int_equal(fn[0].resets, 1);
	assert_int_equal(fn[1].resets, 1);
	assert_false(fn[1].dev.bar[0].live);
	assert_int_equal(get(1, 1, PCI_HEADER_TYPE, 1), 0x80);
	end();
}

static void test_one_button_is_for_all_function_0_last(void **state)
{
	begin_with("012");
	assert_int_equal(pci_press_button(&fn[1].dev), 0);
	assert_true(status() & PCI_EXP_SLTSTA_ABP);
	cfg_put(&m, 0, PORT, EXP + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_ABP);
	assert_int_equal(pci_press_button(&fn[0].dev), 0);
	assert_false(status() & PCI_EXP_SLTSTA_ABP);
	cfg_put(&m, 0, PORT, EXP + PCI_EXP_SLTCTL, 2, PCI_EXP_SLTCTL_PWR_IND_OFF);
	assert_string_equal(ejected, "cba");
	end();
}

static void test_the_slot_is_empty_with_the_last(void **state)
{
	begin_with("01");
	pci_remove(&fn[1].dev);
	assert_int_equal(status(), PCI_EXP_SLTSTA_PDS);
	assert_string_equal(slot_of(1), "0.......");
	pci_remove(&fn[0].dev);
	assert_int_equal(status(), PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_string_equal(slot_of(1), "........");
	end();
}

static void plug(unsigned i)
{
	m.err = (struct err)ERR_INIT;
	assert_int_equal(pci_plug(m.vm.pci, &fn[i].dev, 0, &m.err), 0);
}

static void all_leave(void)
{
	for (unsigned i = ARRAY_SIZE(fn); i-- > 0;)
		pci_remove(&fn[i].dev);
	cfg_put(&m, 0, PORT, EXP + PCI_EXP_SLTSTA, 2, 0xffff);
}

static void test_those_that_left_together_come_back_together(void **state)
{
	for (unsigned first = 0; first < 2; first++) {
		begin_with("01");
		all_leave();
		describe(0, GPU);
		describe(1, GPU);
		plug(first);
		/* Alone it is function 0, with the bit clear. */
		assert_string_equal(slot_of(1), first ? "1......." : "0.......");
		several_everywhere(1, "0.......", false);
		put(1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		assert_true(fn[first].dev.bar[0].live);
		cfg_put(&m, 0, PORT, EXP + PCI_EXP_SLTSTA, 2, 0xffff);
		plug(!first);
		assert_string_equal(slot_of(1), "01......");
		several_everywhere(1, "01......", true);
		/* The slot was as if without a device in between: what is there began anew. */
		assert_int_equal(status(), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
		assert_int_equal(fn[first].resets, 1);
		assert_false(fn[first].dev.bar[0].live);
		assert_false(overlap(&fn[0].dev.bar[0], &fn[1].dev.bar[0]));
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(fn[i].dev.bus, 1);
			assert_int_equal(get(1, i, PCI_BASE_ADDRESS_0, 4), fn[i].dev.bar[0].assigned);
			put(1, i, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
			assert_true(fn[i].dev.bar[0].live && fn[i].dev.bar[2].live);
		}
		end();
	}
}

static void test_one_that_was_not_there_does_not_disturb(void **state)
{
	begin(&spare);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	describe(0, GPU);
	describe(1, GPU);
	plug(0);
	plug(1);
	assert_string_equal(slot_of(1), "0.......");
	assert_string_equal(slot_of(2), "1.......");
	assert_int_equal(fn[0].resets, 0);
	end();
	/* Nor where others have left. */
	begin(&spare);
	add(0, 0);
	add(1, 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	all_leave();
	describe(0, GPU);
	describe(2, GPU);
	plug(0);
	plug(2);
	assert_string_equal(slot_of(1), "0.......");
	assert_string_equal(slot_of(2), "2.......");
	end();
}

static void test_one_that_comes_back_while_the_others_leave_is_alone(void **state)
{
	begin(&spare);
	add(0, 0);
	add(1, 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	all_leave();
	describe(0, GPU);
	describe(1, GPU);
	plug(0);
	assert_int_equal(pci_press_button(&fn[0].dev), 0);
	plug(1);
	assert_string_equal(slot_of(1), "0.......");
	assert_string_equal(slot_of(2), "1.......");
	end();
}

static void test_a_slot_that_another_took_is_not_theirs(void **state)
{
	begin(&spare);
	add(0, 0);
	add(1, 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	all_leave();
	describe(2, GPU + 1);
	describe(1, GPU + 1);
	describe(0, GPU);
	plug(2);
	plug(1);
	plug(0);
	assert_string_equal(slot_of(1), "2.......");
	assert_string_equal(slot_of(2), "1.......");
	assert_string_equal(slot_of(3), "0.......");
	assert_int_equal(fn[2].resets, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions_have_their_numbers_in_one_slot),
		cmocka_unit_test(test_each_function_has_registers_of_its_own),
		cmocka_unit_test(test_others_of_the_host_and_of_none_are_alone),
		cmocka_unit_test(test_one_on_another_node_is_alone),
		cmocka_unit_test(test_windows_hold_the_bars_of_all),
		cmocka_unit_test(test_what_does_not_fit_is_named_by_its_function),
		cmocka_unit_test(test_the_guest_may_renumber_their_bus),
		cmocka_unit_test(test_each_has_its_interrupt_line),
		cmocka_unit_test(test_the_payload_size_is_the_smallest),
		cmocka_unit_test(test_a_secondary_bus_reset_reaches_all),
		cmocka_unit_test(test_one_button_is_for_all_function_0_last),
		cmocka_unit_test(test_the_slot_is_empty_with_the_last),
		cmocka_unit_test(test_those_that_left_together_come_back_together),
		cmocka_unit_test(test_one_that_was_not_there_does_not_disturb),
		cmocka_unit_test(test_one_that_comes_back_while_the_others_leave_is_alone),
		cmocka_unit_test(test_a_slot_that_another_took_is_not_theirs),
	};

	return cmocka_run_group_tests_name("pci_slot", tests, NULL, NULL);
}
