// SPDX-License-Identifier: GPL-2.0-or-later
/* Why functions share an IOMMU group, by the kernel's rules, and where they would not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/le.h"
#include "tests/fake/pci.h"
#include "tests/fake/recording.h"
#include "tests/fake/sysfs.h"
#include "vfio/acs.h"

#define PORT1 "0000:00:01.0"
#define PORT2 "0000:00:02.0"
#define NIC0  "0000:01:00.0"
#define NIC1  "0000:01:00.1"
#define ALL   (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)
#define MULTI 0x80
#define NO_ACS (-1)

static int host = -1;
static struct topo topo;
static struct acs acs;
static struct acs_reason why;
static char text[256];

static int setup(void **state)
{
	host = fake_sysfs((const struct fake_node[]){ { 0 } });
	return 0;
}

static int teardown(void **state)
{
	acs_fini(&acs);
	topo_fini(&topo);
	fake_sysfs_free(&host);
	return 0;
}

/* A function with an Express capability of this type at 40, and ACS at 100. type -1: neither. */
static void add(const char *bdf, const char *place, const char *group, unsigned header, int type,
		int cap, int ctrl)
{
	struct fake_pci p = { .bdf = bdf, .place = place, .group = group };
	uint8_t cfg[4096] = { 0 };
	char path[96] = "sys/bus/pci/devices/";

	p.header_type = header & 0x7f;
	p.class = p.header_type == 1 ? 0x060400 : 0x020000;
	fake_pci_add(host, &p);
	put_le32(cfg, 0x10c98086);
	cfg[PCI_HEADER_TYPE] = (uint8_t)header;
	if (type >= 0) {
		put_le16(cfg + PCI_STATUS, PCI_STATUS_CAP_LIST);
		cfg[PCI_CAPABILITY_LIST] = 0x40;
		cfg[0x40] = PCI_CAP_ID_EXP;
		put_le16(cfg + 0x42, (uint16_t)(type << 4 | 2 | PCI_EXP_FLAGS_SLOT));
		put_le32(cfg + 0x40 + PCI_EXP_SLTCAP, (uint32_t)(bdf[9] - '0') << 19);
	}
	if (cap != NO_ACS) {
		put_le32(cfg + 0x100, 0x0001000d);
		put_le16(cfg + 0x104, (uint16_t)cap);
		put_le16(cfg + 0x106, (uint16_t)ctrl);
	}
	strcat(strcat(path, bdf), "/config");
	fake_put_bytes(host, path, cfg, sizeof(cfg));
}

static void port(const char *bdf, const char *group, int cap, int ctrl)
{
	add(bdf, "pci0000:00", group, 1, PCI_EXP_TYPE_ROOT_PORT, cap, ctrl);
}

static void look_at(int group)
{
	struct err err = ERR_INIT;

	acs_fini(&acs);
	topo_fini(&topo);
	assert_int_equal(topo_scan(host, &topo, &err), 0);
	assert_int_equal(acs_open(host, &topo, &acs), 0);
	acs_reason(&acs, group, &why);
	acs_sentence(&acs, &why, text, sizeof(text));
}

static void test_a_port_without_acs_merges_what_is_below_it(void **state)
{
	int slots[ACS_SLOTS_MAX];

	port(PORT1, "1", NO_ACS, 0);
	port(PORT2, "2", ALL, ALL);
	add(NIC0, "pci0000:00/" PORT1, "1", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(1);
	assert_int_equal(why.cause, ACS_PORT);
	assert_false(why.split_anyway);
	assert_string_equal(text, PORT1 " (root port) has no ACS: all that is below it may be "
					"reached past the IOMMU");
	assert_int_equal(acs_better_slots(&acs, &why, slots, ACS_SLOTS_MAX), 1);
	assert_string_equal(BDF_STR(topo.devs[slots[0]].bdf), PORT2);
	assert_int_equal(acs.functions[slots[0]].slot, 2);
}

static void test_bits_that_are_off_are_named(void **state)
{
	port(PORT1, "1", ALL, PCI_ACS_SV | PCI_ACS_UF);
	add(NIC0, "pci0000:00/" PORT1, "1", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(1);
	assert_non_null(strstr(text, "has ACS with RR CR off"));
}

static void test_a_bit_that_is_not_there_need_not_be_on(void **state)
{
	port(PORT1, "1", PCI_ACS_SV | PCI_ACS_UF, PCI_ACS_SV | PCI_ACS_UF);
	add(NIC0, "pci0000:00/" PORT1, "2", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(2);
	assert_int_equal(why.cause, ACS_SEPARATE);
}

static void test_the_first_culprit_may_be_far_up(void **state)
{
	port(PORT1, "1", NO_ACS, 0);
	add("0000:01:00.0", "pci0000:00/" PORT1, "1", 1, PCI_EXP_TYPE_UPSTREAM, NO_ACS, 0);
	add("0000:02:00.0", "pci0000:00/" PORT1 "/0000:01:00.0", "1", 1, PCI_EXP_TYPE_DOWNSTREAM,
	    ALL, ALL);
	add("0000:03:00.0", "pci0000:00/" PORT1 "/0000:01:00.0/0000:02:00.0", "1", 0,
	    PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(1);
	assert_int_equal(why.cause, ACS_PORT);
	assert_string_equal(BDF_STR(topo.devs[why.at].bdf), PORT1);
	assert_string_equal(BDF_STR(topo.devs[why.member].bdf), "0000:03:00.0");
}

static void test_functions_of_a_slot_reach_each_other(void **state)
{
	int slots[1];

	port(PORT1, "1", ALL, ALL);
	port(PORT2, "2", ALL, ALL);
	add(NIC0, "pci0000:00/" PORT1, "5", MULTI, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	add(NIC1, "pci0000:00/" PORT1, "5", MULTI, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(5);
	assert_int_equal(why.cause, ACS_FUNCTIONS);
	assert_non_null(strstr(text, NIC0 " is one of several functions of a slot and has no ACS"));
	assert_int_equal(acs_better_slots(&acs, &why, slots, 1), 0); /* they come along */
}

static void test_a_higher_function_is_one_of_several_whatever_it_says(void **state)
{
	port(PORT1, "1", ALL, ALL);
	add(NIC0, "pci0000:00/" PORT1, "5", 0, PCI_EXP_TYPE_ENDPOINT, ALL, ALL);
	add(NIC1, "pci0000:00/" PORT1, "6", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(6);
	assert_false(acs.functions[1].multifunction);
	assert_true(acs.functions[2].multifunction);
	assert_false(acs_separates(&acs, 2));
}

static void test_a_single_function_needs_no_acs(void **state)
{
	port(PORT1, "1", ALL, ALL);
	add(NIC0, "pci0000:00/" PORT1, "5", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(5);
	assert_int_equal(why.cause, ACS_SEPARATE);
	look_at(1);
	assert_int_equal(why.cause, ACS_SEPARATE);
}

static void test_behind_a_bridge_to_conventional_pci_there_is_one_id(void **state)
{
	int slots[1];

	port(PORT1, "1", ALL, ALL);
	add("0000:01:00.0", "pci0000:00/" PORT1, "5", 1, PCI_EXP_TYPE_PCI_BRIDGE, NO_ACS, 0);
	add("0000:02:01.0", "pci0000:00/" PORT1 "/0000:01:00.0", "5", 0, -1, NO_ACS, 0);
	look_at(5);
	assert_int_equal(why.cause, ACS_BRIDGE);
	assert_string_equal(text, "0000:01:00.0 is a bridge to conventional PCI: all that is behind "
				  "it has one requester id");
	assert_int_equal(acs_better_slots(&acs, &why, slots, 1), 0);
}

static void test_what_is_behind_a_vmd_is_its_group(void **state)
{
	add("0000:00:0e.0", "pci0000:00", "8", 0, PCI_EXP_TYPE_RC_END, NO_ACS, 0);
	add("10000:e0:06.0", "pci0000:00/0000:00:0e.0/pci10000:e0", "8", 1, PCI_EXP_TYPE_ROOT_PORT,
	    ALL, ALL);
	add("10000:e1:00.0", "pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0", "8", 0,
	    PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	look_at(8);
	assert_int_equal(why.cause, ACS_VMD);
	assert_false(why.split_anyway);
	assert_string_equal(BDF_STR(topo.devs[why.member].bdf), "10000:e1:00.0");
	assert_string_equal(text, "0000:00:0e.0 does the DMA of all that is behind it: the IOMMU "
				  "sees one device");
}

static void test_what_the_kernel_knows_better_is_told(void **state)
{
	port(PORT1, "1", NO_ACS, 0);
	add(NIC0, "pci0000:00/" PORT1, "7", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	fake_sysfs_text(host, "quiet pcie_acs_override=downstream", "proc/cmdline");
	look_at(7);
	assert_int_equal(why.cause, ACS_PORT);
	assert_true(why.split_anyway);
	assert_true(acs.override);
}

static void test_unseen_is_not_missing(void **state)
{
	port(PORT1, "1", NO_ACS, 0);
	add(NIC0, "pci0000:00/" PORT1, "1", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	fake_put_bytes(host, "sys/bus/pci/devices/" PORT1 "/config", "0123456789abcdef0123456789abcdef"
		       "0123456789abcdef0123456789abcdef", 64);
	look_at(1);
	assert_int_equal(why.cause, ACS_UNSEEN);
	assert_string_equal(text, "the capabilities of " PORT1 " are not to be seen: run as root");
}

static void test_empty_slots_of_the_same_node_come_first(void **state)
{
	int slots[ACS_SLOTS_MAX];

	port(PORT1, "1", NO_ACS, 0);
	add(NIC0, "pci0000:00/" PORT1, "1", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	port("0000:00:03.0", "3", ALL, ALL); /* taken */
	add("0000:03:00.0", "pci0000:00/0000:00:03.0", "4", 0, PCI_EXP_TYPE_ENDPOINT, NO_ACS, 0);
	port("0000:00:04.0", "5", ALL, ALL); /* empty, elsewhere */
	port("0000:00:05.0", "6", ALL, ALL);
	fake_sysfs_text(host, "1", "sys/bus/pci/devices/" NIC0 "/numa_node");
	fake_sysfs_text(host, "0", "sys/bus/pci/devices/0000:00:04.0/numa_node");
	fake_sysfs_text(host, "1", "sys/bus/pci/devices/0000:00:05.0/numa_node");
	look_at(1);
	assert_int_equal(acs_better_slots(&acs, &why, slots, ACS_SLOTS_MAX), 3);
	assert_string_equal(BDF_STR(topo.devs[slots[0]].bdf), "0000:00:05.0");
	assert_string_equal(BDF_STR(topo.devs[slots[1]].bdf), "0000:00:04.0");
	assert_string_equal(BDF_STR(topo.devs[slots[2]].bdf), "0000:00:03.0");
}

static const struct acs_function *recorded(const char *machine, const char *bdf)
{
	struct err err = ERR_INIT;
	char path[96];
	struct bdf at;
	int i;

	snprintf(path, sizeof(path), "tests/data/%s/host.txt", machine);
	acs_fini(&acs);
	topo_fini(&topo);
	fake_sysfs_free(&host);
	host = fake_recording(path);
	assert_int_equal(topo_scan(host, &topo, &err), 0);
	assert_int_equal(acs_open(host, &topo, &acs), 0);
	assert_int_equal(bdf_parse(bdf, &at), 0);
	i = pci_tree_index(&topo, at);
	assert_true(i >= 0);
	return &acs.functions[i];
}

static bool separates(const struct acs_function *f)
{
	return acs_separates(&acs, (int)(f - acs.functions));
}

/* Configuration space that was read from boards, not made for a test. */
static void test_ports_of_real_boards(void **state)
{
	const struct acs_function *f = recorded("asus-p6t6", "0000:00:03.0");

	assert_int_equal(f->type, PCI_EXP_TYPE_ROOT_PORT);
	assert_int_equal(f->slot, 2);
	assert_true(f->has_acs);
	assert_int_equal(f->cap, 0x1f);
	assert_int_equal(acs_missing(f), ALL); /* there is no IOMMU, so nobody has set it */
	assert_false(separates(f));
	f = recorded("asus-p6t6", "0000:00:1c.1"); /* of a south bridge from before ACS */
	assert_true(f->has_slot && !f->slot && !f->has_acs && !separates(f));
	f = recorded("asus-p6t6", "0000:02:00.0");
	assert_true(f->type == PCI_EXP_TYPE_UPSTREAM && separates(f));
	f = recorded("asus-p6t6", "0000:03:00.0");
	assert_true(f->type == PCI_EXP_TYPE_DOWNSTREAM && !f->has_acs && !separates(f));
	f = recorded("asus-p6t6", "0000:06:00.1"); /* sound of the graphics card */
	assert_true(f->multifunction && !separates(f));
	f = recorded("connectx3-pro", "0000:00:02.0");
	assert_true(f->type == PCI_EXP_TYPE_ROOT_PORT && f->ctrl == 0x1f && separates(f));
	f = recorded("connectx3-pro", "0000:03:00.0");
	assert_true(!f->has_acs && separates(f));
}

static void test_vfs_hang_below_their_pf_by_number(void **state)
{
	struct pci_tree *t = &acs.tree;
	int pf, vf;

	port(PORT1, "1", ALL, ALL);
	fake_pci_add(host, &(struct fake_pci){ .bdf = NIC0, .place = "pci0000:00/" PORT1,
					       .total_vfs = 4, .num_vfs = 2, .node = "1" });
	fake_pci_add(host, &(struct fake_pci){ .bdf = "0000:02:00.0", .place = "pci0000:00/" PORT1,
					       .pf = NIC0, .vf_index = 1 });
	fake_pci_add(host, &(struct fake_pci){ .bdf = "0000:02:10.0", .place = "pci0000:00/" PORT1,
					       .pf = NIC0, .vf_index = 0 });
	look_at(1);
	pf = pci_tree_index(&topo, topo.devs[1].bdf);
	assert_int_equal(t->nodes[pf].children, 2);
	vf = t->nodes[pf].first_child;
	assert_string_equal(BDF_STR(topo.devs[vf].bdf), "0000:02:10.0");
	assert_string_equal(BDF_STR(topo.devs[t->nodes[vf].next].bdf), "0000:02:00.0");
	assert_string_equal(BDF_STR(topo.devs[t->nodes[vf].bridge].bdf), PORT1);
	assert_int_equal(t->root_count, 1);
	assert_string_equal(t->roots[0].name, "pci0000:00");
	assert_int_equal(t->roots[0].numa_node, 1);
	assert_int_equal(t->nodes[t->roots[0].first_child].next, PCI_TREE_NONE);
}

static void test_a_bridge_that_left_does_not_hide_those_above_it(void **state)
{
	port(PORT1, "1", ALL, ALL);
	add("0000:03:00.0", "pci0000:00/" PORT1 "/0000:02:00.0", "5", 0, PCI_EXP_TYPE_ENDPOINT,
	    NO_ACS, 0);
	look_at(5);
	assert_int_equal(acs.tree.nodes[1].bridge, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_port_without_acs_merges_what_is_below_it),
		TEST(test_bits_that_are_off_are_named),
		TEST(test_a_bit_that_is_not_there_need_not_be_on),
		TEST(test_the_first_culprit_may_be_far_up),
		TEST(test_functions_of_a_slot_reach_each_other),
		TEST(test_a_higher_function_is_one_of_several_whatever_it_says),
		TEST(test_a_single_function_needs_no_acs),
		TEST(test_behind_a_bridge_to_conventional_pci_there_is_one_id),
		TEST(test_what_is_behind_a_vmd_is_its_group),
		TEST(test_what_the_kernel_knows_better_is_told),
		TEST(test_unseen_is_not_missing),
		TEST(test_empty_slots_of_the_same_node_come_first),
		TEST(test_a_bridge_that_left_does_not_hide_those_above_it),
		TEST(test_ports_of_real_boards),
		TEST(test_vfs_hang_below_their_pf_by_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
