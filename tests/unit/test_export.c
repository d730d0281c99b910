// SPDX-License-Identifier: GPL-2.0-or-later
/* What other VMMs are told about devices, and which devices they are not told about. */
#include "host/export.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

static char *out;

static int teardown(void **state)
{
	free(out);
	out = NULL;
	return 0;
}

static const char *print(enum export_format format, const struct export_device *devs, size_t n)
{
	size_t size;
	FILE *f;

	free(out);
	f = open_memstream(&out, &size);
	assert_non_null(f);
	export_print(f, format, devs, n);
	fclose(f);
	return out;
}

static const struct export_device vf = {
	.bdf = { .bus = 1, .dev = 16, .fn = 2 },
	.is_vf = true, .is_nic = true, .vf = 1, .pf = "eth0", .name = "NIC & Sons \"VF\" --> x",
	.attrs = { .have = 1u << VF_MAC | 1u << VF_VLAN | 1u << VF_QOS | 1u << VF_PROTO,
		   .mac = { 0x52, 0x54, 0, 0xaa, 0, 0x11 }, .vlan = 100, .proto = VF_PROTO_8021Q },
};
static const struct export_device gpu = { .bdf = { .domain = 2, .bus = 0x65 }, .name = "GPU" };

static void test_a_network_vf_is_an_interface_with_its_mac_and_vlan(void **state)
{
	assert_string_equal(print(EXPORT_LIBVIRT, &vf, 1),
			    "<!-- 0000:01:10.2, eth0/vf1: NIC &amp; Sons &quot;VF&quot; -&gt; x -->\n"
			    "<interface type='hostdev' managed='no'>\n"
			    "  <source>\n"
			    "    <address type='pci' domain='0x0000' bus='0x01' slot='0x10' "
			    "function='0x2'/>\n"
			    "  </source>\n"
			    "  <mac address='52:54:00:aa:00:11'/>\n"
			    "  <vlan>\n"
			    "    <tag id='100'/>\n"
			    "  </vlan>\n"
			    "</interface>\n");
}

static void test_without_mac_and_vlan_neither_is_claimed(void **state)
{
	struct export_device d = vf;

	memset(d.attrs.mac, 0, 6);
	d.attrs.vlan = 0;
	print(EXPORT_LIBVIRT, &d, 1);
	assert_null(strstr(out, "<mac"));
	assert_null(strstr(out, "<vlan"));
	assert_non_null(strstr(out, "libvirt makes one up -->"));
}

static void test_what_libvirt_would_lose_keeps_a_vf_from_being_an_interface(void **state)
{
	struct export_device d = vf;

	d.attrs.qos = 3;
	print(EXPORT_LIBVIRT, &d, 1);
	assert_null(strstr(out, "<interface"));
	assert_non_null(strstr(out, "<hostdev mode='subsystem' type='pci' managed='no'>"));
	assert_non_null(strstr(out, "lose its qos"));
	d = vf;
	d.attrs.proto = VF_PROTO_8021AD;
	assert_non_null(strstr(print(EXPORT_LIBVIRT, &d, 1), "<hostdev"));
	/* 802.1ad without a VLAN is no tag at all. */
	d.attrs.vlan = 0;
	assert_non_null(strstr(print(EXPORT_LIBVIRT, &d, 1), "<interface"));
	/* Attributes unknown: no PF interface to set them through. */
	d = vf;
	d.attrs.have = 0;
	assert_non_null(strstr(print(EXPORT_LIBVIRT, &d, 1), "<hostdev"));
	assert_null(strstr(out, "lose"));
}

static void test_other_devices_are_hostdevs(void **state)
{
	assert_string_equal(print(EXPORT_LIBVIRT, &gpu, 1),
			    "<!-- 0002:65:00.0: GPU -->\n"
			    "<hostdev mode='subsystem' type='pci' managed='no'>\n"
			    "  <source>\n"
			    "    <address domain='0x0002' bus='0x65' slot='0x00' function='0x0'/>\n"
			    "  </source>\n"
			    "</hostdev>\n");
}

static void test_qemu_gets_a_root_port_for_each(void **state)
{
	const struct export_device devs[] = { vf, gpu };

	assert_string_equal(
		print(EXPORT_QEMU, devs, 2),
		"-device pcie-root-port,id=thruway-port0,bus=pcie.0,chassis=100\n"
		"-device vfio-pci,host=0000:01:10.2,id=thruway0,bus=thruway-port0\n"
		"-device pcie-root-port,id=thruway-port1,bus=pcie.0,chassis=101\n"
		"-device vfio-pci,host=0002:65:00.0,id=thruway1,bus=thruway-port1\n");
}

static void test_cloud_hypervisor_gets_one_argument(void **state)
{
	const struct export_device devs[] = { vf, gpu };

	assert_string_equal(print(EXPORT_CLOUD_HYPERVISOR, devs, 2),
			    "--device path=/sys/bus/pci/devices/0000:01:10.2/ "
			    "path=/sys/bus/pci/devices/0002:65:00.0/\n");
}

static void test_text_cannot_end_a_comment(void **state)
{
	size_t size;
	FILE *f = open_memstream(&out, &size);

	assert_non_null(f);
	export_print_xml(f, "a---b<!-->\x1b[1m\n-");
	fclose(f);
	assert_string_equal(out, "a-b&lt;!-&gt; [1m -");
}

static void test_only_what_a_guest_could_open_is_exported(void **state)
{
	static const struct fake_node nodes[] = { { "run", 0 }, { 0 } };
	static const struct fake_pci devs[] = {
		{ .bdf = "0000:00:01.0", .header_type = 1, .class = 0x060400, .driver = "pcieport" },
		{ .bdf = "0000:04:00.0", .group = "42", .driver = "vfio-pci" },
		{ .bdf = "0000:04:00.1", .group = "42", .driver = "snd_hda_intel" },
		{ .bdf = "0000:05:00.0", .group = "43", .driver = "mlx5_vfio_pci" },
		{ .bdf = "0000:06:00.0", .group = "44" },
	};
	static const struct {
		struct bdf bdf;
		int result;
		const char *text, *hint;
	} rows[] = {
		{ { .dev = 1 }, -EINVAL, "it is a bridge", "" },
		{ { .bus = 4 }, -EBUSY, "its group 42 also holds 0000:04:00.1 (snd_hda_intel)",
		  "thruway bind --group 0000:04:00.0" },
		{ { .bus = 4, .fn = 1 }, -EBUSY, "it is bound to snd_hda_intel",
		  "thruway bind 0000:04:00.1" },
		{ { .bus = 5 }, 0, "", "" },
		{ { .bus = 6 }, -ENODEV, "no driver is bound to it", "thruway bind 0000:06:00.0" },
		{ { .bus = 9 }, -ENODEV, "No such device", "" },
	};
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	_cleanup_(fake_sysfs_free) int root = fake_sysfs(nodes);

	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(root, &devs[i]);
	assert_int_equal(topo_scan(root, &topo, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct export_device d;

		assert_int_equal(export_read(root, &topo, rows[i].bdf, &d, &err), rows[i].result);
		if (!strstr(err.text, rows[i].text))
			fail_msg("row %zu: '%s'", i, err.text);
		assert_string_equal(err.hint, rows[i].hint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_network_vf_is_an_interface_with_its_mac_and_vlan,
					  teardown),
		cmocka_unit_test_teardown(test_without_mac_and_vlan_neither_is_claimed, teardown),
		cmocka_unit_test_teardown(
			test_what_libvirt_would_lose_keeps_a_vf_from_being_an_interface, teardown),
		cmocka_unit_test_teardown(test_other_devices_are_hostdevs, teardown),
		cmocka_unit_test_teardown(test_qemu_gets_a_root_port_for_each, teardown),
		cmocka_unit_test_teardown(test_cloud_hypervisor_gets_one_argument, teardown),
		cmocka_unit_test_teardown(test_text_cannot_end_a_comment, teardown),
		cmocka_unit_test(test_only_what_a_guest_could_open_is_exported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
