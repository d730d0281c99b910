// SPDX-License-Identifier: GPL-2.0-or-later
/* How devices are reset when the guest reboots, resets one itself, or a device leaves; and what is told of it. */
#include "tests/fake/vfio_machine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <linux/vfio.h>

#include "base/log.h"
#include "tests/fake/ioctl.h"
#include "vmm/vfio_pci/internal.h"

static struct vfio_machine m;
static char told[512]; /* "DEVICE KIND VERIFIED CAUSE" of each, in lines */

static const struct fake_vfio_hit both[] = { { 42, 1, 0x80 }, { 42, 1, 0x81 } };
static const struct fake_vfio_hit with_foreign[] = { { 42, 1, 0x80 }, { 7, 1, 0x88 } };

static void on_reset(void *opaque, const struct vm_device_reset *r)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "%s %s %s %s\n", r->device, r->kind,
		 !r->known ? "unknown" : r->verified ? "yes" : "no", r->cause ? r->cause : "-");
}

static void poke16(struct fake_vfio *dev, unsigned off, uint16_t value)
{
	uint8_t b[2];

	put_le16(b, value);
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, off, b, sizeof(b));
}

/* An igb VF, or a function that is like it but has a power cycle at most. */
static void describe(struct fake_vfio *dev, enum vfio_reset own)
{
	static const uint8_t link = 0x40;

	fake_vfio_igbvf(dev);
	dev->affected = both;
	dev->naffected = 2;
	if (own == VFIO_RESET_FLR)
		return;
	poke16(dev, 0xa0 + PCI_EXP_DEVCAP, 0);
	poke16(dev, 0xa0 + PCI_EXP_DEVCAP + 2, 0);
	if (own == VFIO_RESET_NONE) {
		dev->flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_RESET;
		return;
	}
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xa1, &link, 1);
	poke16(dev, 0x40, own == VFIO_RESET_PM ? PCI_CAP_ID_PM : PCI_CAP_ID_AF);
	if (own == VFIO_RESET_AF_FLR)
		poke16(dev, 0x40 + PCI_AF_CAP, PCI_AF_CAP_TP | PCI_AF_CAP_FLR);
}

static void touch(unsigned bus)
{
	cfg_put(&m.guest, bus, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void begin_one(enum vfio_reset own)
{
	log_set_level(LOG_QUIET);
	told[0] = '\0';
	vfio_machine_new(&m);
	m.guest.vm.on_reset = on_reset;
	describe(&m.dev, own);
	assert_int_equal(vfio_machine_start(&m), 0);
	touch(MACHINE_BUS);
}

static void begin_two(enum vfio_reset first, enum vfio_reset second)
{
	log_set_level(LOG_QUIET);
	told[0] = '\0';
	vfio_machine_new(&m);
	m.guest.vm.on_reset = on_reset;
	vfio_machine_add_second(&m);
	describe(&m.dev, first);
	describe(&m.second, second);
	assert_int_equal(vfio_machine_start(&m), 0);
	touch(MACHINE_BUS);
	touch(MACHINE_BUS + 1);
}

static void reboot(void)
{
	vfio_pci_reset_begin(m.set);
	pci_reset(m.guest.vm.pci);
	vfio_pci_reset_end(m.set);
}

static void resets_are(unsigned first, unsigned second, unsigned hot)
{
	assert_int_equal(m.dev.resets, first);
	assert_int_equal(m.second.resets, second);
	assert_int_equal(m.dev.hot_resets + m.second.hot_resets, hot);
}

static void test_the_kind_is_told_by_what_the_function_has(void **state)
{
	static const struct {
		enum vfio_reset own;
		const char *told;
	} rows[] = {
		{ VFIO_RESET_FLR, "0000:01:10.0 flr yes -\n" },
		{ VFIO_RESET_AF_FLR, "0000:01:10.0 af_flr yes -\n" },
		{ VFIO_RESET_PM, "0000:01:10.0 pm yes -\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_device_reset last;

		begin_one(rows[i].own);
		m.dev.affected = with_foreign;
		assert_false(vfio_pci_last_reset(m.set, 0, &last));
		reboot();
		assert_string_equal(told, rows[i].told);
		assert_int_equal(m.dev.resets, 1);
		assert_int_equal(m.dev.hot_resets, 0);
		assert_true(vfio_pci_last_reset(m.set, 0, &last));
		assert_true(last.verified);
		vfio_machine_free(&m);
	}
}

/* The kernel makes up the ids of a VF. */
static void leaves_a_dead_vf(struct fake_vfio *dev)
{
	poke16(dev, 0xa0 + PCI_EXP_DEVCAP, 0xffff);
	poke16(dev, 0xa0 + PCI_EXP_DEVCAP + 2, 0xffff);
}

/* It is a PF with n VFs, of numbers from its own plus offset on. */
static void has_vfs(struct fake_vfio *dev, uint16_t n, uint16_t offset, uint16_t stride)
{
	static const uint8_t head[] = { PCI_EXT_CAP_ID_SRIOV, 0, 1, 0 };

	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x1a0, head, sizeof(head));
	poke16(dev, 0x1a0 + PCI_SRIOV_CTRL, n ? PCI_SRIOV_CTRL_VFE : 0);
	poke16(dev, 0x1a0 + PCI_SRIOV_NUM_VF, n);
	poke16(dev, 0x1a0 + PCI_SRIOV_VF_OFFSET, offset);
	poke16(dev, 0x1a0 + PCI_SRIOV_VF_STRIDE, stride);
}

static void test_vfs_that_are_not_in_the_vm_are_counted(void **state)
{
	static const struct {
		uint16_t n, offset, stride;
		unsigned elsewhere;
	} rows[] = {
		/* The second device is one number behind the first. */
		{ 0, 1, 1, 0 }, { 1, 1, 1, 0 }, { 1, 1, 0, 0 }, { 1, 2, 0, 1 }, { 1, 2, 1, 1 },
		{ 3, 1, 1, 2 }, { 3, 2, 2, 3 }, { 2, 0, 1, 1 }, { 2, 0, 2, 2 }, { 65535, 128, 2, 65535 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		log_set_level(LOG_QUIET);
		vfio_machine_new(&m);
		vfio_machine_add_second(&m);
		describe(&m.dev, VFIO_RESET_FLR);
		describe(&m.second, VFIO_RESET_FLR);
		has_vfs(&m.dev, rows[i].n, rows[i].offset, rows[i].stride);
		assert_int_equal(vfio_machine_start(&m), 0);
		assert_int_equal(vfio_pci_vfs_elsewhere(m.set->devices[0]), rows[i].elsewhere);
		assert_int_equal(vfio_pci_vfs_elsewhere(m.set->devices[1]), 0);
		leaves_a_dead_vf(&m.dev);
		assert_int_equal(vfio_pci_vfs_elsewhere(m.set->devices[0]), 0);
		vfio_machine_free(&m);
	}
}

/* Neither the PF's bus nor that of its neighbour, which may have no other reset. */
static void test_a_bus_with_a_pf_whose_vfs_others_have_is_not_reset(void **state)
{
	log_set_level(LOG_QUIET);
	told[0] = '\0';
	vfio_machine_new(&m);
	m.guest.vm.on_reset = on_reset;
	vfio_machine_add_second(&m);
	describe(&m.dev, VFIO_RESET_FLR);
	describe(&m.second, VFIO_RESET_NONE);
	has_vfs(&m.dev, 4, 128, 2);
	assert_int_equal(vfio_machine_start(&m), 0);
	touch(MACHINE_BUS);
	touch(MACHINE_BUS + 1);
	reboot();
	assert_string_equal(told, "0000:01:10.0 flr yes -\n" MACHINE_SECOND " none no the bus has "
				  "0000:01:10.0, of whose virtual functions 4 are not in this VM\n");
	resets_are(1, 0, 0);
	/* The host has taken them away. */
	has_vfs(&m.dev, 0, 128, 2);
	reboot();
	resets_are(1, 0, 1);
	vfio_machine_free(&m);
}

static void leaves_mastering(struct fake_vfio *dev)
{
	poke16(dev, PCI_COMMAND, PCI_COMMAND_MASTER);
}

static void leaves_pending(struct fake_vfio *dev)
{
	poke16(dev, 0xa0 + PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_TRPND);
}

static void leaves_asleep(struct fake_vfio *dev)
{
	poke16(dev, 0x40 + PCI_PM_CTRL, 3);
}

static void leaves_dead(struct fake_vfio *dev)
{
	uint8_t ones[256];

	memset(ones, 0xff, sizeof(ones));
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0, ones, sizeof(ones));
}

static void test_what_a_reset_leaves_is_looked_at(void **state)
{
	static const struct {
		enum vfio_reset own;
		void (*leaves)(struct fake_vfio *dev);
		const char *told;
	} rows[] = {
		{ VFIO_RESET_FLR, leaves_mastering, "flr no it still masters the bus\n" },
		{ VFIO_RESET_FLR, leaves_pending, "flr no it still waits for answers on the bus\n" },
		{ VFIO_RESET_PM, leaves_asleep, "pm no it did not wake up\n" },
		{ VFIO_RESET_FLR, leaves_dead, "flr no it does not answer any more\n" },
		{ VFIO_RESET_FLR, leaves_a_dead_vf, "flr no it does not answer any more\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_one(rows[i].own);
		m.dev.affected = with_foreign;
		m.dev.on_reset = rows[i].leaves;
		reboot();
		assert_string_equal(told + strlen("0000:01:10.0 "), rows[i].told);
		vfio_machine_free(&m);
	}
}

static void test_one_reset_of_the_bus_is_for_all_on_it(void **state)
{
	begin_two(VFIO_RESET_PM, VFIO_RESET_NONE);
	reboot();
	assert_string_equal(told, "0000:01:10.0 bus yes -\n" MACHINE_SECOND " bus yes -\n");
	resets_are(0, 0, 1);
	assert_int_equal(m.dev.hot_reset_fds + m.second.hot_reset_fds, 1);
	reboot();
	resets_are(0, 0, 2);
	vfio_machine_free(&m);
}

static void test_both_are_silent_before_the_bus_is_reset(void **state)
{
	uint8_t command[2];

	begin_two(VFIO_RESET_NONE, VFIO_RESET_NONE);
	vfio_pci_reset_begin(m.set);
	pci_reset(m.guest.vm.pci);
	resets_are(0, 0, 0);
	fake_vfio_peek(&m.second, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 2);
	assert_int_equal(get_le16(command), 0);
	vfio_pci_reset_end(m.set);
	resets_are(0, 0, 1);
	vfio_machine_free(&m);
}

static void test_one_with_an_flr_has_had_its_reset_with_its_neighbours(void **state)
{
	begin_two(VFIO_RESET_FLR, VFIO_RESET_NONE);
	reboot();
	assert_string_equal(told, "0000:01:10.0 bus yes -\n" MACHINE_SECOND " bus yes -\n");
	resets_are(0, 0, 1);
	vfio_machine_free(&m);
}

static void test_functions_with_an_flr_are_reset_each_alone(void **state)
{
	begin_two(VFIO_RESET_FLR, VFIO_RESET_FLR);
	reboot();
	assert_string_equal(told, "0000:01:10.0 flr yes -\n" MACHINE_SECOND " flr yes -\n");
	resets_are(1, 1, 0);
	vfio_machine_free(&m);
}

static void test_an_flr_that_fails_is_followed_by_the_bus(void **state)
{
	begin_one(VFIO_RESET_FLR);
	m.dev.naffected = 1;
	m.dev.fail_reset = -EIO;
	reboot();
	assert_string_equal(told, "0000:01:10.0 bus yes -\n");
	m.dev.fail_hot_reset = -EAGAIN;
	told[0] = '\0';
	reboot();
	assert_non_null(strstr(told, "none no its own reset (flr) failed: Input/output error\n"));
	m.dev.fail_reset = m.dev.fail_hot_reset = 0;
	vfio_machine_free(&m);
}

static void test_what_cannot_be_reset_says_why(void **state)
{
	begin_one(VFIO_RESET_NONE);
	m.dev.affected = with_foreign;
	reboot();
	assert_string_equal(told, "0000:01:10.0 none no it has no reset of its own, and 0000:01:11.0 on "
				  "its bus is not in this VM\n");
	m.dev.affected = NULL;
	told[0] = '\0';
	reboot();
	assert_non_null(strstr(told, "none no it has no reset of its own, and the kernel has none of its "
				     "bus: No such device"));
	resets_are(0, 0, 0);
	vfio_machine_free(&m);
}

static void test_a_reset_by_the_guest_does_not_hit_its_other_devices(void **state)
{
	struct vm_device_reset last;
	struct pci_dev *pci;

	begin_two(VFIO_RESET_NONE, VFIO_RESET_PM);
	pci = &m.set->devices[0]->pci;
	pci->ops->reset(pci); /* of the port above */
	resets_are(0, 0, 0);
	assert_true(vfio_pci_last_reset(m.set, 0, &last));
	assert_string_equal(last.kind, "none");
	assert_non_null(strstr(last.cause, "the guest goes on with " MACHINE_SECOND));
	pci = &m.set->devices[1]->pci;
	pci->ops->reset(pci);
	resets_are(0, 1, 0);
	assert_string_equal(told, ""); /* a guest can do it as often as it likes */
	vfio_machine_free(&m);
}

static void test_a_guest_may_reset_the_bus_of_one_that_is_alone_there(void **state)
{
	struct pci_dev *pci;

	begin_one(VFIO_RESET_NONE);
	m.dev.naffected = 1;
	pci = &m.set->devices[0]->pci;
	pci->ops->reset(pci);
	resets_are(0, 0, 1);
	vfio_machine_free(&m);
}

static void leave(void)
{
	struct err err = ERR_INIT;

	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), 0);
}

static void test_what_the_close_does_is_left_to_it(void **state)
{
	static const struct {
		enum vfio_reset own;
		const char *told;
	} rows[] = {
		{ VFIO_RESET_FLR, "0000:01:10.0 flr unknown the kernel does it with the close\n" },
		{ VFIO_RESET_NONE, "0000:01:10.0 bus unknown the kernel does it with the close\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_one(rows[i].own);
		m.dev.naffected = 1;
		leave();
		assert_string_equal(told, rows[i].told);
		resets_are(0, 0, 0);
		vfio_machine_free(&m);
	}
}

static void asks_for_it_back(void)
{
	assert_int_equal(eventfd_write(m.dev.req_fd, 1), 0);
}

/* While it unbinds a driver it holds the device's lock, for which nothing of the kernel's waits. */
static void test_what_the_host_takes_back_is_not_said_to_be_reset(void **state)
{
	static const enum vfio_reset rows[] = { VFIO_RESET_FLR, VFIO_RESET_PM, VFIO_RESET_NONE };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_one(rows[i]);
		m.dev.naffected = 1;
		m.dev.fail_reset = m.dev.fail_hot_reset = -EAGAIN;
		asks_for_it_back();
		leave();
		assert_string_equal(told, "0000:01:10.0 none no the host that takes it back keeps the "
					  "kernel from resetting it\n");
		vfio_machine_free(&m);
	}
}

static void test_what_the_host_takes_back_is_reset_if_that_works(void **state)
{
	begin_one(VFIO_RESET_FLR);
	asks_for_it_back();
	leave();
	assert_string_equal(told, "0000:01:10.0 flr yes -\n");
	resets_are(1, 0, 0);
	vfio_machine_free(&m);
	/* One that is in no slot leaves with the machine. */
	begin_one(VFIO_RESET_FLR);
	m.dev.fail_reset = m.dev.fail_hot_reset = -EAGAIN;
	asks_for_it_back();
	m.set = vfio_pci_detach_all(m.set);
	assert_non_null(strstr(told, "none no the host that takes it back"));
	vfio_machine_free(&m);
}

static void test_what_the_host_takes_back_and_has_no_reset_says_so(void **state)
{
	begin_one(VFIO_RESET_NONE);
	m.dev.affected = with_foreign;
	asks_for_it_back();
	leave();
	assert_non_null(strstr(told, "none no it has no reset of its own, and 0000:01:11.0"));
	vfio_machine_free(&m);
}

/* What was pulled out is not waited for either. */
static void test_what_is_gone_and_taken_back_is_not_reset(void **state)
{
	begin_one(VFIO_RESET_FLR);
	leaves_a_dead_vf(&m.dev);
	asks_for_it_back();
	leave();
	assert_non_null(strstr(told, "none no the host that takes it back"));
	resets_are(0, 0, 0);
	vfio_machine_free(&m);
}

/* The guest's CPUs run, and would meet pages that are not there. */
static void finds_no_mapping(struct fake_vfio *dev)
{
	assert_int_equal(m.kvm.nslots, 0);
}

/* It is not among the guest's devices any more. */
static void test_a_pf_that_leaves_spares_its_vfs(void **state)
{
	log_set_level(LOG_QUIET);
	told[0] = '\0';
	vfio_machine_new(&m);
	m.guest.vm.on_reset = on_reset;
	describe(&m.dev, VFIO_RESET_PM);
	m.dev.naffected = 1;
	has_vfs(&m.dev, 4, 128, 2);
	assert_int_equal(vfio_machine_start(&m), 0);
	touch(MACHINE_BUS);
	leave();
	assert_string_equal(told, "0000:01:10.0 pm unknown the kernel does it with the close\n");
	resets_are(0, 0, 0);
	vfio_machine_free(&m);
}

static void test_more_than_a_power_cycle_is_done_before_the_close(void **state)
{
	begin_one(VFIO_RESET_PM);
	assert_true(m.kvm.nslots > 0);
	m.dev.naffected = 1;
	m.dev.on_reset = finds_no_mapping;
	leave();
	assert_string_equal(told, "0000:01:10.0 bus yes -\n");
	resets_are(0, 0, 1);
	vfio_machine_free(&m);
}

static void test_what_is_gone_is_not_waited_for(void **state)
{
	begin_one(VFIO_RESET_PM);
	m.dev.naffected = 1;
	leaves_a_dead_vf(&m.dev);
	leave();
	assert_string_equal(told, "0000:01:10.0 pm unknown the kernel does it with the close\n");
	resets_are(0, 0, 0);
	vfio_machine_free(&m);
}

static void test_one_that_leaves_does_not_take_its_neighbour_along(void **state)
{
	begin_two(VFIO_RESET_PM, VFIO_RESET_FLR);
	leave();
	assert_string_equal(told, "0000:01:10.0 pm unknown the kernel does it with the close\n");
	resets_are(0, 0, 0);
	vfio_machine_free(&m);
	begin_two(VFIO_RESET_NONE, VFIO_RESET_FLR);
	leave();
	assert_non_null(strstr(told, "0000:01:10.0 none no it has no reset of its own, and the guest goes "
				     "on with " MACHINE_SECOND));
	vfio_machine_free(&m);
}

static void test_the_end_resets_a_shared_bus_once(void **state)
{
	begin_two(VFIO_RESET_PM, VFIO_RESET_PM);
	m.set = vfio_pci_detach_all(m.set);
	assert_string_equal(told, "0000:01:10.0 bus yes -\n" MACHINE_SECOND " bus yes -\n");
	resets_are(0, 0, 1);
	vfio_machine_free(&m);
}

static void test_what_no_guest_touched_is_not_reset(void **state)
{
	log_set_level(LOG_QUIET);
	told[0] = '\0';
	vfio_machine_new(&m);
	m.guest.vm.on_reset = on_reset;
	describe(&m.dev, VFIO_RESET_PM);
	m.dev.naffected = 1;
	assert_int_equal(vfio_machine_start(&m), 0);
	m.set = vfio_pci_detach_all(m.set);
	assert_string_equal(told, "");
	assert_int_equal(m.dev.hot_resets, 0);
	vfio_machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_kind_is_told_by_what_the_function_has),
		cmocka_unit_test(test_vfs_that_are_not_in_the_vm_are_counted),
		cmocka_unit_test(test_a_bus_with_a_pf_whose_vfs_others_have_is_not_reset),
		cmocka_unit_test(test_what_a_reset_leaves_is_looked_at),
		cmocka_unit_test(test_one_reset_of_the_bus_is_for_all_on_it),
		cmocka_unit_test(test_both_are_silent_before_the_bus_is_reset),
		cmocka_unit_test(test_one_with_an_flr_has_had_its_reset_with_its_neighbours),
		cmocka_unit_test(test_functions_with_an_flr_are_reset_each_alone),
		cmocka_unit_test(test_an_flr_that_fails_is_followed_by_the_bus),
		cmocka_unit_test(test_what_cannot_be_reset_says_why),
		cmocka_unit_test(test_a_reset_by_the_guest_does_not_hit_its_other_devices),
		cmocka_unit_test(test_a_guest_may_reset_the_bus_of_one_that_is_alone_there),
		cmocka_unit_test(test_what_the_close_does_is_left_to_it),
		cmocka_unit_test(test_what_the_host_takes_back_is_not_said_to_be_reset),
		cmocka_unit_test(test_what_the_host_takes_back_is_reset_if_that_works),
		cmocka_unit_test(test_what_the_host_takes_back_and_has_no_reset_says_so),
		cmocka_unit_test(test_what_is_gone_and_taken_back_is_not_reset),
		cmocka_unit_test(test_a_pf_that_leaves_spares_its_vfs),
		cmocka_unit_test(test_more_than_a_power_cycle_is_done_before_the_close),
		cmocka_unit_test(test_what_is_gone_is_not_waited_for),
		cmocka_unit_test(test_one_that_leaves_does_not_take_its_neighbour_along),
		cmocka_unit_test(test_the_end_resets_a_shared_bus_once),
		cmocka_unit_test(test_what_no_guest_touched_is_not_reset),
	};

	return cmocka_run_group_tests_name("vfio_reset", tests, NULL, NULL);
}
