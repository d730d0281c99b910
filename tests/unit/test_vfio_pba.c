// SPDX-License-Identifier: GPL-2.0-or-later
/* Pending bits that are the device's, of one with more vectors than a dword has bits. */
#include "tests/fake/vfio_machine.h"

#include <unistd.h>

#include <linux/vfio.h>

#include "irq/msix.h"
#include "irq/vectors.h"
#include "vmm/vfio_pci/internal.h"

#define VECTORS 70
#define PBA	0x2000 /* in BAR 3 */

static struct vfio_machine m;
static unsigned reads; /* of the device's pending bits */

ssize_t __real_pread(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t off)
{
	uint64_t first = FAKE_VFIO_OFFSET(3) + PBA;

	reads += (uint64_t)off >= first && (uint64_t)off < first + 16;
	return __real_pread(fd, buf, len, off);
}

static int setup(void **state)
{
	uint8_t size[2];

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le16(size, VECTORS - 1);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x72, size, 2);
	m.dev.irq[VFIO_PCI_MSIX_IRQ_INDEX].count = VECTORS;
	assert_int_equal(vfio_machine_start(&m), 0);
	cfg_put(&m.guest, MACHINE_BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	reads = 0;
	return 0;
}

static int teardown(void **state)
{
	vfio_machine_free(&m);
	return 0;
}

static void set_bit(unsigned vector, bool on)
{
	uint8_t b = (uint8_t)(on << vector % 8);

	fake_vfio_poke(&m.dev, 3, PBA + vector / 8, &b, 1);
}

static uint64_t pending(unsigned off, unsigned len)
{
	uint8_t b[8] = { 0 };

	bus_read(m.guest.vm.mmio, m.set->devices[0]->pci.bar[3].assigned + PBA + off, b, len);
	return get_le64(b);
}

static void test_each_bit_is_its_vectors(void **state)
{
	for (unsigned i = 0; i < 128; i++) {
		bool there = i < VECTORS;

		set_bit(i, true);
		assert_int_equal(pending(0, 8), i < 64 ? 1ull << i : 0);
		assert_int_equal(pending(8, 8), there && i >= 64 ? 1ull << (i - 64) : 0);
		assert_int_equal(pending(i / 32 * 4, 4), there ? 1ull << i % 32 : 0);
		assert_int_equal(pending(i / 8, 1), there ? 1ull << i % 8 : 0);
		set_bit(i, false);
	}
}

/* Each is one of the device, across the bus. */
static void test_a_dword_is_read_once_for_an_access(void **state)
{
	static const struct {
		unsigned off, len, reads;
	} rows[] = { { 0, 4, 1 }, { 4, 4, 1 }, { 0, 8, 2 }, { 8, 8, 1 }, { 5, 1, 1 }, { 12, 4, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		reads = 0;
		(void)pending(rows[i].off, rows[i].len);
		assert_int_equal(reads, rows[i].reads);
	}
}

/* What one access saw is not the next one's. */
static void test_the_next_access_looks_again(void **state)
{
	set_bit(40, true);
	assert_int_equal(pending(4, 4), 1 << 8);
	set_bit(40, false);
	assert_int_equal(pending(4, 4), 0);
	/* Nor that of whoever asks for one vector alone. */
	set_bit(40, true);
	assert_true(vectors_pending(msix_vectors(m.set->devices[0]->msix), 40));
	set_bit(40, false);
	assert_false(vectors_pending(msix_vectors(m.set->devices[0]->msix), 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_each_bit_is_its_vectors),
		TEST(test_a_dword_is_read_once_for_an_access),
		TEST(test_the_next_access_looks_again),
#undef TEST
	};

	return cmocka_run_group_tests_name("vfio_pba", tests, NULL, NULL);
}
