// SPDX-License-Identifier: GPL-2.0-or-later
/* Which files are ROMs, and what the others are told. */
#include "tools/vm_rom.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "base/size.h"
#include "tests/fake/sysfs.h"

static const struct fake_node nodes[] = {
	{ "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de" },
	{ "sys/bus/pci/devices/0000:01:00.0/device", "0x20b0" },
	{ "sys/bus/pci/devices/0000:01:00.0/boot_vga", "1" },
	{ "sys/bus/pci/devices/0000:02:00.0/boot_vga", "0" },
	{ 0 },
};
static const struct bdf card = { .bus = 1 };

static uint8_t image[8 * KiB];

/* Images of 1 KiB each from the file's start on. */
static void make(unsigned images)
{
	memset(image, 0, sizeof(image));
	for (unsigned i = 0; i < images; i++) {
		uint8_t *p = image + i * KiB;

		p[0] = 0x55;
		p[1] = 0xaa;
		put_le16(p + 0x18, 0x40);
		memcpy(p + 0x40, "PCIR", 4);
		put_le16(p + 0x44, 0x10de);
		put_le16(p + 0x46, 0x20b0);
		put_le16(p + 0x50, 2);
		p[0x55] = i + 1 == images ? 0x80 : 0;
	}
}

static int look(size_t size, struct err *err)
{
	_cleanup_close_ int file = memfd_create("rom", MFD_CLOEXEC), fd = -1, root = fake_sysfs(nodes);
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);

	assert_int_equal(write(file, image, size), size);
	*err = (struct err)ERR_INIT;
	r = vm_rom_open(root, card, path, &fd, err);
	assert_int_equal(r == 0, fd >= 0);
	return r;
}

static void test_roms_of_one_image_and_of_two(void **state)
{
	struct err err;

	make(1);
	assert_int_equal(look(KiB, &err), 0);
	assert_int_equal(look(4 * KiB, &err), 0); /* what stands behind it is nobody's business */
	make(2);
	assert_int_equal(look(2 * KiB, &err), 0);
}

static void test_what_is_none(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		size_t size;
		const char *why;
	} rows[] = {
		{ 0, 0, 2 * KiB, "does not begin with 55 aa" },
		{ KiB + 1, 0, 2 * KiB, "does not begin with 55 aa" },
		{ 0x18, 0xff, 2 * KiB, "no PCI data structure" },
		{ 0x19, 0xff, 2 * KiB, "no PCI data structure" },
		{ 0x50, 0, 2 * KiB, "has no length" },
		{ 0, 0x55, KiB, "ends before its last image does" },
		{ 0, 0x55, KiB + 512, "ends before its last image does" },
		{ 0, 0x55, 16, "ends before its last image does" },
		{ KiB + 0x55, 0, 2 * KiB, "ends before its last image does" },
	};
	struct err err;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		make(2);
		image[rows[i].at] = rows[i].value;
		assert_int_equal(look(rows[i].size, &err), -EINVAL);
		if (!strstr(err.text, rows[i].why))
			fail_msg("row %u: %s", i, err.text);
		assert_non_null(strstr(err.hint, "55 aa"));
	}
}

static void test_a_chain_of_images_ends(void **state)
{
	struct err err;

	make(8); /* and the last does not say so */
	image[7 * KiB + 0x55] = 0;
	assert_int_equal(look(8 * KiB, &err), -EINVAL);
}

static void test_the_boot_display_needs_a_copy(void **state)
{
	_cleanup_close_ int root = fake_sysfs(nodes);
	struct err err = ERR_INIT;

	assert_int_equal(vm_rom_refuse_boot_display(root, card, &err), -EBUSY);
	assert_non_null(strstr(err.text, "the display that this host's firmware started"));
	assert_non_null(strstr(err.hint, "romfile=FILE"));
	assert_int_equal(vm_rom_refuse_boot_display(root, (struct bdf){ .bus = 2 }, &err), 0);
	assert_int_equal(vm_rom_refuse_boot_display(root, (struct bdf){ .bus = 3 }, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roms_of_one_image_and_of_two),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_a_chain_of_images_ends),
		cmocka_unit_test(test_the_boot_display_needs_a_copy),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests_name("vm_rom", tests, NULL, NULL);
}
