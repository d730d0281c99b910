// SPDX-License-Identifier: GPL-2.0-or-later
/* Capabilities of a host function: which the guest finds, and what it and its root port read there. */
#include "tests/fake/vfio_machine.h"

#include <errno.h>

#include <linux/vfio.h>

#include "base/fd.h"
#include "vmm/vfio_pci/vfio_pci.h"

#define HIDDEN	0x150 /* where the igb VF has ARI, with 80 bytes for whatever is there */
#define BEHIND	0x1a0 /* the next capability */
#define EXPRESS 0xa0
#define VF_REBAR 0x24 /* newer than some headers */

static struct vfio_machine m;

static uint32_t get(unsigned off, unsigned len)
{
	return cfg_get(&m.guest, MACHINE_BUS, 0, off, len);
}

static void put(unsigned off, unsigned len, uint32_t value)
{
	cfg_put(&m.guest, MACHINE_BUS, 0, off, len, value);
}

static uint32_t device(unsigned off, unsigned len)
{
	uint8_t b[4] = { 0 };

	fake_vfio_peek(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, off, b, len);
	return get_le32(b);
}

static void set_device(unsigned off, unsigned len, uint32_t value)
{
	uint8_t b[4];

	put_le32(b, value);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, off, b, len);
}

static void describe(void)
{
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
}

/* Two BARs where it can be resized; every other register says something. */
static void describe_extended(uint16_t id)
{
	describe();
	set_device(HIDDEN, 4, id | 1u << 16 | (uint32_t)BEHIND << 20);
	for (unsigned off = HIDDEN + 4; off < BEHIND; off += 4)
		set_device(off, 4, 0xa5a5a5a5);
	if (id == PCI_EXT_CAP_ID_REBAR || id == VF_REBAR)
		set_device(HIDDEN + PCI_REBAR_CTRL, 4, 2 << PCI_REBAR_CTRL_NBAR_SHIFT);
	assert_int_equal(vfio_machine_start(&m), 0);
}

static void is_hidden(uint16_t id, unsigned len)
{
	describe_extended(id);
	assert_int_equal(get(0x100, 4) >> 20, BEHIND);
	for (unsigned off = HIDDEN; off < HIDDEN + len; off += 4) {
		uint32_t before = device(off, 4);

		put(off, 4, 0x5a5a5a5a);
		if (get(off, 4) != 0 || device(off, 4) != before)
			fail_msg("capability 0x%x shows at 0x%x", id, off - HIDDEN);
	}
	/* And nothing that may be another's. */
	if (get(HIDDEN + len, 4) != device(HIDDEN + len, 4) || !get(HIDDEN + len, 4))
		fail_msg("capability 0x%x takes more than 0x%x bytes", id, len);
	vfio_machine_free(&m);
}

static void test_what_only_the_host_may_use_is_hidden_whole(void **state)
{
	static const struct {
		uint16_t id;
		unsigned len;
	} rows[] = {
		{ PCI_EXT_CAP_ID_ARI, 8 },   { PCI_EXT_CAP_ID_ATS, 8 },
		{ PCI_EXT_CAP_ID_PASID, 8 }, { PCI_EXT_CAP_ID_PRI, 16 },
		{ PCI_EXT_CAP_ID_SRIOV, PCI_EXT_CAP_SRIOV_SIZEOF },
		{ PCI_EXT_CAP_ID_REBAR, 4 + 2 * 8 },
		{ VF_REBAR, 4 + 2 * 8 },     { 0, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		is_hidden(rows[i].id, rows[i].len);
}

static void test_what_a_guest_may_use_shows(void **state)
{
	static const uint16_t ids[] = { PCI_EXT_CAP_ID_DSN, PCI_EXT_CAP_ID_LTR, PCI_EXT_CAP_ID_VNDR,
					PCI_EXT_CAP_ID_TPH, PCI_EXT_CAP_ID_ACS };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		describe_extended(ids[i]);
		assert_int_equal(get(0x100, 4) >> 20, HIDDEN);
		assert_int_equal(get(HIDDEN, 4), device(HIDDEN, 4));
		assert_int_equal(get(HIDDEN + 4, 4), 0xa5a5a5a5);
		vfio_machine_free(&m);
	}
}

static void test_enhanced_allocation_and_the_nameless_are_not_linked(void **state)
{
	static const uint8_t ids[] = { PCI_CAP_ID_EA, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		describe();
		set_device(0x71, 1, 0x50);
		set_device(0x50, 2, ids[i] | EXPRESS << 8);
		assert_int_equal(vfio_machine_start(&m), 0);
		assert_int_equal(get(0x71, 1), EXPRESS);
		assert_int_equal(get(0x50, 2), 0);
		vfio_machine_free(&m);
	}
	/* One that says something shows in the same place. */
	describe();
	set_device(0x71, 1, 0x50);
	set_device(0x50, 2, PCI_CAP_ID_VNDR | EXPRESS << 8);
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_int_equal(get(0x71, 1), 0x50);
	assert_int_equal(get(0x50, 2), PCI_CAP_ID_VNDR | EXPRESS << 8);
	vfio_machine_free(&m);
}

static void describe_express(unsigned type)
{
	describe();
	set_device(EXPRESS + PCI_EXP_FLAGS, 2, 2 | type << 4);
	set_device(EXPRESS + PCI_EXP_LNKCAP, 4, 0x00475d03);
	set_device(EXPRESS + PCI_EXP_LNKCTL, 2, 0x0040);
	set_device(EXPRESS + PCI_EXP_LNKSTA, 2, 0x1083);
	assert_int_equal(vfio_machine_start(&m), 0);
}

/* It has no link there, and behind a root port only an endpoint with one can be. */
static void test_what_sat_in_the_root_complex_is_an_endpoint_with_the_slowest_link(void **state)
{
	describe_express(PCI_EXP_TYPE_RC_END);
	assert_int_equal(get(EXPRESS + PCI_EXP_FLAGS, 2), 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	assert_int_equal(get(EXPRESS + PCI_EXP_LNKCAP, 4), PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	assert_int_equal(get(EXPRESS + PCI_EXP_LNKSTA, 2), PCI_EXP_LNKSTA_CLS_2_5GB | 1 << 4);
	put(EXPRESS + PCI_EXP_LNKCTL, 2, 0xffff);
	put(EXPRESS + PCI_EXP_FLAGS, 2, 0xffff);
	assert_int_equal(device(EXPRESS + PCI_EXP_LNKCTL, 2), 0x0040);
	assert_int_equal(get(EXPRESS + PCI_EXP_FLAGS, 2), 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	vfio_machine_free(&m);
}

static void test_an_endpoint_keeps_its_link(void **state)
{
	static const unsigned types[] = { PCI_EXP_TYPE_ENDPOINT, PCI_EXP_TYPE_LEG_END };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		describe_express(types[i]);
		assert_int_equal(get(EXPRESS + PCI_EXP_FLAGS, 2), 2 | types[i] << 4);
		assert_int_equal(get(EXPRESS + PCI_EXP_LNKCAP, 4), 0x00475d03);
		assert_int_equal(get(EXPRESS + PCI_EXP_LNKSTA, 2), 0x1083);
		vfio_machine_free(&m);
	}
}

static unsigned port_payload(void)
{
	return cfg_get(&m.guest, 0, 1, 0x40 + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_PAYLOAD;
}

/* Both ends of a link need the same, and the device keeps what the host gave it. */
static void test_the_port_has_the_devices_payload_size(void **state)
{
	static const unsigned sizes[] = { PCI_EXP_DEVCTL_PAYLOAD_128B, PCI_EXP_DEVCTL_PAYLOAD_256B,
					  PCI_EXP_DEVCTL_PAYLOAD_512B };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		describe();
		set_device(EXPRESS + PCI_EXP_DEVCTL, 2, sizes[i] | PCI_EXP_DEVCTL_RELAX_EN);
		assert_int_equal(vfio_machine_start(&m), 0);
		assert_int_equal(port_payload(), sizes[i]);
		assert_int_equal(get(EXPRESS + PCI_EXP_DEVCTL, 2), sizes[i] | PCI_EXP_DEVCTL_RELAX_EN);
		/* To the guest the register is still the device's. */
		set_device(EXPRESS + PCI_EXP_DEVCTL, 2, 0);
		assert_int_equal(get(EXPRESS + PCI_EXP_DEVCTL, 2), 0);
		pci_reset(m.guest.vm.pci);
		assert_int_equal(port_payload(), sizes[i]);
		vfio_machine_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_only_the_host_may_use_is_hidden_whole),
		cmocka_unit_test(test_what_a_guest_may_use_shows),
		cmocka_unit_test(test_enhanced_allocation_and_the_nameless_are_not_linked),
		cmocka_unit_test(test_what_sat_in_the_root_complex_is_an_endpoint_with_the_slowest_link),
		cmocka_unit_test(test_an_endpoint_keeps_its_link),
		cmocka_unit_test(test_the_port_has_the_devices_payload_size),
	};

	return cmocka_run_group_tests_name("vfio_caps", tests, NULL, NULL);
}
