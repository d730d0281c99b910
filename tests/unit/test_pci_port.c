// SPDX-License-Identifier: GPL-2.0-or-later
/* The registers of a root port: slot, link, status bits, bridge control. */
#include "tests/fake/guest_pci.h"

#include <linux/kvm.h>

#include "tests/fake/ioctl.h"

#define EXP 0x40
#define MSI 0x7c
#define PM  0x8c

#define VM_FD 1000

static const struct spare_slot one = { 0 };
static const struct pci_config config = { .nodes = 1, .spare = &one, .spares = 1,
					  .mmio64_start = 4 * GiB, .mmio64_end = 512 * GiB };

/* 00:01.0 with a device that has 256-byte payloads, 00:02.0 empty. */
struct scene {
	struct guest_pci m;
	struct fake_fn fn;
};

static void set_up(struct scene *s)
{
	uint8_t exp[0x3a] = { 0 };

	guest_pci_new(&s->m, &config);
	fake_fn_init(&s->fn, "a");
	fake_bar(&s->fn, 0, PCI_BAR_MEM32, false, 4 * KiB);
	put_le16(&exp[PCI_EXP_DEVCTL - 2], PCI_EXP_DEVCTL_PAYLOAD_256B);
	assert_int_equal(pci_cap_add(&s->fn.dev, PCI_CAP_ID_EXP, 0x3c, exp, NULL), 0x40);
	assert_int_equal(pci_add(s->m.vm.pci, &s->fn.dev, 0, true, &s->m.err), 0);
	assert_int_equal(pci_assign(s->m.vm.pci, &s->m.err), 0);
}

static void tear_down(struct scene *s)
{
	pci_remove(&s->fn.dev);
	guest_pci_free(&s->m);
}

static void test_capability_list_ends_and_is_as_documented(void **state)
{
	static const uint8_t want[] = { PCI_CAP_ID_EXP, PCI_CAP_ID_MSI, PCI_CAP_ID_PM };
	struct scene s;
	unsigned pos;

	set_up(&s);
	pos = cfg_get(&s.m, 0, 1, PCI_CAPABILITY_LIST, 1);
	for (unsigned i = 0; i < sizeof(want); i++) {
		assert_int_equal(cfg_get(&s.m, 0, 1, pos, 1), want[i]);
		pos = cfg_get(&s.m, 0, 1, pos + 1, 1);
	}
	assert_int_equal(pos, 0);
	tear_down(&s);
}

static void test_slot_and_link_tell_presence(void **state)
{
	struct scene s;

	set_up(&s);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_FLAGS, 2), 0x0142);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2), PCI_EXP_SLTSTA_PDS);
	assert_true(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTCTL, 2), PCI_EXP_SLTCTL_PWR_IND_ON);
	assert_int_equal(cfg_get(&s.m, 0, 2, EXP + PCI_EXP_SLTSTA, 2), 0);
	assert_false(cfg_get(&s.m, 0, 2, EXP + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA);
	assert_int_equal(cfg_get(&s.m, 0, 2, EXP + PCI_EXP_SLTCTL, 2), PCI_EXP_SLTCTL_PWR_IND_OFF);
	pci_remove(&s.fn.dev);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2),
			 PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_false(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA);
	pci_reset(s.m.vm.pci);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2), 0);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTCTL, 2), PCI_EXP_SLTCTL_PWR_IND_OFF);
	tear_down(&s);
}

static unsigned messages;

static int take_message(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_msi *msi = arg;

	assert_int_equal(request, KVM_SIGNAL_MSI);
	assert_int_equal(msi->address_lo, 0xfee01000);
	assert_int_equal(msi->address_hi, 0);
	assert_int_equal(msi->data, 0x41);
	messages++;
	return 1;
}

static void enable_slot_interrupts(struct scene *s, unsigned enable)
{
	fake_ioctl_reset();
	fake_ioctl_handle(VM_FD, take_message, NULL);
	s->m.vm.fd = VM_FD;
	messages = 0;
	cfg_put(&s->m, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	cfg_put(&s->m, 0, 1, MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee01000);
	cfg_put(&s->m, 0, 1, MSI + PCI_MSI_DATA_64, 2, 0x41);
	cfg_put(&s->m, 0, 1, MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	cfg_put(&s->m, 0, 1, EXP + PCI_EXP_SLTCTL, 2, enable);
}

static void test_a_device_that_leaves_interrupts_once(void **state)
{
	struct scene s;

	set_up(&s);
	enable_slot_interrupts(&s, PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_PDCE |
					   PCI_EXP_SLTCTL_DLLSCE);
	assert_int_equal(messages, 0);
	pci_remove(&s.fn.dev);
	assert_int_equal(messages, 1);
	/* What was enabled stays so; the driver clears one bit after the other. */
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_PDC);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2), PCI_EXP_SLTSTA_DLLSC);
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_DLLSC);
	assert_int_equal(messages, 1);
	assert_true(fake_ioctl_done());
	tear_down(&s);
}

static void test_an_event_waits_for_who_enables_it(void **state)
{
	struct scene s;

	set_up(&s);
	enable_slot_interrupts(&s, PCI_EXP_SLTCTL_DLLSCE); /* without HPIE */
	pci_remove(&s.fn.dev);
	assert_int_equal(messages, 0);
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTCTL, 2, PCI_EXP_SLTCTL_HPIE);
	assert_int_equal(messages, 0);
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTCTL, 2, PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_PDCE);
	assert_int_equal(messages, 1);
	assert_true(fake_ioctl_done());
	tear_down(&s);
}

static void test_slot_capabilities_and_numbers(void **state)
{
	struct scene s;

	set_up(&s);
	for (unsigned slot = 1; slot <= 2; slot++)
		assert_int_equal(cfg_get(&s.m, 0, slot, EXP + PCI_EXP_SLTCAP, 4),
				 PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PIP | PCI_EXP_SLTCAP_HPS |
					 PCI_EXP_SLTCAP_HPC | PCI_EXP_SLTCAP_NCCS | slot << 19);
	assert_true(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_LNKCAP, 4) & PCI_EXP_LNKCAP_DLLLARC);
	tear_down(&s);
}

static void test_status_bits_are_cleared_by_writing_ones(void **state)
{
	struct scene s;
	struct pci_dev *port;

	set_up(&s);
	port = (struct pci_dev *)s.fn.dev.port; /* it begins with its pci_dev */
	port->config[EXP + PCI_EXP_SLTSTA] |= PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC;
	port->config[EXP + PCI_EXP_SLTSTA + 1] |= PCI_EXP_SLTSTA_DLLSC >> 8;
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2, 0);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2),
			 PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_PDS |
				 PCI_EXP_SLTSTA_DLLSC);
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_PDS);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2),
			 PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_DLLSC);
	/* As one dword with slot control, as drivers may. */
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTCTL, 4, 0xffff0000 | PCI_EXP_SLTCTL_PDCE);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTSTA, 2), PCI_EXP_SLTSTA_PDS);
	tear_down(&s);
}

static void test_slot_control_has_no_power_switch_and_no_command_interrupt(void **state)
{
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTCTL, 2, 0xffff);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTCTL, 2),
			 PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PFDE | PCI_EXP_SLTCTL_MRLSCE |
				 PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_PIC |
				 PCI_EXP_SLTCTL_DLLSCE);
	cfg_put(&s.m, 0, 1, EXP + PCI_EXP_SLTCAP, 4, 0);
	assert_int_not_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_SLTCAP, 4), 0);
	tear_down(&s);
}

static void test_payload_size_follows_the_device(void **state)
{
	struct scene s;

	set_up(&s);
	assert_int_equal(cfg_get(&s.m, 0, 1, EXP + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_PAYLOAD,
			 PCI_EXP_DEVCTL_PAYLOAD_256B);
	assert_int_equal(cfg_get(&s.m, 0, 2, EXP + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_PAYLOAD, 0);
	tear_down(&s);
}

static void test_secondary_bus_reset_resets_the_device_once(void **state)
{
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	cfg_put(&s.m, 1, 0, PCI_INTERRUPT_LINE, 1, 5);
	cfg_put(&s.m, 0, 1, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	cfg_put(&s.m, 0, 1, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET | PCI_BRIDGE_CTL_SERR);
	cfg_put(&s.m, 0, 1, PCI_BRIDGE_CONTROL, 2, 0);
	assert_int_equal(s.fn.resets, 1);
	assert_int_equal(s.fn.ntold, 2);
	assert_false(s.fn.dev.bar[0].live);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_COMMAND, 2), 0);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4), 0);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_INTERRUPT_LINE, 1), 0);
	/* An empty slot's does nothing. */
	cfg_put(&s.m, 0, 2, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	tear_down(&s);
}

static void test_the_guest_may_renumber_buses(void **state)
{
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 0, 1, PCI_PRIMARY_BUS, 4, 0x00202000);
	assert_int_equal(cfg_get(&s.m, 1, 0, 0, 4), 0xffffffff);
	assert_int_equal(cfg_get(&s.m, 0x20, 0, 0, 4), 0x10ca8086);
	assert_int_equal(s.fn.dev.bus, 0x20);
	tear_down(&s);
}

static void test_message_interrupt_registers_take_what_exists(void **state)
{
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 0, 1, MSI + PCI_MSI_FLAGS, 2, 0xffff);
	assert_int_equal(cfg_get(&s.m, 0, 1, MSI + PCI_MSI_FLAGS, 2),
			 PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_QSIZE | PCI_MSI_FLAGS_ENABLE);
	cfg_put(&s.m, 0, 1, MSI + PCI_MSI_ADDRESS_LO, 4, 0xffffffff);
	assert_int_equal(cfg_get(&s.m, 0, 1, MSI + PCI_MSI_ADDRESS_LO, 4), 0xfffffffc);
	tear_down(&s);
}

static void test_power_states_that_do_not_exist_are_dropped(void **state)
{
	static const struct {
		uint8_t write, read;
	} rows[] = { { 3, 0xb }, { 1, 0xb }, { 0, 8 }, { 2, 8 }, { 3, 0xb } };
	struct scene s;

	set_up(&s);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		cfg_put(&s.m, 0, 1, PM + PCI_PM_CTRL, 2, rows[i].write);
		assert_int_equal(cfg_get(&s.m, 0, 1, PM + PCI_PM_CTRL, 2), rows[i].read);
	}
	tear_down(&s);
}

static void test_windows_have_the_granularity_of_bridges(void **state)
{
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 0, 1, PCI_MEMORY_BASE, 4, 0xffffffff);
	assert_int_equal(cfg_get(&s.m, 0, 1, PCI_MEMORY_BASE, 4), 0xfff0fff0);
	cfg_put(&s.m, 0, 1, PCI_PREF_MEMORY_BASE, 4, 0xffffffff);
	assert_int_equal(cfg_get(&s.m, 0, 1, PCI_PREF_MEMORY_BASE, 4), 0xfff1fff1);
	pci_reset(s.m.vm.pci);
	assert_int_equal(cfg_get(&s.m, 0, 1, PCI_MEMORY_BASE, 2), 0xd200); /* behind the spare's */
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capability_list_ends_and_is_as_documented),
		cmocka_unit_test(test_slot_and_link_tell_presence),
		cmocka_unit_test(test_a_device_that_leaves_interrupts_once),
		cmocka_unit_test(test_an_event_waits_for_who_enables_it),
		cmocka_unit_test(test_slot_capabilities_and_numbers),
		cmocka_unit_test(test_status_bits_are_cleared_by_writing_ones),
		cmocka_unit_test(test_slot_control_has_no_power_switch_and_no_command_interrupt),
		cmocka_unit_test(test_payload_size_follows_the_device),
		cmocka_unit_test(test_secondary_bus_reset_resets_the_device_once),
		cmocka_unit_test(test_the_guest_may_renumber_buses),
		cmocka_unit_test(test_message_interrupt_registers_take_what_exists),
		cmocka_unit_test(test_power_states_that_do_not_exist_are_dropped),
		cmocka_unit_test(test_windows_have_the_granularity_of_bridges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
