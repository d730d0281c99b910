// SPDX-License-Identifier: GPL-2.0-or-later
/* Facts of PCI functions, where they sit, and the groups they form. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/aside.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "vfio/names.h"
#include "vfio/pci_function.h"
#include "vfio/pci_path.h"
#include "vfio/pci_recovery.h"
#include "vfio/topology.h"

#define PF    "0000:01:00.0"
#define VF0   "0000:01:10.0"
#define VF1   "0000:01:10.2"
#define PORT  "0000:00:01.0"
#define DEV_DIR "sys/bus/pci/devices/"

static int host = -1;

static int setup(void **state)
{
	static const struct fake_node none[] = { { 0 } };
	static const struct fake_pci devs[] = {
		{ .bdf = PORT, .header_type = 1, .driver = "pcieport", .class = 0x060400,
		  .group = "1" },
		{ .bdf = PF, .place = "pci0000:00/" PORT, .driver = "igb", .group = "14",
		  .total_vfs = 7, .num_vfs = 2, .netdev = "eth0", .node = "1" },
		{ .bdf = VF0, .place = "pci0000:00/" PORT, .ids = "8086:10ca", .driver = "igbvf",
		  .group = "21", .pf = PF, .vf_index = 0 },
		{ .bdf = VF1, .place = "pci0000:00/" PORT, .ids = "8086:10ca", .group = "22",
		  .pf = PF, .vf_index = 1 },
	};

	host = fake_sysfs(none);
	for (size_t i = 0; i < sizeof(devs) / sizeof(devs[0]); i++)
		fake_pci_add(host, &devs[i]);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static struct pci_function read_dev(const char *name)
{
	struct pci_function d = { 0 };
	struct bdf bdf;

	assert_int_equal(bdf_parse(name, &bdf), 0);
	assert_int_equal(pci_function_read(host, bdf, &d), 0);
	return d;
}

static void test_a_pf_and_its_vfs_know_each_other(void **state)
{
	struct pci_function pf = read_dev(PF), vf = read_dev(VF1);
	struct bdf found;

	assert_int_equal(pf.total_vfs, 7);
	assert_int_equal(pf.num_vfs, 2);
	assert_false(pf.is_vf);
	assert_true(vf.is_vf);
	assert_true(bdf_eq(vf.pf, pf.bdf));
	assert_int_equal(vf.vf_index, 1);
	assert_int_equal(pci_function_vf(host, pf.bdf, 0, &found), 0);
	assert_string_equal(BDF_STR(found), VF0);
	assert_int_equal(pci_function_vf(host, pf.bdf, 2, &found), -ENODEV);
	assert_string_equal(BDF_STR(found), VF0); /* untouched */
}

static void test_a_vf_keeps_its_number_while_others_go(void **state)
{
	char id[PCI_IDENTITY_MAX];
	struct pci_function vf;

	/* numvfs going to 0 takes the links from virtfn0 upwards, each before its VF. */
	fake_sysfs_remove(host, DEV_DIR PF "/virtfn0");
	assert_int_equal(read_dev(VF1).vf_index, 1);
	vf = read_dev(VF0);
	assert_true(vf.is_vf);
	assert_int_equal(vf.vf_index, -1); /* unknown, and not VF 0 */
	assert_int_equal(pci_path_identity(host, vf.bdf, id, sizeof(id)), -ENODEV);
}

static void test_binding_group_node_and_netdev(void **state)
{
	struct pci_function pf = read_dev(PF), vf = read_dev(VF1);

	assert_string_equal(pf.driver, "igb");
	assert_string_equal(pf.override, ""); /* "(null)" is none */
	assert_int_equal(pf.group, 14);
	assert_int_equal(pf.numa_node, 1);
	assert_int_equal(pf.netdev_count, 1);
	assert_string_equal(pf.netdevs[0], "eth0");
	assert_string_equal(vf.driver, "");
	assert_int_equal(vf.numa_node, -1);
	fake_sysfs_text(host, "vfio-pci", DEV_DIR VF1 "/driver_override");
	assert_string_equal(read_dev(VF1).override, "vfio-pci");
}

static void test_the_binding_alone_is_what_the_whole_says(void **state)
{
	static const char *const names[] = { PORT, PF, VF0, VF1 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct pci_function all = read_dev(names[i]), d;

		assert_int_equal(pci_function_read_binding(host, all.bdf, &d), 0);
		assert_string_equal(d.driver, all.driver);
		assert_int_equal(d.group, all.group);
		assert_int_equal(pci_function_numa_node(host, all.bdf), all.numa_node);
	}
	assert_int_equal(pci_function_read_binding(host, (struct bdf){ .bus = 9 },
						   &(struct pci_function){ 0 }),
			 -ENODEV);
}

static void test_a_virtio_nic_is_found_below_its_virtio_device(void **state)
{
	fake_pci_add(host, &(struct fake_pci){ .bdf = "0000:00:03.0", .driver = "virtio-pci" });
	fake_sysfs_text(host, "", DEV_DIR "0000:00:03.0/virtio2/net/ens3/mtu");
	assert_string_equal(read_dev("0000:00:03.0").netdevs[0], "ens3");
}

static void test_what_is_not_there_is_not_a_device(void **state)
{
	struct pci_function d = { .vendor = 7 };

	assert_int_equal(pci_function_read(host, (struct bdf){ 0, 9, 0, 0 }, &d), -ENODEV);
	assert_int_equal(d.vendor, 7);
	fake_sysfs_text(host, "garbage", DEV_DIR VF1 "/vendor");
	assert_int_equal(pci_function_read(host, read_dev(VF0).bdf, &d), 0);
	assert_int_equal(pci_function_read(host, (struct bdf){ 0, 1, 0x10, 2 }, &d), -EINVAL);
	fake_sysfs_text(host, "0x12345", DEV_DIR VF1 "/vendor");
	assert_int_equal(pci_function_read(host, (struct bdf){ 0, 1, 0x10, 2 }, &d), -ERANGE);
}

static void test_bars_come_from_resource(void **state)
{
	struct pci_function d;

	fake_sysfs_text(host,
			"0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n"
			"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
			"0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
			"0x0000004000000000 0x000000403fffffff 0x000000000014220c\n"
			"nonsense\n",
			DEV_DIR PF "/resource");
	d = read_dev(PF);
	assert_int_equal(d.bars[0].size, 0x20000);
	assert_int_equal(d.bars[1].size, 0);
	assert_int_equal(d.bars[2].start, 0xc000);
	assert_int_equal(d.bars[3].size, 1ull << 30);
	assert_int_equal(d.bars[4].size, 0);
}

static void test_msix_is_found_and_a_looping_list_ends(void **state)
{
	unsigned char cfg[256] = { [0x06] = 0x10, [0x34] = 0x40, [0x40] = 0x05, [0x41] = 0x50,
				   [0x50] = 0x11, [0x51] = 0x00, [0x52] = 0x09 };

	fake_put_bytes(host, DEV_DIR PF "/config", cfg, sizeof(cfg));
	assert_int_equal(read_dev(PF).msix_vectors, 10);
	cfg[0x50] = 0x10;
	cfg[0x51] = 0x40; /* back to the first */
	fake_put_bytes(host, DEV_DIR PF "/config", cfg, sizeof(cfg));
	assert_int_equal(read_dev(PF).msix_vectors, 0);
	fake_put_bytes(host, DEV_DIR PF "/config", cfg, 64); /* what an ordinary user gets */
	assert_int_equal(read_dev(PF).msix_vectors, -1);
}

static void test_parents_are_the_bridges_above(void **state)
{
	struct bdf parents[4];

	assert_int_equal(pci_path_parents(host, read_dev(VF0).bdf, parents, 4), 1);
	assert_string_equal(BDF_STR(parents[0]), PORT);
	assert_int_equal(pci_path_parents(host, read_dev(PORT).bdf, parents, 4), 0);
	assert_int_equal(pci_path_parents(host, read_dev(VF0).bdf, parents, 0), 0);
	assert_int_equal(pci_path_parents(host, (struct bdf){ 0, 9, 0, 0 }, parents, 4), -ENODEV);
}

/* A bridge may lack a driver, and what is elsewhere does not count. */
static void test_a_function_without_driver_blocks_recovery_below_its_port(void **state)
{
	static const struct fake_pci more[] = {
		{ .bdf = "0000:00:02.0", .header_type = 1, .driver = "pcieport", .class = 0x060400 },
		{ .bdf = "0000:02:00.0", .place = "pci0000:00/0000:00:02.0", .driver = "nvme" },
		{ .bdf = "0000:02:00.1", .place = "pci0000:00/0000:00:02.0", .header_type = 1,
		  .class = 0x060400 },
		{ .bdf = "0000:00:1f.0" },
	};
	struct bdf elsewhere, blocker = { 0 };

	assert_int_equal(pci_recovery_blocker(host, read_dev(VF0).bdf, &blocker), 1);
	assert_string_equal(BDF_STR(blocker), VF1);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		fake_pci_add(host, &more[i]);
	assert_int_equal(bdf_parse("0000:02:00.0", &elsewhere), 0);
	assert_int_equal(pci_recovery_blocker(host, elsewhere, &blocker), 0);
	assert_int_equal(pci_recovery_blocker(host, read_dev("0000:00:1f.0").bdf, &blocker), 0);
	assert_int_equal(pci_recovery_blocker(host, (struct bdf){ 0, 9, 0, 0 }, &blocker), -ENODEV);
	assert_string_equal(BDF_STR(blocker), VF1);
}

static void test_identity_tells_devices_apart_but_not_bus_numbers(void **state)
{
	char a[PCI_IDENTITY_MAX], b[PCI_IDENTITY_MAX], vf[PCI_IDENTITY_MAX];

	assert_int_equal(pci_path_identity(host, read_dev(PF).bdf, a, sizeof(a)), 0);
	assert_non_null(strstr(a, "8086:10c9/"));
	assert_non_null(strstr(a, "pci0000:00/01.0/00.0"));
	assert_int_equal(pci_path_identity(host, read_dev(VF1).bdf, vf, sizeof(vf)), 0);
	assert_int_equal(strncmp(vf, a, strlen(a)), 0); /* its PF's, and its index */
	assert_string_equal(vf + strlen(a), " vf1");
	fake_sysfs_text(host, "0x1528", DEV_DIR PF "/device");
	assert_int_equal(pci_path_identity(host, read_dev(PF).bdf, b, sizeof(b)), 0);
	assert_string_not_equal(a, b);
}

static void test_the_serial_number_is_part_of_the_identity(void **state)
{
	unsigned char cfg[512] = { [0] = 0x86, [0x100] = 0x03, [0x102] = 0x01, [0x104] = 0xef,
				   [0x105] = 0xbe };
	char id[PCI_IDENTITY_MAX];

	fake_put_bytes(host, DEV_DIR PF "/config", cfg, sizeof(cfg));
	assert_int_equal(pci_path_identity(host, read_dev(PF).bdf, id, sizeof(id)), 0);
	assert_non_null(strstr(id, "serial=000000000000beef"));
	memset(cfg, 0xff, sizeof(cfg)); /* it fell off the bus: nothing to compare */
	fake_put_bytes(host, DEV_DIR PF "/config", cfg, sizeof(cfg));
	assert_int_equal(pci_path_identity(host, read_dev(PF).bdf, id, sizeof(id)), -EIO);
}

static void test_a_group_is_viable_when_no_host_driver_has_an_endpoint_of_it(void **state)
{
	static const struct {
		const char *driver; /* of the second endpoint */
		bool viable;
	} rows[] = {
		{ "vfio-pci", true }, { "mlx5_vfio_pci", true }, { "nvgrace_gpu_vfio_pci", true },
		{ "pci-stub", true }, { NULL, true },		 { "ahci", false },
		{ "xhci_hcd", false },
	};

	fake_pci_add(host, &(struct fake_pci){ .bdf = "0000:04:01.0", .group = "16" });
	fake_pci_add(host, &(struct fake_pci){ .bdf = "0000:03:00.0", .group = "16",
					       .header_type = 1, .driver = "shpchp" });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct topo topo;

		fake_sysfs_remove(host, DEV_DIR "0000:04:02.0/driver");
		fake_pci_add(host, &(struct fake_pci){ .bdf = "0000:04:02.0", .group = "16",
						       .driver = rows[i].driver });
		assert_int_equal(topo_scan(host, &topo, NULL), 0);
		assert_int_equal(topo_group_viable(&topo, 16), rows[i].viable);
		topo_fini(&topo);
	}
}

static void test_the_topology_is_in_order_and_knows_group_members(void **state)
{
	const struct pci_function *d = NULL;
	struct topo topo;

	fake_pci_add(host, &(struct fake_pci){ .bdf = "10000:00:00.0", .group = "21" });
	assert_int_equal(topo_scan(host, &topo, NULL), 0);
	assert_int_equal(topo.count, 5);
	for (size_t i = 1; i < topo.count; i++)
		assert_true(bdf_cmp(topo.devs[i - 1].bdf, topo.devs[i].bdf) < 0);
	d = topo_group_next(&topo, 21, NULL);
	assert_string_equal(BDF_STR(d->bdf), VF0);
	d = topo_group_next(&topo, 21, d);
	assert_string_equal(BDF_STR(d->bdf), "10000:00:00.0");
	assert_null(topo_group_next(&topo, 21, d));
	assert_null(topo_find(&topo, (struct bdf){ 0, 9, 0, 0 }));
	topo_fini(&topo);
	assert_null(topo_find(&topo, (struct bdf){ 0, 9, 0, 0 }));
}

static void test_a_device_that_hangs_does_not_hang_the_scan(void **state)
{
	const struct pci_function *d;
	struct topo topo;

	aside_wait_ms = 700;
	/* Opening a FIFO that nobody writes to blocks, as a device lock does that is never let go. */
	fake_sysfs_remove(host, DEV_DIR VF0 "/driver_override");
	assert_int_equal(mkfifoat(host, DEV_DIR VF0 "/driver_override", 0600), 0);
	assert_int_equal(topo_scan(host, &topo, NULL), 0);
	assert_int_equal(topo.count, 4);
	for (size_t i = 0; i < topo.count; i++)
		assert_int_equal(topo.devs[i].busy, strcmp(BDF_STR(topo.devs[i].bdf), VF0) == 0);
	d = topo_find(&topo, read_dev(VF1).bdf);
	assert_int_equal(d->group, 22); /* the one behind it was read */
	d = topo_find(&topo, (struct bdf){ 0, 1, 0x10, 0 });
	assert_string_equal(d->driver, "igbvf"); /* and of it what needs no lock */
	assert_int_equal(d->vf_index, 0);
	topo_fini(&topo);
}

static void test_why_there_is_no_group_has_three_answers(void **state)
{
	struct err unseen = { .code = -ENODEV }, seen = { .code = -ENODEV };

	assert_int_equal(topo_iommu_state(host), IOMMU_ON); /* there are groups */
	fake_sysfs_remove(host, "sys/kernel/iommu_groups");
	assert_int_equal(topo_iommu_state(host), IOMMU_NO_FIRMWARE);
	topo_hint_no_group(host, &unseen);
	assert_non_null(strstr(unseen.hint, "the firmware's tables are not to be seen"));
	fake_sysfs_text(host, "", "sys/firmware/acpi/tables/FACP");
	assert_int_equal(topo_iommu_state(host), IOMMU_NO_FIRMWARE);
	topo_hint_no_group(host, &seen);
	assert_non_null(strstr(seen.hint, "no DMAR or IVRS table"));
	fake_sysfs_text(host, "", "sys/firmware/acpi/tables/IVRS");
	assert_int_equal(topo_iommu_state(host), IOMMU_NOT_ENABLED);
	fake_sysfs_text(host, "", "sys/class/iommu/ivhd0");
	assert_int_equal(topo_iommu_state(host), IOMMU_ON);
}

static void test_names_fall_back_to_numbers(void **state)
{
	struct names *names = names_open(host);
	char buf[128];

	assert_non_null(names);
	assert_non_null(strstr(names_device(names, 0xfff5, 0x1234, buf, sizeof(buf)),
			       "device fff5:1234"));
	/* With a database or without: never empty, never the end of the process. */
	assert_true(names_device(names, 0x8086, 0x10c9, buf, sizeof(buf))[0]);
	assert_true(names_class(names, 0x020000, buf, sizeof(buf))[0]);
	assert_null(names_close(names));
	assert_null(names_close(NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_pf_and_its_vfs_know_each_other),
		TEST(test_a_vf_keeps_its_number_while_others_go),
		TEST(test_binding_group_node_and_netdev),
		TEST(test_the_binding_alone_is_what_the_whole_says),
		TEST(test_a_virtio_nic_is_found_below_its_virtio_device),
		TEST(test_what_is_not_there_is_not_a_device),
		TEST(test_bars_come_from_resource),
		TEST(test_msix_is_found_and_a_looping_list_ends),
		TEST(test_parents_are_the_bridges_above),
		TEST(test_a_function_without_driver_blocks_recovery_below_its_port),
		TEST(test_identity_tells_devices_apart_but_not_bus_numbers),
		TEST(test_the_serial_number_is_part_of_the_identity),
		TEST(test_a_group_is_viable_when_no_host_driver_has_an_endpoint_of_it),
		TEST(test_the_topology_is_in_order_and_knows_group_members),
		TEST(test_a_device_that_hangs_does_not_hang_the_scan),
		TEST(test_why_there_is_no_group_has_three_answers),
		TEST(test_names_fall_back_to_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
