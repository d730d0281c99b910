// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices that come to and leave a guest that runs: slots, their button, and what fits into them. */
#include "tests/fake/guest_pci.h"

#include <errno.h>

#define EXP 0x40
#define PORT 1 /* its slot on bus 0; bus 1 is behind it */

static const struct spare_slot two[] = { { 0, 64 * MiB }, { 0, 64 * MiB } };
static const struct pci_config config = { .nodes = 1, .spare = two, .spares = 2,
					  .mmio64_start = 4 * GiB, .mmio64_end = 512 * GiB };

struct scene {
	struct guest_pci m;
	struct fake_fn fn;
};

static unsigned ejected;

static void eject(struct pci_dev *dev)
{
	assert_non_null(dev->port);
	ejected++;
}

static const struct pci_dev_ops ops = { .bar_set = fake_bar_set, .reset = fake_reset, .eject = eject };

static void describe(struct fake_fn *fn, const char *name, uint64_t bar, uint64_t pref)
{
	fake_fn_init(fn, name);
	fn->dev.ops = &ops;
	if (bar)
		fake_bar(fn, 0, PCI_BAR_MEM32, false, bar);
	if (pref)
		fake_bar(fn, 2, PCI_BAR_MEM64, true, pref);
}

/* Two empty slots, and a guest that has its slots' interrupts off. */
static void set_up(struct scene *s)
{
	guest_pci_new(&s->m, &config);
	assert_int_equal(pci_assign(s->m.vm.pci, &s->m.err), 0);
	ejected = 0;
}

static unsigned status(struct scene *s)
{
	return cfg_get(&s->m, 0, PORT, EXP + PCI_EXP_SLTSTA, 2);
}

static void control(struct scene *s, unsigned value)
{
	cfg_put(&s->m, 0, PORT, EXP + PCI_EXP_SLTCTL, 2, value);
}

static void test_what_is_plugged_is_there_and_told(void **state)
{
	struct scene s;

	set_up(&s);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PDCE);
	describe(&s.fn, "a", 16 * KiB, 16 * MiB);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), 0);
	assert_int_equal(status(&s), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_true(cfg_get(&s.m, 0, PORT, EXP + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA);
	/* The indicator and what is enabled are the guest's. */
	assert_int_equal(cfg_get(&s.m, 0, PORT, EXP + PCI_EXP_SLTCTL, 2),
			 PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PDCE);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_VENDOR_ID, 4), 0x10ca8086);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_COMMAND, 2), 0);
	/* Where it lies decodes: inside the windows of its bridge. */
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(s.fn.dev.bar[0].live && s.fn.dev.bar[2].live);
	assert_int_equal(s.fn.dev.bar[2].addr % (16 * MiB), 0);
	/* A reset finds it as any other. */
	pci_reset(s.m.vm.pci);
	assert_int_equal(status(&s), PCI_EXP_SLTSTA_PDS);
	assert_int_equal(cfg_get(&s.m, 0, PORT, EXP + PCI_EXP_SLTCTL, 2), PCI_EXP_SLTCTL_PWR_IND_ON);
	assert_true(cfg_get(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4) != 0);
	pci_remove(&s.fn.dev);
	guest_pci_free(&s.m);
}

static void test_a_slot_takes_one_after_the_other(void **state)
{
	struct fake_fn third;
	struct scene s, t;

	set_up(&s);
	describe(&s.fn, "a", 4 * KiB, 0);
	describe(&t.fn, "b", 4 * KiB, 0);
	describe(&third, "c", 4 * KiB, 0);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), 0);
	assert_int_equal(pci_plug(s.m.vm.pci, &t.fn.dev, 0, &s.m.err), 0);
	assert_int_equal(pci_plug(s.m.vm.pci, &third.dev, 0, &s.m.err), -ENOSPC);
	assert_string_equal(s.m.err.text, "c: the guest has no empty slot");
	pci_remove(&s.fn.dev);
	s.m.err = (struct err)ERR_INIT;
	assert_int_equal(pci_plug(s.m.vm.pci, &third.dev, 0, &s.m.err), 0);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_VENDOR_ID, 4), 0x10ca8086);
	pci_remove(&t.fn.dev);
	pci_remove(&third.dev);
	guest_pci_free(&s.m);
}

static void test_what_does_not_fit_names_the_window(void **state)
{
	struct scene s;

	set_up(&s);
	describe(&s.fn, "gpu", 4 * KiB, 128 * MiB);
	fake_bar(&s.fn, 4, PCI_BAR_MEM64, true, 32 * MiB);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), -ENOSPC);
	assert_string_equal(s.m.err.text, "gpu: BAR 2 (128 MiB) does not fit into the 64-bit prefetchable "
					  "window of the 2 empty slots, which has 64 MiB at most");
	assert_non_null(strstr(s.m.err.hint, "--hotplug-slots 1,pref=160M"));
	assert_null(s.fn.dev.port);
	assert_int_equal(status(&s), 0);
	s.m.err = (struct err)ERR_INIT;
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 1, &s.m.err), -EINVAL);
	guest_pci_free(&s.m);
}

/* No option makes these windows larger. */
static void test_what_does_not_fit_below_4_gib_names_that_window(void **state)
{
	struct fake_fn first;
	struct scene s;

	set_up(&s);
	describe(&s.fn, "fpga", 64 * MiB, 0);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), -ENOSPC);
	assert_string_equal(s.m.err.text, "fpga: BAR 0 (64 MiB) does not fit into the 32-bit window of the "
					  "2 empty slots, which has 32 MiB at most");
	assert_non_null(strstr(s.m.err.hint, "vm run --device"));
	assert_null(strstr(s.m.err.hint, "pref="));
	guest_pci_free(&s.m);

	/* The slot of a small device that left. */
	guest_pci_new(&s.m, &(struct pci_config){ .nodes = 1, .mmio64_start = 4 * GiB,
						  .mmio64_end = 512 * GiB });
	describe(&first, "vf", 16 * KiB, 0);
	assert_int_equal(pci_add(s.m.vm.pci, &first.dev, 0, true, &s.m.err), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	pci_remove(&first.dev);
	describe(&s.fn, "gpu", 16 * MiB, 0);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), -ENOSPC);
	assert_string_equal(s.m.err.text, "gpu: BAR 0 (16 MiB) does not fit into the 32-bit window of the "
					  "1 empty slot, which has 2 MiB");
	assert_non_null(strstr(s.m.err.hint, "--hotplug-slots 1 has 32 MiB there"));
	guest_pci_free(&s.m);
}

/* Node 0 has a slot with a large window, node 1 two small ones. */
static void three_slots(struct guest_pci *m)
{
	static const struct spare_slot slots[] = { { 1, 2 * MiB }, { 0, 256 * MiB }, { 1, 2 * MiB } };
	static const struct pci_config numa = { .nodes = 2, .spare = slots, .spares = 3,
						.mmio64_start = 4 * GiB, .mmio64_end = 512 * GiB };

	guest_pci_new(m, &numa);
	assert_int_equal(pci_assign(m->vm.pci, &m->err), 0);
}

static void test_a_device_is_on_its_node_or_says_where(void **state)
{
	struct fake_fn fn[4];
	struct guest_pci m;

	three_slots(&m);
	for (unsigned i = 0; i < 4; i++)
		describe(&fn[i], "a", 4 * KiB, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pci_plug(m.vm.pci, &fn[i].dev, 1, &m.err), 0);
		assert_int_equal(fn[i].dev.node, i < 2);
	}
	assert_int_equal(pci_plug(m.vm.pci, &fn[3].dev, 1, &m.err), -ENOSPC);
	for (unsigned i = 0; i < 3; i++)
		pci_remove(&fn[i].dev);
	guest_pci_free(&m);
}

static void test_who_names_a_node_means_it(void **state)
{
	struct fake_fn fn[3], large;
	struct guest_pci m;

	three_slots(&m);
	describe(&large, "gpu", 4 * KiB, 128 * MiB);
	large.dev.only_node = true;
	assert_int_equal(pci_plug(m.vm.pci, &large.dev, 1, &m.err), -ENOSPC);
	assert_non_null(strstr(m.err.text, "of the 2 empty slots, which has 2 MiB at most"));
	for (unsigned i = 0; i < 3; i++) {
		describe(&fn[i], "a", 4 * KiB, 0);
		fn[i].dev.only_node = true;
		m.err = (struct err)ERR_INIT;
		assert_int_equal(pci_plug(m.vm.pci, &fn[i].dev, 1, &m.err), i < 2 ? 0 : -ENOSPC);
	}
	assert_string_equal(m.err.text, "a: the guest has no empty slot on node 1");
	assert_non_null(strstr(m.err.hint, "--hotplug-slots N,node=1"));
	/* Who does not, gets the one that it fits into. */
	large.dev.only_node = false;
	assert_int_equal(pci_plug(m.vm.pci, &large.dev, 1, &m.err), 0);
	assert_int_equal(large.dev.node, 0);
	pci_remove(&large.dev);
	for (unsigned i = 0; i < 2; i++)
		pci_remove(&fn[i].dev);
	guest_pci_free(&m);
}

static void test_io_that_no_slot_has_is_left_out(void **state)
{
	struct scene s;

	set_up(&s);
	describe(&s.fn, "a", 4 * KiB, 0);
	fake_bar(&s.fn, 1, PCI_BAR_IO, false, 32);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), 0);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_BASE_ADDRESS_1, 4), PCI_BASE_ADDRESS_SPACE_IO);
	pci_remove(&s.fn.dev);
	guest_pci_free(&s.m);
}

static void test_the_button_waits_for_the_power_indicator(void **state)
{
	struct scene s;

	set_up(&s);
	describe(&s.fn, "a", 4 * KiB, 0);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), 0);
	cfg_put(&s.m, 0, PORT, EXP + PCI_EXP_SLTSTA, 2, 0xffff);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_ON);
	/* A guest may turn it off when nobody asked: the device stays. */
	control(&s, PCI_EXP_SLTCTL_PWR_IND_OFF);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_ON);
	assert_int_equal(ejected, 0);
	assert_int_equal(pci_press_button(&s.fn.dev), 0);
	assert_int_equal(status(&s), PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_ABP);
	cfg_put(&s.m, 0, PORT, EXP + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_ABP);
	/* A second press would call it off. */
	assert_int_equal(pci_press_button(&s.fn.dev), 0);
	assert_int_equal(status(&s), PCI_EXP_SLTSTA_PDS);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_BLINK);
	assert_int_equal(ejected, 0);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_OFF);
	assert_int_equal(ejected, 1);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_ON);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_OFF);
	assert_int_equal(ejected, 1);
	pci_remove(&s.fn.dev);
	guest_pci_free(&s.m);
}

static void test_a_reset_forgets_the_button(void **state)
{
	struct scene s;

	set_up(&s);
	describe(&s.fn, "a", 4 * KiB, 0);
	assert_int_equal(pci_plug(s.m.vm.pci, &s.fn.dev, 0, &s.m.err), 0);
	assert_int_equal(pci_press_button(&s.fn.dev), 0);
	pci_reset(s.m.vm.pci);
	control(&s, PCI_EXP_SLTCTL_PWR_IND_OFF);
	assert_int_equal(ejected, 0);
	assert_int_equal(pci_press_button(&s.fn.dev), 0);
	assert_true(status(&s) & PCI_EXP_SLTSTA_ABP);
	pci_remove(&s.fn.dev);
	guest_pci_free(&s.m);
}

/* Slots 1 and 2 are anybody's, 3 and 4 those of the first and the fourth, this one on the other node. */
static void test_a_slot_that_is_kept_is_its_owners_alone(void **state)
{
	static const struct pci_kept_slot slots[] = { { 1, 0 }, { 4, 1 } };
	struct pci_config kept = config;
	struct fake_fn fn[5];
	struct guest_pci m;

	kept.nodes = 2;
	kept.kept = slots;
	kept.kept_count = 2;
	guest_pci_new(&m, &kept);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	for (unsigned i = 0; i < 5; i++)
		describe(&fn[i], "a", 4 * KiB, 0);
	fn[0].dev.owner = 4;
	fn[4].dev.owner = 4;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pci_plug(m.vm.pci, &fn[i].dev, 0, &m.err), 0);
	assert_int_equal(fn[0].dev.bus, 5);
	assert_int_equal(fn[0].dev.node, 1);
	assert_int_equal(fn[1].dev.bus, 1);
	assert_int_equal(fn[2].dev.bus, 2);
	assert_int_equal(pci_plug(m.vm.pci, &fn[3].dev, 0, &m.err), -ENOSPC);
	assert_string_equal(m.err.text, "a: the guest has no empty slot");
	m.err = (struct err)ERR_INIT;
	assert_int_equal(pci_plug(m.vm.pci, &fn[4].dev, 0, &m.err), -ENOSPC);
	assert_string_equal(m.err.text, "a: the slot that is kept for it is not empty");
	pci_remove(&fn[0].dev);
	assert_int_equal(pci_plug(m.vm.pci, &fn[4].dev, 0, &m.err), 0);
	assert_int_equal(fn[4].dev.bus, 5);
	for (unsigned i = 1; i < 5; i++)
		pci_remove(&fn[i].dev);
	guest_pci_free(&m);
}

static void test_what_is_in_no_slot_has_no_button(void **state)
{
	struct fake_fn fn;
	struct guest_pci m;

	guest_pci_new(&m, &config);
	describe(&fn, "a", 4 * KiB, 0);
	assert_int_equal(pci_add(m.vm.pci, &fn.dev, 0, false, &m.err), 0);
	assert_int_equal(pci_press_button(&fn.dev), -EOPNOTSUPP);
	guest_pci_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_plugged_is_there_and_told),
		cmocka_unit_test(test_a_slot_takes_one_after_the_other),
		cmocka_unit_test(test_what_does_not_fit_names_the_window),
		cmocka_unit_test(test_what_does_not_fit_below_4_gib_names_that_window),
		cmocka_unit_test(test_a_device_is_on_its_node_or_says_where),
		cmocka_unit_test(test_who_names_a_node_means_it),
		cmocka_unit_test(test_io_that_no_slot_has_is_left_out),
		cmocka_unit_test(test_the_button_waits_for_the_power_indicator),
		cmocka_unit_test(test_a_reset_forgets_the_button),
		cmocka_unit_test(test_what_is_in_no_slot_has_no_button),
		cmocka_unit_test(test_a_slot_that_is_kept_is_its_owners_alone),
	};

	return cmocka_run_group_tests_name("pci_plug", tests, NULL, NULL);
}
