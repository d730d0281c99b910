// SPDX-License-Identifier: GPL-2.0-or-later
/* The tree of devices in its forms, and where the picture puts them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/fd.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/topo_layout.h"
#include "tools/xml.h"

#define PORT "0000:00:01.0"
#define PLACE "pci0000:00/" PORT

static int host = -1;
static char *out;
static struct err err;

/* A NIC below a port on node 0, and a host bridge, which is furniture. */
static int setup(void **state)
{
	static const struct fake_pci devs[] = {
		{ .bdf = "0000:00:00.0", .class = 0x060000, .ids = "fff5:0001", .node = "0" },
		{ .bdf = PORT, .header_type = 1, .class = 0x060400, .ids = "fff5:0002",
		  .driver = "pcieport", .group = "1", .node = "0" },
		{ .bdf = "0000:01:00.0", .place = PLACE, .ids = "fff5:0003", .driver = "ice",
		  .group = "2", .node = "0", .netdev = "eth0" },
	};

	err = (struct err)ERR_INIT;
	host = fake_sysfs((const struct fake_node[]){ { 0 } });
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(host, &devs[i]);
	return 0;
}

static int teardown(void **state)
{
	free(out);
	out = NULL;
	fake_sysfs_free(&host);
	return 0;
}

static int run(const char *a, const char *b)
{
	struct ctx ctx = { .root = host, .command = &cmd_topo };
	char *argv[] = { (char *)"topo", (char *)a, (char *)b, NULL };
	size_t size;
	int r;

	free(out);
	out = NULL;
	err = (struct err)ERR_INIT;
	ctx.out = open_memstream(&out, &size);
	r = cmd_topo.run(&ctx, a ? (b ? 3 : 2) : 1, argv, &err);
	fclose(ctx.out);
	return r;
}

/* A PF and its VFs, the first `ours` of them vfio-pci's, the others without driver. */
static void add_pf(unsigned fn, unsigned vfs, unsigned ours)
{
	char pf[BDF_STRLEN], vf[BDF_STRLEN], netdev[16];

	bdf_str((struct bdf){ .bus = 2, .fn = (uint8_t)fn }, pf);
	snprintf(netdev, sizeof(netdev), "ens%u", fn);
	fake_pci_add(host, &(struct fake_pci){ .bdf = pf, .place = PLACE, .ids = "fff5:0004",
					       .driver = "ice", .total_vfs = vfs, .num_vfs = vfs,
					       .netdev = netdev, .node = "0" });
	for (unsigned i = 0; i < vfs; i++) {
		unsigned id = fn * vfs + i;

		bdf_str((struct bdf){ .bus = (uint8_t)(3 + id / 256), .dev = (id / 8) % 32,
				      .fn = id % 8 }, vf);
		fake_pci_add(host, &(struct fake_pci){ .bdf = vf, .place = PLACE,
						       .ids = "fff5:0005", .pf = pf, .vf_index = i,
						       .driver = i < ours ? "vfio-pci" : NULL });
	}
}

static void test_text_is_a_tree_without_furniture(void **state)
{
	assert_int_equal(run(NULL, NULL), 0);
	assert_string_equal(out, "NUMA node 0\n"
				 "└─ pci0000:00\n"
				 "   └─ 00:01.0 PCI bridge\n"
				 "      └─ 01:00.0 ice  eth0  group 2  device fff5:0003\n");
	assert_null(strchr(out, '\033')); /* no colours but on a terminal */
	assert_int_equal(run("-a", NULL), 0);
	assert_non_null(strstr(out, "├─ 00:00.0 no driver"));
}

static void test_vfs_in_a_row_are_one_line(void **state)
{
	add_pf(0, 64, 40);
	assert_int_equal(run(NULL, NULL), 0);
	assert_non_null(strstr(out, "├─ vf0-vf39 03:00.0-03:04.7 vfio-pci\n"));
	assert_non_null(strstr(out, "└─ vf40-vf63 03:05.0-03:07.7 no driver\n"));
	assert_null(strstr(out, "vf1 "));
}

/* Its root bus is below an endpoint, in a domain that takes five digits. */
static void test_a_vmd_has_a_domain_below_it(void **state)
{
#define VMD "pci0000:00/0000:00:0e.0"
	static const struct fake_pci devs[] = {
		{ .bdf = "0000:00:0e.0", .class = 0x010400, .ids = "fff5:0006", .driver = "vmd",
		  .group = "8", .node = "0" },
		{ .bdf = "10000:e0:06.0", .place = VMD "/pci10000:e0", .ids = "fff5:0002",
		  .header_type = 1, .class = 0x060400, .driver = "pcieport", .group = "8" },
		{ .bdf = "10000:e1:00.0", .place = VMD "/pci10000:e0/10000:e0:06.0",
		  .ids = "fff5:0007", .class = 0x010802, .driver = "nvme", .group = "8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(host, &devs[i]);
	assert_int_equal(run(NULL, NULL), 0);
	assert_string_equal(out, "NUMA node 0\n"
				 "└─ pci0000:00\n"
				 "   ├─ 00:01.0 PCI bridge\n"
				 "   │  └─ 01:00.0 ice  eth0  group 2  device fff5:0003\n"
				 "   └─ 00:0e.0 vmd  group 8  device fff5:0006\n"
				 "      └─ 10000:e0:06.0 PCI bridge  group 8\n"
				 "         └─ 10000:e1:00.0 nvme  group 8  device fff5:0007\n");
	assert_int_equal(run("--svg", NULL), 0);
	assert_non_null(strstr(out, "10000:e1:00.0"));
	assert_int_equal(run("--dot", NULL), 0);
	assert_non_null(strstr(out, "10000:e1:00.0"));
	assert_int_equal(run("-j", NULL), 0);
	assert_non_null(strstr(out, "10000:e1:00.0"));
}

static void test_json_nests_like_the_bus(void **state)
{
	const char *bridge, *device, *schema;
	json_error_t e;
	json_t *doc;
	int node;

	assert_int_equal(run("-j", NULL), 0);
	doc = json_loads(out, 0, &e);
	assert_int_equal(json_unpack(doc, "{s:s, s:[{s:i, s:[{s:s, s:[{s:[{s:s}]}]}]}]}", "schema",
				     &schema, "nodes", "numa_node", &node, "host_bridges", "name",
				     &bridge, "children", "children", "device", &device),
			 0);
	assert_string_equal(schema, "thruway.topo/1");
	assert_int_equal(node, 0);
	assert_string_equal(bridge, "pci0000:00");
	assert_string_equal(device, "0000:01:00.0");
	json_decref(doc);
}

static void test_what_names_itself_cannot_break_out(void **state)
{
	fake_sysfs_remove(host, "sys/devices/" PLACE "/0000:01:00.0/net/eth0");
	fake_pci_add(host, &(struct fake_pci){ .bdf = "0000:01:00.0", .place = PLACE,
					       .ids = "fff5:0003", .netdev = "a\"]<b>&\x01\xff" });
	assert_int_equal(run("--svg", NULL), 0);
	assert_null(strstr(out, "<b>"));
	assert_non_null(strstr(out, "a&quot;]&lt;b&gt;&amp;\xef\xbf\xbd\xef\xbf\xbd<"));
	assert_int_equal(run("--dot", NULL), 0);
	assert_non_null(strstr(out, "a\\\"]<b>&?"));
	assert_int_equal(run("--html", NULL), 0);
	assert_null(strstr(out, "<b>"));
}

static void test_text_of_a_picture_is_cut_by_characters(void **state)
{
	char *s = NULL;
	size_t size;
	FILE *f = open_memstream(&s, &size);

	xml_text(f, "äöü<", 4);
	xml_text(f, "|äöü<x", 4);
	xml_text(f, "|\xc0\xaf\xed\xa0\x80", 0); /* overlong, and a surrogate */
	fclose(f);
	assert_string_equal(s, "äöü&lt;|äö…|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	free(s);
}

static bool inside(const struct topo_box *in, const struct topo_box *of)
{
	return in->x >= of->x && in->y >= of->y && in->x + in->w <= of->x + of->w &&
	       in->y + in->h <= of->y + of->h;
}

static bool overlap(const struct topo_box *a, const struct topo_box *b)
{
	return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static void check_below(const struct topo_view *v, const struct topo_layout *l, unsigned root, int i,
			const struct topo_box *holder)
{
	for (int a = topo_view_first(v, root, i); a != PCI_TREE_NONE; a = topo_view_next(v, a)) {
		if (topo_view_dev(v, a)->is_vf)
			return;
		assert_true(l->functions[a].w > 0);
		assert_true(inside(&l->functions[a], holder));
		for (int b = topo_view_next(v, a); b != PCI_TREE_NONE; b = topo_view_next(v, b))
			assert_false(overlap(&l->functions[a], &l->functions[b]));
		check_below(v, l, root, a, &l->functions[a]);
	}
}

/* Nothing lies outside what holds it, or on its neighbour. Returns the picture's width. */
static int check_layout(void)
{
	struct topo_box page = { 0 };
	struct topo_layout l;
	struct describer d;
	struct topo_view v;

	assert_int_equal(describer_init(&d, host, &err), 0);
	assert_int_equal(topo_view_init(&v, &d, true), 0);
	assert_int_equal(topo_layout_make(&v, 300, 50, &l), 0);
	page.w = l.width;
	page.h = l.height;
	for (unsigned i = 0; i < v.lane_count; i++) {
		assert_true(inside(&l.lanes[i], &page));
		assert_true(l.lanes[i].y >= 50);
		for (unsigned k = 0; k < i; k++)
			assert_false(overlap(&l.lanes[i], &l.lanes[k]));
		for (unsigned r = 0; r < v.acs.tree.root_count; r++) {
			if (!topo_view_in_lane(&v, r, &v.lanes[i]))
				continue;
			assert_true(inside(&l.roots[r], &l.lanes[i]));
			check_below(&v, &l, r, PCI_TREE_NONE, &l.roots[r]);
		}
	}
	topo_layout_fini(&l);
	topo_view_fini(&v);
	describer_fini(&d);
	return page.w;
}

static void test_boxes_neither_overlap_nor_stick_out(void **state)
{
	assert_true(check_layout() <= 700); /* one NIC */
	for (unsigned fn = 0; fn < 7; fn++) /* more than one row below the port */
		add_pf(fn, 1 + 10 * fn, 0);
	for (unsigned i = 2; i < 30; i++) {
		char bdf[BDF_STRLEN], place[64];

		bdf_str((struct bdf){ .domain = i / 7, .dev = (uint8_t)i }, bdf);
		snprintf(place, sizeof(place), "pci%04x:00", i / 7);
		fake_pci_add(host, &(struct fake_pci){ .bdf = bdf, .place = place,
						       .node = i > 14 ? "1" : "0" });
	}
	check_layout();
}

static void test_four_pfs_with_64_vfs_fit_side_by_side(void **state)
{
	for (unsigned fn = 0; fn < 4; fn++)
		add_pf(fn, 64, 32);
	assert_true(check_layout() <= 1320);
	assert_int_equal(run("--svg", NULL), 0);
	assert_non_null(strstr(out, ">63</text>"));
	assert_non_null(strstr(out, "ice · ens3 · 64 of 64 VFs"));
}

static void test_256_vfs_take_more_columns(void **state)
{
	add_pf(0, 256, 0);
	check_layout();
	assert_int_equal(run("--svg", NULL), 0);
	assert_non_null(strstr(out, ">255</text>"));
}

static void test_one_form_at_a_time(void **state)
{
	assert_int_equal(run("--svg", "--dot"), -EINVAL);
	assert_int_equal(err_exit_status(&err), 2);
	assert_int_equal(run("--svg", "-j"), -EINVAL);
	assert_int_equal(err_exit_status(&err), 2);
}

static void test_a_host_without_devices_has_an_empty_picture(void **state)
{
	fake_sysfs_remove(host, "sys");
	fake_sysfs_add(host, (const struct fake_node[]){ { "sys/bus/pci/devices", 0 }, { 0 } });
	assert_int_equal(run("--svg", NULL), 0);
	assert_non_null(strstr(out, "</svg>"));
	assert_int_equal(run(NULL, NULL), 0);
	assert_string_equal(out, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text_is_a_tree_without_furniture),
		TEST(test_vfs_in_a_row_are_one_line),
		TEST(test_a_vmd_has_a_domain_below_it),
		TEST(test_json_nests_like_the_bus),
		TEST(test_what_names_itself_cannot_break_out),
		TEST(test_text_of_a_picture_is_cut_by_characters),
		TEST(test_boxes_neither_overlap_nor_stick_out),
		TEST(test_four_pfs_with_64_vfs_fit_side_by_side),
		TEST(test_256_vfs_take_more_columns),
		TEST(test_one_form_at_a_time),
		TEST(test_a_host_without_devices_has_an_empty_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
