// SPDX-License-Identifier: GPL-2.0-or-later
/* Capabilities, link, errors, interrupts and reserved addresses of a function. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/le.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/out.h"
#include "vfio/iommu_group.h"
#include "vfio/pci_aer.h"
#include "vfio/pci_config.h"
#include "vfio/pci_function.h"
#include "vfio/pci_interrupts.h"
#include "vfio/pci_link.h"

#define DEV	"0000:01:00.0"
#define DEV_DIR "sys/bus/pci/devices/" DEV "/"

static const struct bdf dev = { .bus = 1 };
static int host = -1;
static uint8_t cfg[4096];

static void put_config(size_t size)
{
	fake_put_bytes(host, DEV_DIR "config", cfg, size);
}

/* A chain PM 40 -> MSI-X 50 -> nothing, and AER 100 -> place holder 140 -> ACS 160. */
static int setup(void **state)
{
	host = fake_sysfs((const struct fake_node[]){ { 0 } });
	fake_pci_add(host, &(struct fake_pci){ .bdf = DEV });
	memset(cfg, 0, sizeof(cfg));
	put_le32(cfg, 0x10c98086);
	put_le16(cfg + 0x06, 0x0010);
	cfg[0x34] = 0x40;
	cfg[0x3d] = 1;
	cfg[0x40] = 0x01;
	cfg[0x41] = 0x50;
	cfg[0x50] = 0x11;
	put_le16(cfg + 0x52, 0x8000 | 9);
	put_le32(cfg + 0x100, 0x14020001);
	put_le32(cfg + 0x140, 0x16010000);
	put_le32(cfg + 0x160, 0x0001000d);
	put_le16(cfg + 0x164, 0x001d);
	put_config(4096);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static void test_both_chains_are_walked(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_cap caps[PCI_CAPS_MAX];

	pci_config_open(host, dev, &c);
	assert_int_equal(pci_config_caps(&c, caps, PCI_CAPS_MAX), 4);
	assert_string_equal(pci_cap_name(&caps[0]), "PM");
	assert_string_equal(pci_cap_name(&caps[1]), "MSI-X");
	assert_string_equal(pci_cap_name(&caps[2]), "AER");
	assert_int_equal(caps[2].version, 2);
	assert_string_equal(pci_cap_name(&caps[3]), "ACS");
	assert_int_equal(caps[3].pos, 0x160);
	assert_int_equal(pci_config_find(&c, 0x0d, true), 0x160);
	assert_int_equal(pci_config_find(&c, 0x0d, false), 0); /* other numbers, other chain */
	assert_int_equal(pci_config_u16(&c, 0x164), 0x1d);
	assert_int_equal(pci_config_caps(&c, caps, 3), 3);
}

static void test_an_ordinary_user_sees_no_capabilities(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_interrupts i;
	struct pci_cap cap;

	put_config(64);
	pci_config_open(host, dev, &c);
	assert_int_equal(c.size, 64);
	assert_false(pci_config_whole(&c));
	assert_int_equal(pci_config_caps(&c, &cap, 1), 0);
	pci_interrupts_read(host, dev, &c, &i);
	assert_false(i.known); /* and not "has none" */
	assert_true(i.intx);
}

static void test_a_conventional_function_has_no_extended_ones(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_cap caps[PCI_CAPS_MAX];

	put_config(256);
	pci_config_open(host, dev, &c);
	assert_true(pci_config_whole(&c));
	assert_int_equal(pci_config_caps(&c, caps, PCI_CAPS_MAX), 2);
}

static void test_chains_that_loop_end(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_cap caps[PCI_CAPS_MAX];

	cfg[0x51] = 0x40;
	put_le32(cfg + 0x160, 0x1001000d); /* back to 100 */
	put_config(4096);
	pci_config_open(host, dev, &c);
	assert_int_equal(pci_config_caps(&c, caps, PCI_CAPS_MAX), 4); /* each once */
	assert_int_equal(caps[3].pos, 0x160);
	assert_int_equal(pci_config_find(&c, 0x7, true), 0);
	assert_int_equal(pci_config_find(&c, 0x7, false), 0);
}

/* As tests/data/rs690 has it: at 100 the ids again, which would lead on to d00. */
static void test_the_first_bytes_over_again_are_no_capabilities(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_cap caps[PCI_CAPS_MAX];

	for (unsigned at = 256; at < sizeof(cfg); at += 256)
		memcpy(cfg + at, cfg, 256);
	put_config(4096);
	pci_config_open(host, dev, &c);
	assert_int_equal(pci_config_caps(&c, caps, PCI_CAPS_MAX), 2);
	assert_int_equal(pci_config_find(&c, 0x8086, true), 0);
}

static void test_a_vf_has_no_ids_but_capabilities(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_function d;

	put_le32(cfg, 0xffffffff); /* the kernel gives a VF's ids in files of their own */
	put_config(4096);
	pci_config_open(host, dev, &c);
	assert_true(pci_config_whole(&c));
	assert_int_equal(pci_config_find(&c, 0x11, false), 0x50);
	assert_int_equal(pci_function_read(host, dev, &d), 0);
	assert_int_equal(d.msix_vectors, 10);
	assert_int_equal(d.header_type, 0);
}

static void test_a_device_that_does_not_answer_has_nothing(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_function d;

	memset(cfg, 0xff, sizeof(cfg));
	put_config(4096);
	pci_config_open(host, dev, &c);
	assert_int_equal(c.size, 0);
	assert_true(c.mute);
	assert_int_equal(pci_config_u32(&c, 0x100), 0);
	assert_int_equal(pci_function_read(host, dev, &d), 0);
	assert_int_equal(d.header_type, 0x7f);
	assert_int_equal(d.msix_vectors, -1);
	pci_config_close(&c);
	pci_config_open(host, (struct bdf){ .bus = 9 }, &c);
	assert_int_equal(c.size, 0);
}

static void test_interrupts_there_and_taken(void **state)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	struct pci_interrupts i;

	cfg[0x51] = 0x70;
	cfg[0x70] = 0x05;
	put_le16(cfg + 0x72, 0x0086); /* 8 vectors */
	put_config(4096);
	fake_sysfs_text(host, "msix", DEV_DIR "msi_irqs/33");
	fake_sysfs_text(host, "msix", DEV_DIR "msi_irqs/34");
	pci_config_open(host, dev, &c);
	pci_interrupts_read(host, dev, &c, &i);
	assert_true(i.known);
	assert_int_equal(i.msix, 10);
	assert_int_equal(i.msi, 8);
	assert_int_equal(i.taken, 2);
}

static void put_link(const char *speed, const char *width)
{
	fake_sysfs_text(host, speed, DEV_DIR "current_link_speed");
	fake_sysfs_text(host, width, DEV_DIR "current_link_width");
	fake_sysfs_text(host, "16.0 GT/s PCIe", DEV_DIR "max_link_speed");
	fake_sysfs_text(host, "16", DEV_DIR "max_link_width");
}

static void test_links_as_the_kernel_words_them(void **state)
{
	char text[PCI_LINK_STRLEN];
	struct pci_link l;

	put_link("2.5 GT/s PCIe", "16");
	pci_link_read(host, dev, &l);
	assert_string_equal(pci_link_str(l.mts, l.width, text, sizeof(text)), "2.5 GT/s x16");
	assert_string_equal(pci_link_str(l.max_mts, l.max_width, text, sizeof(text)), "16 GT/s x16");
	assert_true(pci_link_reduced(&l));
	put_link("8 GT/s", "8"); /* as Linux 3.10 words it */
	pci_link_read(host, dev, &l);
	assert_int_equal(l.mts, 8000);
	put_link("16.0 GT/s PCIe", "8");
	pci_link_read(host, dev, &l);
	assert_true(pci_link_reduced(&l));
	put_link("16.0 GT/s PCIe", "16");
	pci_link_read(host, dev, &l);
	assert_false(pci_link_reduced(&l));
}

static void test_a_link_that_is_down_is_not_a_slow_one(void **state)
{
	char text[PCI_LINK_STRLEN];
	struct pci_link l;

	put_link("2.5 GT/s PCIe", "0"); /* a port with an empty slot */
	pci_link_read(host, dev, &l);
	assert_int_equal(l.mts, 0);
	assert_false(pci_link_reduced(&l));
	assert_string_equal(pci_link_str(l.mts, l.width, text, sizeof(text)), "");
	put_link("Unknown", "255");
	pci_link_read(host, dev, &l);
	assert_int_equal(l.width, 0);
	pci_link_read(host, (struct bdf){ .bus = 9 }, &l);
	assert_int_equal(l.max_width, 0);
}

static void test_errors_are_named_unless_none_came(void **state)
{
	struct pci_aer a;

	pci_aer_read(host, dev, &a);
	assert_false(a.there);
	fake_sysfs_text(host, "RxErr 3\nBadTLP 0\nTimeout 12\nTOTAL_ERR_COR 15",
			DEV_DIR "aer_dev_correctable");
	fake_sysfs_text(host, "Undefined 0\nTOTAL_ERR_FATAL 0", DEV_DIR "aer_dev_fatal");
	pci_aer_read(host, dev, &a);
	assert_true(a.there);
	assert_int_equal(a.correctable.total, 15);
	assert_string_equal(a.correctable.kinds, "RxErr 3, Timeout 12");
	assert_int_equal(a.fatal.total, 0);
	assert_string_equal(a.fatal.kinds, "");
}

static void test_reserved_addresses_of_a_group(void **state)
{
	struct iommu_region r[2];
	char type[24];

	fake_sysfs_text(host,
			"0x00000000000e0000 0x00000000000fffff direct\n"
			"nonsense\n"
			"0x00000000fee00000 0x00000000feefffff msi\n"
			"0x0001000000000000 0xffffffffffffffff reserved",
			"sys/kernel/iommu_groups/7/reserved_regions");
	fake_sysfs_text(host, "DMA-FQ", "sys/kernel/iommu_groups/7/type");
	assert_int_equal(iommu_group_regions(host, 7, r, 2), 2);
	assert_int_equal(r[0].last, 0xfffff);
	assert_string_equal(r[0].kind, "direct");
	assert_int_equal(r[1].first, 0xfee00000);
	assert_string_equal(iommu_group_type(host, 7, type, sizeof(type)), "DMA-FQ");
	assert_int_equal(iommu_group_regions(host, 8, r, 2), -ENOENT);
	assert_string_equal(iommu_group_type(host, 8, type, sizeof(type)), "");
}

static void test_long_facts_break_behind_commas(void **state)
{
	char text[400] = "", *shown = NULL, *line, *save = NULL;
	unsigned lines = 0;
	size_t size, n = 0;
	FILE *out = open_memstream(&shown, &size);

	for (unsigned i = 0; i < 12; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%svendor [%x]", i ? ", " : "", i);
	out_fact(out, "capabilities", text);
	out_fact(out, "nothing", "");
	fclose(out);
	for (line = strtok_r(shown, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_true(strlen(line) <= 98);
		assert_int_equal(strncmp(line, lines ? "                 v" : "  capabilities   v", 18),
				 0);
		lines++;
	}
	assert_int_equal(lines, 2);
	free(shown);
	out = open_memstream(&shown, &size);
	out_fact(
		out, "name",
		"1002:7300 Advanced Micro Devices, Inc. [AMD/ATI] Fiji [Radeon R9 FURY / NANO Series]");
	fclose(out);
	assert_string_equal(shown,
			    "  name           1002:7300 Advanced Micro Devices, Inc. [AMD/ATI] "
			    "Fiji [Radeon R9 FURY / NANO\n                 Series]\n");
	free(shown);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_chains_are_walked),
		TEST(test_an_ordinary_user_sees_no_capabilities),
		TEST(test_a_conventional_function_has_no_extended_ones),
		TEST(test_chains_that_loop_end),
		TEST(test_the_first_bytes_over_again_are_no_capabilities),
		TEST(test_a_vf_has_no_ids_but_capabilities),
		TEST(test_a_device_that_does_not_answer_has_nothing),
		TEST(test_interrupts_there_and_taken),
		TEST(test_links_as_the_kernel_words_them),
		TEST(test_a_link_that_is_down_is_not_a_slow_one),
		TEST(test_errors_are_named_unless_none_came),
		TEST(test_reserved_addresses_of_a_group),
		TEST(test_long_facts_break_behind_commas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
