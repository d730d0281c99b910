// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions of one device of the host in a guest: they share a slot, leave and come back together. */
#include "tests/fake/vfio_machine.h"

#include <errno.h>
#include <sys/eventfd.h>

#include <linux/vfio.h>

#include "base/loop.h"
#include "vmm/control_device.h"
#include "vmm/machine.h"
#include "vmm/vfio_pci/internal.h"

#define FIRST	    "0000:01:10.0"
#define PORT_SLTCTL (0x40 + PCI_EXP_SLTCTL)
#define PORT_SLTSTA (0x40 + PCI_EXP_SLTSTA)

static struct vfio_machine m;
static char told[128]; /* E0: an error of the first, -1: the second is out, and so on */
static unsigned wanted_out;

static void on_event(void *opaque, enum vm_device_event event, const char *device)
{
	static const char letter[] = { [VM_DEVICE_ERROR] = 'E', [VM_DEVICE_REQUEST] = 'R',
				       [VM_DEVICE_REMOVED] = '-', [VM_DEVICE_ADDED] = '+' };
	size_t n = strlen(told);

	assert_true(n + 3 < sizeof(told));
	told[n++] = letter[event];
	told[n++] = strcmp(device, FIRST) == 0 ? '0' : '1';
	if (event == VM_DEVICE_REQUEST || (event == VM_DEVICE_REMOVED && --wanted_out == 0))
		loop_quit(opaque, 0);
}

static void begin(void)
{
	memset(told, 0, sizeof(told));
	wanted_out = 2;
	vfio_machine_new(&m);
	vfio_machine_add_second(&m);
	m.config.devices[0].vf = m.config.devices[1].vf = false;
	vfio_machine_igbvf(&m);
	fake_vfio_igbvf(&m.second);
	m.guest.vm.on_event = on_event;
	m.guest.vm.on_event_opaque = m.guest.vm.loop;
}

static uint32_t get(unsigned bus, unsigned fn, unsigned off, unsigned len)
{
	uint8_t data[4];

	bus_read(m.guest.vm.mmio, fake_ecam(bus, 0, fn, off), data, len);
	return (uint32_t)get_le(data, len);
}

static void put(unsigned bus, unsigned fn, unsigned off, unsigned len, uint32_t value)
{
	uint8_t data[4];

	put_le(data, value, len);
	bus_write(m.guest.vm.mmio, fake_ecam(bus, 0, fn, off), data, len);
}

static bool there(unsigned bus, unsigned fn)
{
	return get(bus, fn, PCI_VENDOR_ID, 4) == 0x10ca8086;
}

/* Both, in use. */
static void start(void)
{
	assert_int_equal(vfio_machine_start(&m), 0);
	put(MACHINE_BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(MACHINE_BUS, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	memset(m.order, 0, sizeof(m.order));
}

static void several(unsigned bus, unsigned fn, bool several)
{
	assert_int_equal(get(bus, fn, PCI_HEADER_TYPE, 1), several ? 0x80 : 0);
}

static void test_both_are_in_one_slot_whatever_their_order(void **state)
{
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		struct vmm_device first;

		begin();
		first = m.config.devices[0];
		if (swapped) {
			m.config.devices[0] = m.config.devices[1];
			m.config.devices[1] = first;
		}
		fake_vfio_poke(&m.second, VFIO_PCI_CONFIG_REGION_INDEX, PCI_REVISION_ID, "\x77", 1);
		start();
		assert_int_equal(get(MACHINE_BUS, 0, PCI_REVISION_ID, 1), 1);
		assert_int_equal(get(MACHINE_BUS, 1, PCI_REVISION_ID, 1), 0x77);
		for (unsigned fn = 0; fn < 8; fn++)
			assert_int_equal(there(MACHINE_BUS, fn), fn < 2);
		several(MACHINE_BUS, 0, true);
		several(MACHINE_BUS, 1, true);
		assert_false(there(MACHINE_BUS + 1, 0));
		vfio_machine_free(&m);
	}
}

/* The host's bit says nothing: its function 0 may be elsewhere. */
static void test_the_second_alone_is_function_0(void **state)
{
	begin();
	fake_vfio_poke(&m.second, VFIO_PCI_CONFIG_REGION_INDEX, PCI_HEADER_TYPE, "\x80", 1);
	m.config.devices[0] = m.config.devices[1];
	m.config.device_count = 1;
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_true(there(MACHINE_BUS, 0));
	several(MACHINE_BUS, 0, false);
	m.config.device_count = 2; /* to be freed */
	vfio_machine_free(&m);
}

static void test_a_vf_and_a_primary_are_alone(void **state)
{
	for (unsigned row = 0; row < 3; row++) {
		begin();
		m.config.devices[0].vf = row == 0;
		m.config.devices[1].vf = row < 2;
		m.config.devices[1].nic = row == 2;
		assert_int_equal(vfio_machine_start(&m), 0);
		for (unsigned bus = MACHINE_BUS; bus < MACHINE_BUS + 2; bus++) {
			assert_true(there(bus, 0) && !there(bus, 1));
			several(bus, 0, false);
		}
		vfio_machine_free(&m);
	}
}

static void beside(const char *name, const char *want)
{
	const char *with[PCI_SLOT_FUNCTIONS];

	assert_int_equal(vfio_pci_beside(m.set, name, with), 1);
	assert_string_equal(with[0], want);
}

/* With all mappings: RAM's, and of the one's memory for the other. */
static void group_went_last(void)
{
	assert_string_equal(m.order + strspn(m.order, "u"), "kc");
}

static void test_one_button_takes_both_out(void **state)
{
	static const char *const names[] = { FIRST, MACHINE_SECOND };
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < 2; i++) {
		begin();
		start();
		beside(names[i], names[!i]);
		assert_int_equal(vfio_pci_unplug(m.set, names[i], false, &err), 0);
		assert_int_equal(m.set->devices[0]->leave, LEAVE_ASKED);
		assert_int_equal(m.set->devices[1]->leave, LEAVE_ASKED);
		assert_int_equal(vfio_pci_unplug(m.set, names[!i], false, &err), 0);
		assert_true(there(MACHINE_BUS, 0) && there(MACHINE_BUS, 1));
		assert_true(cfg_get(&m.guest, 0, 1, PORT_SLTSTA, 2) & PCI_EXP_SLTSTA_ABP);
		cfg_put(&m.guest, 0, 1, PORT_SLTCTL, 2, PCI_EXP_SLTCTL_PWR_IND_OFF);
		assert_int_equal(m.set->devices[0]->leave, LEAVE_READY);
		assert_int_equal(m.set->devices[1]->leave, LEAVE_READY);
		loop_run(m.guest.vm.loop);
		assert_string_equal(told, "-1-0");
		group_went_last();
		assert_false(there(MACHINE_BUS, 0) || there(MACHINE_BUS, 1));
		assert_int_equal(vfio_pci_count(m.set), 0);
		assert_false(cfg_get(&m.guest, 0, 1, PORT_SLTSTA, 2) & PCI_EXP_SLTSTA_PDS);
		vfio_machine_free(&m);
	}
	assert_int_equal(vfio_pci_beside(NULL, FIRST, NULL), 0);
}

static void test_now_takes_both_at_once(void **state)
{
	struct err err = ERR_INIT;

	begin();
	start();
	assert_int_equal(vfio_pci_unplug(m.set, MACHINE_SECOND, true, &err), 0);
	assert_string_equal(told, "-1-0");
	group_went_last();
	assert_int_equal(vfio_pci_count(m.set), 0);
	vfio_machine_free(&m);
}

static void test_who_detaches_one_is_told_of_the_other(void **state)
{
	static struct machine machine;
	json_t *params = json_pack("{s:s, s:b}", "device", FIRST, "now", true), *result = NULL;
	struct err err = ERR_INIT;
	char *text;

	begin();
	start();
	machine.host_devices = m.set;
	assert_int_equal(control_detach(&machine, params, &result, &err), 0);
	text = json_dumps(result, JSON_COMPACT);
	assert_string_equal(text, "{\"with\":[\"" MACHINE_SECOND "\"]}");
	free(text);
	json_decref(result);
	result = NULL;
	/* Nor is anybody where it is not. */
	assert_int_equal(control_detach(&machine, params, &result, &err), -ENODEV);
	assert_null(result);
	json_decref(params);
	vfio_machine_free(&m);
}

static void test_what_the_host_wants_back_takes_the_other_along(void **state)
{
	begin();
	start();
	assert_int_equal(eventfd_write(m.dev.req_fd, 1), 0);
	loop_run(m.guest.vm.loop);
	assert_string_equal(told, "R0");
	assert_true(cfg_get(&m.guest, 0, 1, PORT_SLTSTA, 2) & PCI_EXP_SLTSTA_ABP);
	cfg_put(&m.guest, 0, 1, PORT_SLTCTL, 2, PCI_EXP_SLTCTL_PWR_IND_OFF);
	loop_run(m.guest.vm.loop);
	assert_string_equal(told, "R0-1-0");
	vfio_machine_free(&m);
}

static void test_a_reset_while_they_are_asked_takes_both(void **state)
{
	struct err err = ERR_INIT;

	begin();
	start();
	assert_int_equal(vfio_pci_unplug(m.set, FIRST, false, &err), 0);
	vfio_pci_finish_leaving(m.set);
	assert_string_equal(told, "-1-0");
	assert_int_equal(vfio_pci_count(m.set), 0);
	vfio_machine_free(&m);
}

static void come_back(unsigned i)
{
	struct vfio_pci_arrival a = { .device = &m.config.devices[i], .group = 42,
				      .group_fd = MACHINE_GROUP, .container_fd = -1 };
	struct err err = ERR_INIT;

	if (vfio_pci_count(m.set))
		a.group_fd = -1;
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), 0);
}

static void test_an_error_takes_both_and_both_come_back(void **state)
{
	begin();
	start();
	assert_int_equal(eventfd_write(m.second.err_fd, 1), 0);
	loop_run(m.guest.vm.loop);
	/* Each is told as one that failed, for who brings them back; what is closed first is not said. */
	told[8] = '\0';
	assert_true(strcmp(told, "E1E0-1-0") == 0 || strcmp(told, "E1E0-0-1") == 0);
	group_went_last();
	assert_int_equal(vfio_pci_count(m.set), 0);
	memset(told, 0, sizeof(told));

	come_back(1);
	assert_true(there(MACHINE_BUS, 0) && !there(MACHINE_BUS, 1));
	put(MACHINE_BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(m.set->devices[0]->pci.bar[0].live);
	come_back(0);
	assert_string_equal(told, "+1+0");
	assert_true(there(MACHINE_BUS, 0) && there(MACHINE_BUS, 1));
	several(MACHINE_BUS, 0, true);
	assert_false(m.set->devices[0]->pci.bar[0].live);
	assert_int_equal(m.set->devices[0]->pci.devfn, 1);
	assert_int_equal(m.second.resets, 1);
	vfio_machine_free(&m);
}

/* --- resets --------------------------------------------------------------------------------------- */

static const struct fake_vfio_hit both[] = { { 42, 1, 0x80 }, { 42, 1, 0x81 } };

static void without_flr(struct fake_vfio *dev)
{
	uint8_t none[4] = { 0 };

	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xa0 + PCI_EXP_DEVCAP, none, 4);
	dev->flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_RESET;
}

static void begin_on_one_bus(void)
{
	begin();
	m.dev.affected = m.second.affected = both;
	m.dev.naffected = m.second.naffected = 2;
}

static void reset_the_bus_below(void)
{
	cfg_put(&m.guest, 0, 1, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	cfg_put(&m.guest, 0, 1, PCI_BRIDGE_CONTROL, 2, 0);
}

static void test_the_guests_reset_of_the_bus_is_one_for_both(void **state)
{
	struct vm_device_reset last;

	begin_on_one_bus();
	without_flr(&m.dev);
	start();
	reset_the_bus_below();
	/* It is the reset of what has an FLR, too. */
	assert_int_equal(m.dev.hot_resets + m.second.hot_resets, 1);
	assert_int_equal(m.dev.resets + m.second.resets, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(vfio_pci_last_reset(m.set, i, &last));
		assert_string_equal(last.kind, "bus");
		assert_true(last.verified);
	}
	reset_the_bus_below();
	assert_int_equal(m.dev.hot_resets + m.second.hot_resets, 2);
	vfio_machine_free(&m);

	begin_on_one_bus();
	start();
	reset_the_bus_below();
	assert_int_equal(m.dev.hot_resets + m.second.hot_resets, 0);
	assert_true(m.dev.resets == 1 && m.second.resets == 1);
	/* The guest's FLR of one is of that one. */
	put(MACHINE_BUS, 1, 0xa0 + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	assert_true(m.dev.resets == 1 && m.second.resets == 2);
	vfio_machine_free(&m);
}

static char kinds[128];

static void on_reset(void *opaque, const struct vm_device_reset *r)
{
	size_t n = strlen(kinds);

	snprintf(kinds + n, sizeof(kinds) - n, "%s %s%s\n", r->device, r->kind, r->known ? "" : "?");
}

static void with_power_cycle(struct fake_vfio *dev)
{
	static const uint8_t pm[] = { PCI_CAP_ID_PM, 0xa0 }, none[4] = { 0 };

	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xa0 + PCI_EXP_DEVCAP, none, 4);
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x71, "\x40", 1);
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x40, pm, sizeof(pm));
}

/* A reset of the bus is more than a power cycle, and nobody that goes on is there. */
static void test_what_leaves_together_has_one_reset(void **state)
{
	struct err err = ERR_INIT;

	for (unsigned flr = 0; flr < 2; flr++) {
		begin_on_one_bus();
		m.guest.vm.on_reset = on_reset;
		kinds[0] = '\0';
		with_power_cycle(&m.dev);
		if (!flr)
			with_power_cycle(&m.second);
		start();
		assert_int_equal(vfio_pci_unplug(m.set, FIRST, true, &err), 0);
		assert_int_equal(m.dev.hot_resets + m.second.hot_resets, 1);
		assert_string_equal(kinds, flr ? MACHINE_SECOND " flr?\n" FIRST " bus\n" :
						 MACHINE_SECOND " bus\n" FIRST " bus\n");
		vfio_machine_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_are_in_one_slot_whatever_their_order),
		cmocka_unit_test(test_the_second_alone_is_function_0),
		cmocka_unit_test(test_a_vf_and_a_primary_are_alone),
		cmocka_unit_test(test_one_button_takes_both_out),
		cmocka_unit_test(test_now_takes_both_at_once),
		cmocka_unit_test(test_who_detaches_one_is_told_of_the_other),
		cmocka_unit_test(test_what_the_host_wants_back_takes_the_other_along),
		cmocka_unit_test(test_a_reset_while_they_are_asked_takes_both),
		cmocka_unit_test(test_an_error_takes_both_and_both_come_back),
		cmocka_unit_test(test_the_guests_reset_of_the_bus_is_one_for_both),
		cmocka_unit_test(test_what_leaves_together_has_one_reset),
	};

	return cmocka_run_group_tests_name("vfio_slot", tests, NULL, NULL);
}
