// SPDX-License-Identifier: GPL-2.0-or-later
/* The Prometheus text: what is in it, what is left out, and that each family is in one piece. */
#include "host/metrics.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/process.h"
#include "host/metrics_internal.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "vfio/lease.h"

#define PF    "0000:01:00.0"
#define VF0   "0000:01:10.0"
#define DEV(b) "sys/bus/pci/devices/" b
#define POOL  "sys/devices/system/node/node1/hugepages/hugepages-2048kB/"

static int root = -1;
static struct metrics m;
static struct vf_stats stats[1];
static struct metrics_pf pfs[1];
static char *lines[4];
static char *out;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ POOL "nr_hugepages", "512" },
		{ POOL "free_hugepages", "500" },
		{ POOL "surplus_hugepages", "0" },
		{ "run" },
		{ 0 },
	};
	static const struct fake_pci devs[] = {
		{ .bdf = "0000:00:01.0", .header_type = 1, .class = 0x060400, .driver = "pcieport",
		  .group = "1" },
		{ .bdf = PF, .ids = "8086:10c9", .driver = "igb", .group = "14", .total_vfs = 7,
		  .num_vfs = 1, .netdev = "eth0", .node = "1" },
		{ .bdf = VF0, .ids = "8086:10ca", .driver = "vfio-pci", .group = "21", .pf = PF },
	};
	static const struct fake_node link[] = {
		{ DEV(PF) "/current_link_speed", "2.5 GT/s PCIe" },
		{ DEV(PF) "/current_link_width", "2" },
		{ DEV(PF) "/max_link_speed", "8.0 GT/s PCIe" },
		{ DEV(PF) "/max_link_width", "4" },
		{ DEV(PF) "/reset_method", "flr bus" },
		{ DEV(PF) "/aer_dev_correctable", "RxErr 3\nTOTAL_ERR_COR 3" },
		{ DEV(PF) "/aer_dev_nonfatal", "TOTAL_ERR_NONFATAL 0" },
		{ DEV(PF) "/aer_dev_fatal", "TOTAL_ERR_FATAL 0" },
		{ 0 },
	};
	struct lease l = { .bdf = { .bus = 1, .dev = 16 }, .name = "qe\"mu" };

	root = fake_sysfs(nodes);
	fake_sysfs_link(root, "/proc", "proc");
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(root, &devs[i]);
	fake_sysfs_add(root, link);
	process_self(root, &l.holder);
	prctl(PR_SET_NAME, l.name);
	l.inode = lease_inode(root, l.bdf);
	if (lease_save(root, &l) < 0)
		return -1;
	pfs[0] = (struct metrics_pf){ .pf = { .bdf = { .bus = 1 }, .netdev = "eth0", .netdevs = 1,
					      .up = true, .numvfs = 1, .totalvfs = 7 },
				      .stats = stats };
	stats[0] = (struct vf_stats){ .rx_bytes = 5000000000, .tx_dropped = 3 };
	m = (struct metrics){ .root = root, .topo = TOPO_INIT, .pfs = pfs, .pf_count = 1,
			      .log = { .lines = lines, .whole = true } };
	return topo_scan(root, &m.topo, NULL) | hugepages_read(root, &m.pools);
}

static int teardown(void **state)
{
	free(out);
	out = NULL;
	topo_fini(&m.topo);
	hugepages_fini(&m.pools);
	fake_sysfs_free(&root);
	return 0;
}

static void print(void)
{
	size_t size;
	FILE *f = open_memstream(&out, &size);

	assert_non_null(f);
	metrics_print(&m, f);
	fclose(f);
}

static void has(const char *line)
{
	const char *at = strstr(out, line);

	if (!at || (at != out && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line '%s' in:\n%s", line, out);
}

static void test_what_is_known_is_there_in_base_units(void **state)
{
	print();
	has("thruway_device_info{device=\"" PF "\",ids=\"8086:10c9\",driver=\"igb\",group=\"14\","
	    "numa_node=\"1\",netdev=\"eth0\"} 1");
	has("thruway_device_info{device=\"" VF0 "\",ids=\"8086:10ca\",driver=\"vfio-pci\","
	    "group=\"21\",pf=\"" PF "\",vf=\"0\"} 1");
	has("thruway_iommu_group_viable{group=\"14\"} 0");
	has("thruway_iommu_group_viable{group=\"21\"} 1");
	has("thruway_hugepages_bytes{node=\"1\",page_bytes=\"2097152\"} 1073741824");
	has("thruway_hugepages_free_bytes{node=\"1\",page_bytes=\"2097152\"} 1048576000");
	has("thruway_pcie_link_transfers_per_second{device=\"" PF "\"} 2500000000");
	has("thruway_pcie_link_max_transfers_per_second{device=\"" PF "\"} 8000000000");
	has("thruway_pcie_link_lanes{device=\"" PF "\"} 2");
	has("thruway_pcie_aer_errors_total{device=\"" PF "\",severity=\"correctable\"} 3");
	has("thruway_pf_vfs{device=\"" PF "\",netdev=\"eth0\"} 1");
	has("thruway_pf_carrier{device=\"" PF "\",netdev=\"eth0\"} 0");
	has("thruway_vf_receive_bytes_total{pf=\"" PF "\",netdev=\"eth0\",vf=\"0\"} 5000000000");
	has("thruway_vf_transmit_dropped_packets_total{pf=\"" PF "\",netdev=\"eth0\",vf=\"0\"} 3");
	has("thruway_device_leased{device=\"" VF0 "\",holder=\"qe\\\"mu\"} 1");
}

static void test_what_is_not_known_is_left_out(void **state)
{
	pfs[0].stats = NULL;
	strcpy(pfs[0].pf.netdev, "e\xfe");
	print();
	has("thruway_pf_vfs{device=\"" PF "\",netdev=\"e?\"} 1"); /* no UTF-8, and nothing would be taken */
	free(out);
	pfs[0].pf.netdevs = 0;
	m.log.error = -EPERM;
	hugepages_fini(&m.pools);
	print();
	assert_null(strstr(out, "thruway_vf_"));
	assert_null(strstr(out, "thruway_pf_up"));
	assert_non_null(strstr(out, "thruway_pf_vfs{"));
	assert_null(strstr(out, "reset_failures"));
	assert_null(strstr(out, "hugepages"));
	/* A VF has no link and no counted errors of its own. */
	assert_null(strstr(out, "thruway_pcie_link_lanes{device=\"" VF0));
	assert_null(strstr(out, "thruway_pcie_aer_errors_total{device=\"" VF0));
}

static void test_resets_that_failed_are_counted_if_the_log_is_whole(void **state)
{
	lines[0] = (char *)"[    1.0] vfio-pci " PF ": not ready 1023ms after FLR; waiting";
	lines[1] = (char *)"[    2.0] vfio-pci " PF ": not ready 65535ms after FLR; giving up";
	lines[2] = (char *)"[    3.0] igb " PF ": something else; giving up";
	lines[3] = (char *)"[    4.0] vfio-pci " VF0 ": not ready 65535ms after bus reset; giving up";
	m.log.count = 4;
	print();
	has("thruway_device_reset_failures_total{device=\"" PF "\"} 1");
	has("thruway_device_reset_failures_total{device=\"" VF0 "\"} 1");
	m.log.whole = false;
	free(out);
	print();
	assert_null(strstr(out, "reset_failures"));
}

static void test_label_values_cannot_end_a_label(void **state)
{
	const struct family f = { .name = "x" };
	size_t size;
	FILE *s = open_memstream(&out, &size);

	metrics_sample(&f, s, 7, "a", "q\"b\\\nz", "none", "", "b", "{}", NULL);
	metrics_sample(&f, s, 8, NULL);
	fclose(s);
	assert_string_equal(out, "x{a=\"q\\\"b\\\\\\nz\",b=\"{}\"} 7\nx 8\n");
}

/* HELP, TYPE, then samples of that name only; no name twice; counters end in _total. */
static void test_each_family_is_in_one_piece(void **state)
{
	char name[128] = "", type[16] = "", seen[8192] = " ", *line, *rest;
	unsigned families = 0, samples = 0;

	m.log.count = 0;
	print();
	for (rest = out; (line = strsep(&rest, "\n")) && *line;) {
		char key[160];

		if (sscanf(line, "# HELP %127s", name) == 1) {
			snprintf(key, sizeof(key), " %s ", name);
			if (strstr(seen, key))
				fail_msg("%s twice", name);
			strncat(seen, key + 1, sizeof(seen) - strlen(seen) - 1);
			families++;
			line = strsep(&rest, "\n");
			assert_int_equal(sscanf(line, "# TYPE %159s %15s", key, type), 2);
			assert_string_equal(key, name);
			assert_int_equal(strcmp(type, "counter") == 0,
					 strlen(name) > 6 &&
						 strcmp(name + strlen(name) - 6, "_total") == 0);
			continue;
		}
		assert_int_equal(strncmp(line, name, strlen(name)), 0);
		assert_true(line[strlen(name)] == '{' || line[strlen(name)] == ' ');
		samples++;
	}
	assert_true(families > 20 && samples >= families);
}

static void test_the_file_is_replaced_as_a_whole(void **state)
{
	struct ctx ctx = { .root = root, .command = &cmd_metrics, .out = stdout };
	char dir[] = "/tmp/thruway-test.XXXXXX", path[64];
	char *argv[] = { (char *)"metrics", (char *)"-o", path, NULL };
	char text[64] = "";
	struct err err = ERR_INIT;
	struct stat st;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.prom", dir);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(cmd_metrics.run(&ctx, 3, argv, &err), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0644);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_int_equal(strncmp(text, "# HELP thruway_build_info", 25), 0);
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* no temporary file is left */
	assert_int_equal(cmd_metrics.run(&ctx, 3, argv, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_known_is_there_in_base_units),
		TEST(test_what_is_not_known_is_left_out),
		TEST(test_resets_that_failed_are_counted_if_the_log_is_whole),
		TEST(test_label_values_cannot_end_a_label),
		TEST(test_each_family_is_in_one_piece),
		TEST(test_the_file_is_replaced_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
