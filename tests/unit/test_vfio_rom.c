// SPDX-License-Identifier: GPL-2.0-or-later
/* The expansion ROM that a guest finds: the device's, a file's, none; and NVIDIA's clique. */
#include "tests/fake/vfio_machine.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/vfio.h>

#include "vmm/vfio_pci/internal.h"

#define ENABLE PCI_ROM_ADDRESS_ENABLE

static struct vfio_machine m;

static void put(unsigned off, unsigned len, uint32_t value)
{
	cfg_put(&m.guest, MACHINE_BUS, 0, off, len, value);
}

static uint32_t get(unsigned off, unsigned len)
{
	return cfg_get(&m.guest, MACHINE_BUS, 0, off, len);
}

static void prepare(void)
{
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	m.config.devices[0].rom_fd = -1;
}

static void device_rom(uint64_t size)
{
	/* Where the host has it: not the guest's business. */
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_ROM_ADDRESS + 2, "\x20", 1);
	fake_vfio_region(&m.dev, VFIO_PCI_ROM_REGION_INDEX, size, VFIO_REGION_INFO_FLAG_READ);
	fake_vfio_poke(&m.dev, VFIO_PCI_ROM_REGION_INDEX, 0, "\x55\xaa" "device", 8);
}

static void is_at(uint64_t addr, const char *want)
{
	uint8_t b[8];

	bus_read(m.guest.vm.mmio, addr, b, sizeof(b));
	assert_memory_equal(b, want, sizeof(b));
}

static const struct kvm_userspace_memory_region *slot_at(uint64_t gpa)
{
	for (unsigned i = 0; i < m.kvm.nslots; i++)
		if (m.kvm.slots[i].guest_phys_addr == gpa)
			return &m.kvm.slots[i];
	return NULL;
}

static void test_no_rom_has_no_register(void **state)
{
	prepare();
	assert_int_equal(vfio_machine_start(&m), 0);
	put(PCI_ROM_ADDRESS, 4, 0xffffffff);
	assert_int_equal(get(PCI_ROM_ADDRESS, 4), 0);
	vfio_machine_free(&m);
}

static void test_the_devices_own(void **state)
{
	uint64_t addr;

	prepare();
	device_rom(64 * KiB);
	assert_int_equal(vfio_machine_start(&m), 0);
	addr = get(PCI_ROM_ADDRESS, 4);
	assert_true(addr && addr % (64 * KiB) == 0); /* placed, and off */
	put(PCI_ROM_ADDRESS, 4, 0xfffff800);
	assert_int_equal(get(PCI_ROM_ADDRESS, 4), 0xffff0000);
	put(PCI_ROM_ADDRESS, 4, (uint32_t)addr | ENABLE);
	assert_null(m.set->devices[0]->rom.data); /* nobody looked yet */
	/* Both switches. */
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	is_at(addr, "\x55\xaa" "device");
	assert_non_null(slot_at(addr));
	assert_int_equal(slot_at(addr)->flags, KVM_MEM_READONLY);
	bus_write(m.guest.vm.mmio, addr, (const uint8_t *)"12345678", 8);
	is_at(addr, "\x55\xaa" "device");
	put(PCI_ROM_ADDRESS, 4, (uint32_t)addr);
	assert_null(slot_at(addr));
	is_at(addr, "\xff\xff\xff\xff\xff\xff\xff\xff");
	/* It is the one that was read, wherever it goes. */
	put(PCI_ROM_ADDRESS, 4, (uint32_t)(addr + 64 * KiB) | ENABLE);
	is_at(addr + 64 * KiB, "\x55\xaa" "device");
	vfio_machine_free(&m);
}

static void test_a_files(void **state)
{
	int fd = memfd_create("rom", MFD_CLOEXEC);
	uint64_t addr;

	assert_int_equal(ftruncate(fd, 5000), 0);
	assert_int_equal(pwrite(fd, "\x55\xaa" "a file", 8, 0), 8);
	prepare();
	device_rom(64 * KiB);
	m.config.devices[0].rom = VMM_ROM_FILE;
	m.config.devices[0].rom_fd = fd;
	assert_int_equal(vfio_machine_start(&m), 0);
	addr = get(PCI_ROM_ADDRESS, 4);
	put(PCI_ROM_ADDRESS, 4, 0xfffff800);
	assert_int_equal(get(PCI_ROM_ADDRESS, 4), 0xffffe000); /* 8 KiB for 5000 bytes */
	put(PCI_ROM_ADDRESS, 4, (uint32_t)addr | ENABLE);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	is_at(addr, "\x55\xaa" "a file");
	is_at(addr + 8192 - 8, "\xff\xff\xff\xff\xff\xff\xff\xff");
	vfio_machine_free(&m);
	close(fd);
}

static void test_a_file_that_is_none(void **state)
{
	int fd = memfd_create("rom", MFD_CLOEXEC);

	prepare();
	m.config.devices[0].rom = VMM_ROM_FILE;
	m.config.devices[0].rom_fd = fd;
	assert_int_equal(vfio_machine_start(&m), -EINVAL);
	assert_non_null(strstr(m.guest.err.text, "its ROM file is empty"));
	vfio_machine_free(&m);

	assert_int_equal(ftruncate(fd, 16 * MiB + 1), 0);
	prepare();
	m.config.devices[0].rom = VMM_ROM_FILE;
	m.config.devices[0].rom_fd = fd;
	assert_int_equal(vfio_machine_start(&m), -EINVAL);
	vfio_machine_free(&m);
	close(fd);
}

static void test_a_file_that_shrank_reads_as_far_as_it_goes(void **state)
{
	int fd = memfd_create("rom", MFD_CLOEXEC);
	uint64_t addr;

	assert_int_equal(ftruncate(fd, 8192), 0);
	prepare();
	m.config.devices[0].rom = VMM_ROM_FILE;
	m.config.devices[0].rom_fd = fd;
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_int_equal(ftruncate(fd, 100), 0);
	addr = get(PCI_ROM_ADDRESS, 4);
	put(PCI_ROM_ADDRESS, 4, (uint32_t)addr | ENABLE);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	is_at(addr, "\0\0\0\0\0\0\0");
	is_at(addr + 4096, "\xff\xff\xff\xff\xff\xff\xff\xff");
	vfio_machine_free(&m);
	close(fd);
}

static void test_off(void **state)
{
	prepare();
	device_rom(64 * KiB);
	m.config.devices[0].rom = VMM_ROM_OFF;
	assert_int_equal(vfio_machine_start(&m), 0);
	put(PCI_ROM_ADDRESS, 4, 0xffffffff);
	assert_int_equal(get(PCI_ROM_ADDRESS, 4), 0);
	vfio_machine_free(&m);
}

/* --- clique --- */

static void gpu(void)
{
	prepare();
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID, "\xde\x10", 2);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_CLASS_DEVICE, "\x02\x03", 2);
	m.config.devices[0].clique = 5 + 1;
}

/* Its PCI Express capability ends below 0xc8, as those of NVIDIA's do. */
static void gpu_with_room(void)
{
	static const uint8_t exp[] = { PCI_CAP_ID_EXP, 0, 2, 0 };

	gpu();
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x71, "\x80", 1);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x80, exp, sizeof(exp));
}

static unsigned find_cap(uint8_t id)
{
	unsigned pos = get(PCI_CAPABILITY_LIST, 1);

	for (unsigned n = 0; pos && n < 48; n++) {
		if (get(pos, 1) == id)
			return pos;
		pos = get(pos + 1, 1);
	}
	return 0;
}

static void test_a_clique_is_a_capability(void **state)
{
	gpu_with_room();
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_int_equal(find_cap(PCI_CAP_ID_VNDR), 0xc8);
	assert_int_equal(get(0xc8, 4) >> 16, 0x5008);
	assert_int_equal(get(0xcc, 4), 'P' << 8 | '2' | (5 << 3) << 16);
	put(0xcc, 4, 0xffffffff);
	assert_int_equal(get(0xcc, 4), 'P' << 8 | '2' | (5 << 3) << 16);
	assert_true(find_cap(PCI_CAP_ID_EXP) && find_cap(PCI_CAP_ID_MSIX));
	vfio_machine_free(&m);
}

static void test_a_clique_is_for_gpus_of_nvidias(void **state)
{
	gpu();
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID, "\x02\x10", 2);
	assert_int_equal(vfio_machine_start(&m), -EINVAL);
	assert_non_null(strstr(m.guest.err.text, "no GPU of NVIDIA's"));
	vfio_machine_free(&m);
}

static void test_a_clique_needs_room(void **state)
{
	gpu_with_room();
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xcf, "\1", 1);
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_int_equal(find_cap(PCI_CAP_ID_VNDR), 0xd4); /* something is at 0xcf */
	vfio_machine_free(&m);

	gpu(); /* its PCI Express capability is at 0xa0, and 60 bytes long */
	assert_int_equal(vfio_machine_start(&m), -ENOSPC);
	vfio_machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rom_has_no_register),
		cmocka_unit_test(test_the_devices_own),
		cmocka_unit_test(test_a_files),
		cmocka_unit_test(test_a_file_that_is_none),
		cmocka_unit_test(test_a_file_that_shrank_reads_as_far_as_it_goes),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_a_clique_is_a_capability),
		cmocka_unit_test(test_a_clique_is_for_gpus_of_nvidias),
		cmocka_unit_test(test_a_clique_needs_room),
	};

	return cmocka_run_group_tests_name("vfio_rom", tests, NULL, NULL);
}
