// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that writes garbage, of any width and anywhere, into the configuration space of its
 * device and of the port above it, into BARs and MSI-X table: nothing of it reaches RAM's
 * memory slots, another BAR or a route that is in use, and nothing is left over.
 */
#include "tests/fake/vfio_machine.h"

#include <unistd.h>

#include <linux/vfio.h>

#include "irq/msix.h"
#include "tests/fake/ioctl.h"
#include "vmm/mem.h"
#include "vmm/vfio_pci/internal.h"

#define ROUNDS 60000

static struct vfio_machine m;
static uint64_t state_;

static uint32_t any(uint32_t below)
{
	state_ ^= state_ << 13;
	state_ ^= state_ >> 7;
	state_ ^= state_ << 17;
	return (uint32_t)(state_ >> 16) % below;
}

/* Where a BAR would do harm, or cross another one. */
static uint32_t address(void)
{
	uint32_t low = (uint32_t)m.set->devices[any(m.set->ndevices)]->pci.bar[any(2) * 3].assigned;

	switch (any(6)) {
	case 0: return any(5 * MiB);
	case 1: return (uint32_t)LAYOUT_ECAM + any(LAYOUT_ECAM_SIZE);
	case 2: return (uint32_t)LAYOUT_MMIO32 + any(64) * 4096;
	case 3: return (uint32_t)LAYOUT_LAPIC + any(2) * 4096;
	default: return low + any(9) * 4096 - 4 * 4096;
	}
}

static uint32_t garbage(void)
{
	static const uint32_t special[] = { 0, ~0u, 1, 2, 4, 6, 7, 0x80000000, 0xc0000000, 0xfee00000 };

	if (any(3) == 0)
		return any(UINT32_MAX);
	return any(2) ? special[any(ARRAY_SIZE(special))] : address();
}

static void access_at(struct bus *bus, uint64_t addr, unsigned len)
{
	uint8_t b[8];

	put_le32(b, garbage());
	put_le32(b + 4, garbage());
	if (any(4))
		bus_write(bus, addr, b, len);
	else
		bus_read(bus, addr, b, len);
}

static void attack_config(void)
{
	static const uint16_t liked[] = { PCI_COMMAND, PCI_COMMAND, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_1,
					  PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_4, 0x72, 0x72, 0xa8,
					  PCI_PRIMARY_BUS, PCI_BRIDGE_CONTROL, 0x58 };
	unsigned off = any(4) ? liked[any(ARRAY_SIZE(liked))] + (any(8) ? 0 : any(4)) :
				any(PCI_CONFIG_SIZE);
	unsigned bus = any(8) ? MACHINE_BUS + any(m.set->ndevices) : any(256);
	unsigned slot = any(8) ? 0 : any(32);
	uint8_t b[4];

	if (any(16) == 0)
		bus = 0, slot = 1 + any(2); /* the ports */
	if (any(3)) {
		access_at(m.guest.vm.mmio, fake_ecam(bus, slot, 0, off), 1u << any(4));
		return;
	}
	put_le32(b, 0x80000000 | bus << 16 | slot << 11 | (off & 0xfc));
	bus_write(m.guest.vm.pio, LAYOUT_PCI_CF8 + any(2) * any(8), b, 4);
	access_at(m.guest.vm.pio, LAYOUT_PCI_CF8 + any(8), 1u << any(3));
}

/* At its address, or where it was put last; across the table's ends, too. */
static void attack_bar(void)
{
	struct pci_bar *bar = &m.set->devices[any(m.set->ndevices)]->pci.bar[any(2) * 3];
	uint64_t addr = any(4) ? bar->addr : bar->assigned;

	access_at(m.guest.vm.mmio, addr + (any(4) ? any(0x40) : any(16 * KiB)), 1u << any(4));
}

static bool overlap(const struct kvm_userspace_memory_region *a,
		    const struct kvm_userspace_memory_region *b)
{
	return a->guest_phys_addr < b->guest_phys_addr + b->memory_size &&
	       b->guest_phys_addr < a->guest_phys_addr + a->memory_size;
}

static void assert_slots_are_harmless(void)
{
	for (unsigned i = 0; i < m.kvm.nslots; i++) {
		const struct kvm_userspace_memory_region *s = &m.kvm.slots[i];
		uint64_t end = s->guest_phys_addr + s->memory_size;

		assert_true(s->guest_phys_addr >= LAYOUT_MMIO32);
		assert_true(end <= LAYOUT_MMIO32_END || s->guest_phys_addr >= 4 * GiB);
		assert_true(end <= 512 * GiB);
		for (unsigned k = 0; k < i; k++)
			assert_false(overlap(s, &m.kvm.slots[k]));
	}
}

static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void use_all_vectors(void)
{
	uint64_t table = m.set->devices[0]->pci.bar[3].assigned;
	uint8_t b[4];

	pci_reset(m.guest.vm.pci);
	cfg_put(&m.guest, MACHINE_BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned i = 0; i < 3; i++) {
		put_le32(b, 0xfee00000 + i * 0x1000);
		bus_write(m.guest.vm.mmio, table + 16 * i, b, 4);
		put_le32(b, 0);
		bus_write(m.guest.vm.mmio, table + 16 * i + 12, b, 4);
	}
	vectors_settle(msix_vectors(m.set->devices[0]->msix));
}

static void begin(unsigned devices, uint64_t seed)
{
	state_ = seed;
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	m.config.device_count = devices;
	m.config.devices[1] = m.config.devices[0];
	assert_int_equal(vfio_machine_start(&m), 0);
}

static void test_garbage_into_one_device_leaves_nothing_behind(void **state)
{
	unsigned slots;
	int fd;

	begin(1, 4711);
	use_all_vectors();
	fd = lowest_free_fd();
	slots = m.kvm.nslots;
	assert_int_equal(m.kvm.nirqfds, 3);
	for (unsigned i = 0; i < ROUNDS; i++) {
		any(3) ? attack_config() : attack_bar();
		if (any(64) == 0)
			vectors_settle(msix_vectors(m.set->devices[0]->msix));
		if (any(256) == 0)
			use_all_vectors();
		assert_slots_are_harmless();
		assert_true(lowest_free_fd() <= fd);
		assert_true(m.kvm.nirqfds <= 3);
	}
	assert_true(m.dev.resets > 0);
	assert_int_equal(m.dev.over_live, 0);
	assert_int_equal(m.kvm.broken_order, 0);
	/* And the next boot finds all as the first one did. */
	use_all_vectors();
	assert_int_equal(m.kvm.nslots, slots);
	assert_int_equal(m.kvm.nirqfds, 3);
	assert_int_equal(lowest_free_fd(), fd);
	vfio_machine_free(&m);
}

/* They are one fake device, so its interrupts are not looked at. */
static void test_bars_of_two_devices_never_share_an_address(void **state)
{
	begin(2, 815);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned bus = MACHINE_BUS + any(2), reg = PCI_BASE_ADDRESS_0 + 4 * any(6);

		if (any(3))
			cfg_put(&m.guest, bus, 0, reg, 4, any(3) ? address() : any(2));
		else
			cfg_put(&m.guest, bus, 0, PCI_COMMAND, 2, any(8));
		assert_slots_are_harmless();
	}
	assert_true(m.dma_unmaps > 100);
	vfio_machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_garbage_into_one_device_leaves_nothing_behind),
		cmocka_unit_test(test_bars_of_two_devices_never_share_an_address),
	};

	return cmocka_run_group_tests_name("vfio_hostile", tests, NULL, NULL);
}
