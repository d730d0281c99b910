// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host function as the guest sees it: what reaches the device and what does not,
 * where BARs go, and in which order things are set up and taken down.
 */
#include "tests/fake/vfio_machine.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <linux/vfio.h>

#include "base/loop.h"
#include "irq/irqfd.h"
#include "irq/msix.h"
#include "tests/fake/ioctl.h"
#include "vfio/irqset.h"
#include "vmm/bar_fault.h"
#include "vmm/mem.h"
#include "vmm/memslot.h"
#include "vmm/vfio_pci/internal.h"

static struct vfio_machine m;

static uint32_t get(unsigned off, unsigned len)
{
	return cfg_get(&m.guest, MACHINE_BUS, 0, off, len);
}

static void put(unsigned off, unsigned len, uint32_t value)
{
	cfg_put(&m.guest, MACHINE_BUS, 0, off, len, value);
}

static uint32_t device(unsigned off, unsigned len)
{
	uint8_t b[4] = { 0 };

	fake_vfio_peek(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, off, b, len);
	return get_le32(b);
}

static void poke(struct bus *bus, uint64_t addr, const void *data, unsigned len)
{
	bus_write(bus, addr, data, len);
}

static void begin(void)
{
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	assert_int_equal(vfio_machine_start(&m), 0);
}

static uint64_t bar(unsigned i)
{
	return m.set->devices[0]->pci.bar[i].assigned;
}

static const struct kvm_userspace_memory_region *slot_at(uint64_t gpa)
{
	for (unsigned i = 0; i < m.kvm.nslots; i++)
		if (m.kvm.slots[i].guest_phys_addr == gpa)
			return &m.kvm.slots[i];
	return NULL;
}

/* --- order --- */

static void test_setup_and_teardown_keep_the_kernels_order(void **state)
{
	begin();
	assert_string_equal(m.order, "CIKmD");
	m.set = vfio_pci_detach_all(m.set);
	assert_string_equal(m.order, "CIKmDuc");
	vfio_machine_free(&m);
}

static void test_no_device_needs_no_vfio(void **state)
{
	vfio_machine_new(&m);
	m.config.device_count = m.config.group_count = 0;
	m.config.container_fd = -1;
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_null(m.set);
	assert_string_equal(m.order, "");
	vfio_machine_free(&m);
}

static void test_bridge_is_refused_and_everything_undone(void **state)
{
	uint8_t bridge = 1;

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_HEADER_TYPE, &bridge, 1);
	assert_int_equal(vfio_machine_start(&m), -EINVAL);
	assert_non_null(strstr(m.guest.err.text, "0000:01:10.0 is a bridge"));
	vfio_machine_free(&m);
}

static void test_refused_group_names_the_device(void **state)
{
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	m.not_viable = true;
	assert_int_equal(vfio_machine_start(&m), -EPERM);
	assert_non_null(
		strstr(m.guest.err.text, "cannot attach 0000:01:10.0: IOMMU group 42 is not "));
	assert_null(m.set);
	vfio_machine_free(&m);
}

static void test_table_outside_its_bar_is_refused(void **state)
{
	uint8_t reg[4];

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le32(reg, 0x3ff8 | 3); /* 48 bytes, of which 8 fit */
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x74, reg, 4);
	assert_int_equal(vfio_machine_start(&m), -EPROTO);
	assert_non_null(strstr(m.guest.err.text, "its MSI-X table does not lie in BAR 3"));
	vfio_machine_free(&m);
}

/* --- configuration space --- */

static void test_header_is_ours_and_status_the_devices(void **state)
{
	begin();
	assert_int_equal(get(PCI_VENDOR_ID, 4), 0x10ca8086);
	assert_int_equal(get(PCI_CLASS_REVISION, 4), 0x02000001);
	assert_int_equal(get(PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(get(PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(get(PCI_ROM_ADDRESS, 4), 0);
	/* The device's status changes under us: an error it saw. */
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_STATUS + 1, "\x20", 1);
	assert_int_equal(get(PCI_STATUS, 2), 0x2000 | PCI_STATUS_CAP_LIST);
	vfio_machine_free(&m);
}

static void test_hidden_capabilities_leave_no_trace(void **state)
{
	begin();
	assert_int_equal(get(PCI_CAPABILITY_LIST, 1), 0x70);
	assert_int_equal(get(0x71, 1), 0xa0);
	assert_int_equal(get(0xa1, 1), 0);
	/* AER → vendor-specific; ARI between them is gone, its registers too. */
	assert_int_equal(get(0x100, 4), (PCI_EXT_CAP_ID_ERR | 1 << 16 | 0x1a0u << 20));
	assert_int_equal(get(0x1a0, 4), PCI_EXT_CAP_ID_VNDR | 1 << 16);
	assert_int_equal(get(0x154, 4), 0);
	put(0x154, 4, 0x12345678);
	assert_int_equal(device(0x154, 4), 0xaaaaaaaa);
	vfio_machine_free(&m);
}

static void test_a_hidden_head_keeps_the_list(void **state)
{
	uint8_t head[4], next[4];

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le32(head, PCI_EXT_CAP_ID_SRIOV | 1 << 16 | 0x150u << 20);
	put_le32(next, PCI_EXT_CAP_ID_ERR | 1 << 16);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x100, head, 4);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x150, next, 4);
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_int_equal(get(0x100, 4), (1 << 16 | 0x150u << 20));
	assert_int_equal(get(0x150, 4), PCI_EXT_CAP_ID_ERR | 1 << 16);
	vfio_machine_free(&m);
}

static void test_circular_lists_are_refused(void **state)
{
	uint8_t b[4];

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xa1, "\x70", 1);
	assert_int_equal(vfio_machine_start(&m), -EPROTO);
	vfio_machine_free(&m);

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le32(b, PCI_EXT_CAP_ID_VNDR | 1 << 16 | 0x100u << 20);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x1a0, b, 4);
	assert_int_equal(vfio_machine_start(&m), -EPROTO);
	assert_non_null(strstr(m.guest.err.text, "is a circle"));
	vfio_machine_free(&m);
}

/*
 * Every (offset, width) a guest can write: the device may change only in bytes that
 * are its own, and in the command register.
 */
static void test_only_the_devices_own_bytes_reach_it(void **state)
{
	static uint8_t before[PCI_CONFIG_SIZE], after[PCI_CONFIG_SIZE];
	struct vfio_pci *v;

	begin();
	v = m.set->devices[0];
	for (unsigned len = 1; len <= 4; len *= 2) {
		for (unsigned off = 0; off < PCI_CONFIG_SIZE; off += len) {
			/* Neither enable nor reset anything: that has its own tests. */
			uint32_t value = off <= 0xa9 && 0xa9 < off + len ? 0 : 0x55555555;

			if (off <= 0x73 && 0x73 < off + len)
				value = 0;
			fake_vfio_peek(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0, before,
				       sizeof(before));
			put(off, len, value);
			fake_vfio_peek(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0, after,
				       sizeof(after));
			for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
				bool command = i == PCI_COMMAND || i == PCI_COMMAND + 1;
				bool own = v->emulated[i] == 0 && i >= off && i < off + len;

				if (before[i] != after[i] && !command && !own)
					fail_msg("%u bytes at 0x%x changed byte 0x%x", len, off, i);
			}
		}
	}
	assert_int_equal(v->emulated[0x40], 0);
	assert_int_equal(device(0x40, 4), 0x55555555);
	vfio_machine_free(&m);
}

static void test_every_read_is_safe_and_like_its_bytes(void **state)
{
	begin();
	for (unsigned off = 0; off < PCI_CONFIG_SIZE; off += 4) {
		uint32_t whole = get(off, 4);

		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(get(off + i, 1), whole >> 8 * i & 0xff);
		assert_int_equal(get(off + 2, 2), whole >> 16);
	}
	vfio_machine_free(&m);
}

static void test_msix_control_is_taken_in_any_width(void **state)
{
	begin();
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(m.dev.mode, VFIO_PCI_MSIX_IRQ_INDEX);
	put(0x73, 1, 0);
	assert_int_equal(m.dev.mode, -1);
	put(0x70, 4, (uint32_t)PCI_MSIX_FLAGS_ENABLE << 16);
	assert_int_equal(m.dev.mode, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(get(0x70, 4), (0xa000u | PCI_CAP_ID_MSIX | 0x80020000u));
	assert_int_equal(device(0x72, 2), 2); /* VFIO's own: nothing was written there */
	vfio_machine_free(&m);
}

static void write_control(unsigned width, uint32_t flags)
{
	if (width == 1)
		put(0x73, 1, flags >> 8);
	else if (width == 2)
		put(0x72, 2, flags);
	else
		put(0x70, 4, flags << 16);
}

/* One vector is unmasked in the table, so that it is live when the control register lets it. */
static void control_is(uint32_t flags)
{
	bool on = flags & PCI_MSIX_FLAGS_ENABLE, mask = flags & PCI_MSIX_FLAGS_MASKALL;
	struct vector_stats s;

	vectors_stats(msix_vectors(m.set->devices[0]->msix), &s);
	assert_int_equal(m.dev.mode, on ? VFIO_PCI_MSIX_IRQ_INDEX : -1);
	assert_int_equal(s.irqfds + s.user, on && !mask);
	assert_int_equal(get(0x72, 1), 2);
	assert_int_equal(get(0x73, 1), flags >> 8);
	assert_int_equal(get(0x72, 2), flags | 2);
	assert_int_equal(get(0x70, 4) >> 16, flags | 2);
}

/* From each of the four states to each, in each width. */
static void test_msix_enable_and_function_mask_in_any_width(void **state)
{
	static const uint32_t states[] = { 0, PCI_MSIX_FLAGS_MASKALL, PCI_MSIX_FLAGS_ENABLE,
					   PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL };
	uint8_t unmasked[4] = { 0 };

	begin();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	bus_write(m.guest.vm.mmio, bar(3) + PCI_MSIX_ENTRY_VECTOR_CTRL, unmasked, 4);
	for (unsigned width = 1; width <= 4; width *= 2)
		for (unsigned i = 0; i < 16; i++) {
			write_control(2, states[i / 4]);
			write_control(width, states[i % 4]);
			control_is(states[i % 4]);
			put(0x72, 1, 0xff); /* the table's size is not to be written */
			control_is(states[i % 4]);
		}
	vfio_machine_free(&m);
}

/* Until the host has an interrupt for a vector, the bit is the device's. */
static void test_pending_bits_of_vectors_never_unmasked_are_the_devices(void **state)
{
	uint8_t b[8], zero[4] = { 0 };

	begin();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	fake_vfio_poke(&m.dev, 3, 0x2000, "\xfe", 1);
	bus_read(m.guest.vm.mmio, bar(3) + 0x2000, b, 8);
	assert_int_equal(get_le64(b), 0);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	bus_read(m.guest.vm.mmio, bar(3) + 0x2000, b, 8);
	assert_int_equal(get_le64(b), 6); /* there are three */
	bus_write(m.guest.vm.mmio, bar(3) + 0x1c, zero, 4);
	bus_read(m.guest.vm.mmio, bar(3) + 0x2000, b, 8);
	assert_int_equal(get_le64(b), 4);
	vfio_machine_free(&m);
}

static void test_msi_pending_bits_of_vectors_never_unmasked_are_the_devices(void **state)
{
	uint8_t cap[24] = { PCI_CAP_ID_MSI, 0xa0 };

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le16(cap + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 1 << 1);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x50, cap, sizeof(cap));
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x71, "\x50", 1);
	m.dev.irq[VFIO_PCI_MSI_IRQ_INDEX].count = 2;
	m.dev.irq[VFIO_PCI_MSI_IRQ_INDEX].flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	assert_int_equal(vfio_machine_start(&m), 0);
	put(0x50 + PCI_MSI_MASK_64, 4, 3);
	put(0x50 + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 1 << 4);
	assert_int_equal(get(0x50 + PCI_MSI_PENDING_64, 4), 0);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x50 + PCI_MSI_PENDING_64, "\x03", 1);
	assert_int_equal(get(0x50 + PCI_MSI_PENDING_64, 4), 3);
	put(0x50 + PCI_MSI_MASK_64, 4, 2);
	assert_int_equal(get(0x50 + PCI_MSI_PENDING_64, 4), 2);
	vfio_machine_free(&m);
}

static void test_function_level_reset_forgets(void **state)
{
	begin();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_true(m.kvm.nslots > 0);
	put(0xa0 + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(m.dev.resets, 1);
	assert_int_equal(m.dev.mode, -1);
	assert_int_equal(get(PCI_COMMAND, 2), 0);
	assert_int_equal(device(PCI_COMMAND, 2), 0);
	assert_int_equal(get(PCI_BASE_ADDRESS_0 + 4, 4), 0);
	assert_int_equal(m.kvm.nslots, 0);
	vfio_machine_free(&m);
}

/* One with Advanced Features at 0x40, and without an FLR of PCI Express unless told. */
static void begin_with_af(uint8_t cap, bool express_flr)
{
	static const uint8_t link = 0x40, none[4];
	const uint8_t af[PCI_CAP_AF_SIZEOF] = { PCI_CAP_ID_AF, 0, PCI_CAP_AF_SIZEOF, cap };

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xa1, &link, 1);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, link, af, sizeof(af));
	if (!express_flr)
		fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xa0 + PCI_EXP_DEVCAP, none,
			       sizeof(none));
	assert_int_equal(vfio_machine_start(&m), 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(m.dev.mode, VFIO_PCI_MSIX_IRQ_INDEX);
}

static void test_an_flr_by_advanced_features_forgets_as_well(void **state)
{
	/* Of any width, and also where there are both. */
	static const struct {
		bool express;
		unsigned len;
	} rows[] = { { false, 1 }, { false, 2 }, { false, 4 }, { true, 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_with_af(PCI_AF_CAP_TP | PCI_AF_CAP_FLR, rows[i].express);
		put(0x40 + PCI_AF_CTRL, rows[i].len, 0);
		assert_int_equal(m.dev.resets, 0);
		put(0x40 + PCI_AF_CTRL, rows[i].len, PCI_AF_CTRL_FLR);
		assert_int_equal(m.dev.resets, 1);
		assert_int_equal(m.dev.mode, -1);
		assert_int_equal(get(0x72, 2) & PCI_MSIX_FLAGS_ENABLE, 0);
		assert_int_equal(get(PCI_COMMAND, 2), 0);
		assert_int_equal(m.kvm.nslots, 0);
		vfio_machine_free(&m);
	}
	/* It says that it has none. */
	begin_with_af(PCI_AF_CAP_TP, false);
	put(0x40 + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
	assert_int_equal(m.dev.mode, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(m.dev.resets, 0);
	vfio_machine_free(&m);
}

static void test_guest_reset_silences_the_device_first(void **state)
{
	begin();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	pci_reset(m.guest.vm.pci);
	assert_int_equal(m.dev.resets, 1);
	assert_int_equal(m.dev.mode, -1);
	assert_int_equal(device(PCI_COMMAND, 2), 0);
	assert_int_equal(m.kvm.nslots, 0);
	/* And again as at first. */
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_non_null(slot_at(bar(0)));
	vfio_machine_free(&m);
}

/* --- BARs --- */

static void test_bar_is_mapped_but_for_table_and_pending_bits(void **state)
{
	begin();
	assert_int_equal(m.kvm.nslots, 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(device(PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	assert_non_null(slot_at(bar(0)));
	assert_int_equal(slot_at(bar(0))->memory_size, 16 * KiB);
	/* BAR 3: table in page 0, pending bits in page 2. */
	assert_null(slot_at(bar(3)));
	assert_int_equal(slot_at(bar(3) + 0x1000)->memory_size, 0x1000);
	assert_int_equal(slot_at(bar(3) + 0x3000)->memory_size, 0x1000);
	assert_int_equal(m.kvm.nslots, 3);
	put(PCI_COMMAND, 2, 0);
	assert_int_equal(m.kvm.nslots, 0);
	assert_int_equal(device(PCI_COMMAND, 2), 0);
	vfio_machine_free(&m);
}

static unsigned slots_seen;

/* Mapped or about to be, its memory answers: the kernel gives SIGBUS for it else. */
static void on_slot(void *opaque, const struct kvm_userspace_memory_region *region)
{
	slots_seen++;
	assert_true(device(PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
}

static void test_the_device_decodes_as_long_as_it_is_mapped(void **state)
{
	uint8_t io[4];

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le32(io, PCI_BASE_ADDRESS_SPACE_IO);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_2, io, 4);
	fake_vfio_region(&m.dev, 2, 32, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
	assert_int_equal(vfio_machine_start(&m), 0);
	m.kvm.on_slot = on_slot;
	slots_seen = 0;
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(slots_seen, 3);
	put(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(slots_seen, 6);
	assert_int_equal(device(PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	/* One off as another comes on. */
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	put(PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(slots_seen, 12);
	assert_int_equal(device(PCI_COMMAND, 2), PCI_COMMAND_IO);
	m.kvm.on_slot = NULL;
	vfio_machine_free(&m);
}

static void test_there_is_room_for_the_vectors_before_the_start(void **state)
{
	struct rlimit before, low, limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	begin();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(limit.rlim_cur > 64);
	vfio_machine_free(&m);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* What the kernel looks at before it lets a page of a BAR be touched. */
static void test_memory_that_sleeps_or_does_not_decode_is_waited_for(void **state)
{
	static const uint8_t link = 0x40, pm[] = { PCI_CAP_ID_PM, 0, 0x03, 0x00, 0x03, 0x00 };
	static const uint8_t off[2], on[2] = { PCI_COMMAND_MEMORY }, awake[2];
	struct bar_faults *faults;

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0xa1, &link, 1);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x40, pm, sizeof(pm));
	assert_int_equal(vfio_machine_start(&m), 0);
	faults = bar_faults_new(m.guest.vm.slots);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(m.kvm.nslots, 3);
	assert_int_equal(bar_faults_met(faults, NULL, true, 0), 3);
	assert_int_not_equal(bar_faults_retry(faults, 50000000000), UINT64_MAX); /* it is in D3hot */
	assert_int_equal(m.kvm.nslots, 0);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x44, awake, sizeof(awake));
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, off, sizeof(off));
	assert_int_not_equal(bar_faults_retry(faults, 100000000000), UINT64_MAX);
	assert_int_equal(m.kvm.nslots, 0);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, on, sizeof(on));
	assert_int_equal(bar_faults_retry(faults, 200000000000), UINT64_MAX);
	assert_int_equal(m.kvm.nslots, 3);
	bar_faults_free(faults);
	vfio_machine_free(&m);
}

static void test_mapped_page_is_the_devices(void **state)
{
	const struct kvm_userspace_memory_region *s;

	begin();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	fake_vfio_poke(&m.dev, 3, 0x3008, "register", 9);
	s = slot_at(bar(3) + 0x3000);
	assert_string_equal((const char *)(uintptr_t)s->userspace_addr + 8, "register");
	vfio_machine_free(&m);
}

static void test_table_is_emulated_and_its_page_goes_to_the_device(void **state)
{
	uint8_t b[8], device_table[0x30], zero[0x30] = { 0 };

	begin();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	put_le32(b, 0xfee01000);
	bus_write(m.guest.vm.mmio, bar(3), b, 4);
	bus_read(m.guest.vm.mmio, bar(3), b, 4);
	assert_int_equal(get_le32(b), 0xfee01000);
	fake_vfio_peek(&m.dev, 3, 0, device_table, sizeof(device_table));
	assert_memory_equal(device_table, zero, sizeof(zero));
	/* Behind the three entries the page is the device's, and an access may span both. */
	poke(m.guest.vm.mmio, bar(3) + 0x30, "abcd", 4);
	bus_read(m.guest.vm.mmio, bar(3) + 0x2c, b, 8);
	assert_int_equal(get_le32(b), 1); /* masked */
	assert_memory_equal(b + 4, "abcd", 4);
	/* The pending bits do not take a write, nor does the device. */
	poke(m.guest.vm.mmio, bar(3) + 0x2000, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	bus_read(m.guest.vm.mmio, bar(3) + 0x2000, b, 8);
	assert_int_equal(get_le64(b), 0);
	fake_vfio_peek(&m.dev, 3, 0x2000, b, 8);
	assert_int_equal(get_le64(b), 0);
	vfio_machine_free(&m);
}

static void test_interrupt_through_table_and_bus(void **state)
{
	uint8_t b[4];

	begin();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	put_le32(b, 0xfee00000);
	bus_write(m.guest.vm.mmio, bar(3) + 0x10, b, 4);
	put_le32(b, 0x41);
	bus_write(m.guest.vm.mmio, bar(3) + 0x18, b, 4);
	put_le32(b, 0);
	bus_write(m.guest.vm.mmio, bar(3) + 0x1c, b, 4);
	assert_true(m.dev.trigger[1] >= 0);
	assert_int_equal(m.dev.trigger[0], -1);
	vectors_settle(msix_vectors(m.set->devices[0]->msix));
	assert_int_equal(m.kvm.nirqfds, 1);
	vfio_machine_free(&m);
}

static void test_io_and_small_bars_go_over_the_bus(void **state)
{
	uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	uint8_t b[4];

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le32(b, PCI_BASE_ADDRESS_SPACE_IO);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_2, b, 4);
	fake_vfio_region(&m.dev, 2, 32, rw);
	put_le32(b, 0);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_5, b, 4);
	fake_vfio_region(&m.dev, 5, 256, rw);
	assert_int_equal(vfio_machine_start(&m), 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_null(slot_at(bar(5)));
	poke(m.guest.vm.pio, bar(2) + 3, "x", 1);
	poke(m.guest.vm.mmio, bar(5) + 8, "yz", 2);
	fake_vfio_peek(&m.dev, 2, 3, b, 1);
	assert_int_equal(b[0], 'x');
	fake_vfio_peek(&m.dev, 5, 8, b, 2);
	assert_memory_equal(b, "yz", 2);
	put(PCI_COMMAND, 2, 0);
	bus_read(m.guest.vm.pio, bar(2) + 3, b, 1);
	assert_int_equal(b[0], 0xff);
	vfio_machine_free(&m);
}

static void test_a_table_that_is_moved_leaves_its_page_to_the_guest(void **state)
{
	struct vfio_region_info_cap_sparse_mmap mappable = {
		.header = { VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1, 0 }
	};
	uint8_t b[4];

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	m.dev.region[3].caps = &mappable;
	m.dev.region[3].caps_size = sizeof(mappable.header);
	m.config.devices[0].move_msix = true;
	assert_int_equal(vfio_machine_start(&m), 0);
	/* BARs 0 and 3 have two registers each; of 2 and 5 it is the last. */
	assert_int_equal(get(0x74, 4), 5);
	assert_int_equal(get(0x78, 4), 48 | 5);
	assert_int_equal(m.set->devices[0]->pci.bar[5].size, 4096);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_non_null(slot_at(bar(3)));
	assert_int_equal(slot_at(bar(3))->memory_size, 16 * KiB);
	assert_null(slot_at(bar(5)));
	put_le32(b, 0xfee01000);
	poke(m.guest.vm.mmio, bar(5), b, 4);
	bus_read(m.guest.vm.mmio, bar(5), b, 4);
	assert_int_equal(get_le32(b), 0xfee01000);
	bus_read(m.guest.vm.mmio, bar(5) + 12, b, 4);
	assert_int_equal(get_le32(b), 1); /* masked */
	/* Between table and pending bits, and behind them, is nothing. */
	bus_read(m.guest.vm.mmio, bar(5) + 1024, b, 4);
	assert_int_equal(get_le32(b), 0xffffffff);
	/* The device's pending bits are where it has them. */
	fake_vfio_poke(&m.dev, 3, 0x2000, "\2", 1);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	bus_read(m.guest.vm.mmio, bar(5) + 48, b, 4);
	assert_int_equal(get_le32(b), 2);
	vfio_machine_free(&m);
}

static void test_a_table_that_cannot_be_moved(void **state)
{
	uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	uint8_t b[4];

	/* A kernel that does not map the table's page: it stays trapped. */
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	m.config.devices[0].move_msix = true;
	assert_int_equal(vfio_machine_start(&m), 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_null(slot_at(bar(3)));
	assert_non_null(slot_at(bar(3) + 4096));
	vfio_machine_free(&m);

	/* There is none. */
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	m.dev.irq[VFIO_PCI_MSIX_IRQ_INDEX].count = 0;
	m.config.devices[0].move_msix = true;
	assert_int_equal(vfio_machine_start(&m), -EINVAL);
	assert_string_equal(m.guest.err.text, "0000:01:10.0 has no MSI-X table to be moved");
	assert_string_equal(m.guest.err.hint, "leave out msix=move");
	vfio_machine_free(&m);

	/* Every register is a BAR's. */
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le32(b, 0);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_2, b, 4);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_5, b, 4);
	fake_vfio_region(&m.dev, 2, 4096, rw);
	fake_vfio_region(&m.dev, 5, 4096, rw);
	m.config.devices[0].move_msix = true;
	assert_int_equal(vfio_machine_start(&m), -ENOSPC);
	assert_non_null(strstr(m.guest.err.text, "no BAR is free for its MSI-X table"));
	vfio_machine_free(&m);
}

static void test_a_small_bar_is_mapped_while_it_has_its_page(void **state)
{
	uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	uint8_t b[4];
	uint64_t page;

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	put_le32(b, 0);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_2, b, 4);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_BASE_ADDRESS_5, b, 4);
	fake_vfio_region(&m.dev, 2, 1024, rw | VFIO_REGION_INFO_FLAG_MMAP);
	fake_vfio_region(&m.dev, 5, 256, rw | VFIO_REGION_INFO_FLAG_MMAP);
	assert_int_equal(vfio_machine_start(&m), 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	page = bar(5);
	assert_int_equal(page % 4096, 0);
	assert_non_null(slot_at(page));
	assert_int_equal(slot_at(page)->memory_size, 4096);
	assert_non_null(slot_at(bar(2)));
	/* Another one moves into the page: both by exits, or one would answer for the other. */
	put(PCI_BASE_ADDRESS_2, 4, (uint32_t)page + 1024);
	assert_null(slot_at(page));
	poke(m.guest.vm.mmio, page + 8, "a", 1);
	poke(m.guest.vm.mmio, page + 1024 + 8, "b", 1);
	fake_vfio_peek(&m.dev, 5, 8, b, 1);
	fake_vfio_peek(&m.dev, 2, 8, b + 1, 1);
	assert_memory_equal(b, "ab", 2);
	/* It leaves: the page is one's own again. One that begins within a page never has it. */
	put(PCI_BASE_ADDRESS_2, 4, (uint32_t)page + 8192 + 1024);
	assert_non_null(slot_at(page));
	assert_null(slot_at(page + 8192));
	put(PCI_BASE_ADDRESS_2, 4, (uint32_t)page + 8192);
	assert_non_null(slot_at(page + 8192));
	vfio_machine_free(&m);
}

static void test_two_devices_reach_each_others_bars(void **state)
{
	unsigned ram;

	begin();
	ram = m.dma_maps;
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(m.dma_maps, ram); /* alone: for nobody */
	vfio_machine_free(&m);

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	m.config.device_count = 2;
	m.config.devices[1] = m.config.devices[0];
	assert_int_equal(vfio_machine_start(&m), 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(m.dma_maps, ram + 3);
	put(PCI_COMMAND, 2, 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(m.dma_maps, ram + 3); /* kept over decode off */
	assert_int_equal(m.dma_unmaps, 0);
	/* One that is off makes room for another. */
	put(PCI_COMMAND, 2, 0);
	cfg_put_bar64(&m.guest, MACHINE_BUS + 1, 0, 0, bar(0));
	cfg_put(&m.guest, MACHINE_BUS + 1, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(m.dma_unmaps, 1);
	assert_int_equal(m.dma_maps, ram + 6);
	vfio_machine_free(&m);
}

/* --- INTx --- */

static void test_intx_follows_command_and_msix(void **state)
{
	uint8_t pin = 2;

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_INTERRUPT_PIN, &pin, 1);
	m.dev.irq[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
	m.dev.irq[VFIO_PCI_INTX_IRQ_INDEX].flags = VFIO_IRQ_INFO_EVENTFD;
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_int_equal(get(PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(m.dev.mode, -1);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(m.dev.mode, VFIO_PCI_INTX_IRQ_INDEX);
	assert_int_equal(m.kvm.nirqfds, 1);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(m.dev.mode, VFIO_PCI_MSIX_IRQ_INDEX);
	put(0x72, 2, 0);
	assert_int_equal(m.dev.mode, VFIO_PCI_INTX_IRQ_INDEX);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(m.dev.mode, -1);
	assert_int_equal(m.kvm.nirqfds, 0);
	vfio_machine_free(&m);
}

static void test_intx_that_is_withheld_has_no_pin(void **state)
{
	uint8_t pin = 2;

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	fake_vfio_poke(&m.dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_INTERRUPT_PIN, &pin, 1);
	m.dev.irq[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
	m.dev.irq[VFIO_PCI_INTX_IRQ_INDEX].flags = VFIO_IRQ_INFO_EVENTFD;
	m.config.devices[0].intx = VMM_INTX_WITHHELD;
	assert_int_equal(vfio_machine_start(&m), 0);
	assert_int_equal(get(PCI_INTERRUPT_PIN, 1), 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(m.dev.mode, -1);
	put(0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(m.dev.mode, VFIO_PCI_MSIX_IRQ_INDEX);
	vfio_machine_free(&m);
}

static void test_error_and_request_are_listened_to(void **state)
{
	begin();
	assert_true(m.dev.err_fd >= 0);
	assert_true(m.dev.req_fd >= 0);
	vfio_machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup_and_teardown_keep_the_kernels_order),
		cmocka_unit_test(test_no_device_needs_no_vfio),
		cmocka_unit_test(test_bridge_is_refused_and_everything_undone),
		cmocka_unit_test(test_refused_group_names_the_device),
		cmocka_unit_test(test_table_outside_its_bar_is_refused),
		cmocka_unit_test(test_header_is_ours_and_status_the_devices),
		cmocka_unit_test(test_hidden_capabilities_leave_no_trace),
		cmocka_unit_test(test_a_hidden_head_keeps_the_list),
		cmocka_unit_test(test_circular_lists_are_refused),
		cmocka_unit_test(test_only_the_devices_own_bytes_reach_it),
		cmocka_unit_test(test_every_read_is_safe_and_like_its_bytes),
		cmocka_unit_test(test_msix_control_is_taken_in_any_width),
		cmocka_unit_test(test_pending_bits_of_vectors_never_unmasked_are_the_devices),
		cmocka_unit_test(test_msi_pending_bits_of_vectors_never_unmasked_are_the_devices),
		cmocka_unit_test(test_msix_enable_and_function_mask_in_any_width),
		cmocka_unit_test(test_function_level_reset_forgets),
		cmocka_unit_test(test_an_flr_by_advanced_features_forgets_as_well),
		cmocka_unit_test(test_guest_reset_silences_the_device_first),
		cmocka_unit_test(test_bar_is_mapped_but_for_table_and_pending_bits),
		cmocka_unit_test(test_the_device_decodes_as_long_as_it_is_mapped),
		cmocka_unit_test(test_there_is_room_for_the_vectors_before_the_start),
		cmocka_unit_test(test_memory_that_sleeps_or_does_not_decode_is_waited_for),
		cmocka_unit_test(test_mapped_page_is_the_devices),
		cmocka_unit_test(test_table_is_emulated_and_its_page_goes_to_the_device),
		cmocka_unit_test(test_interrupt_through_table_and_bus),
		cmocka_unit_test(test_io_and_small_bars_go_over_the_bus),
		cmocka_unit_test(test_a_table_that_is_moved_leaves_its_page_to_the_guest),
		cmocka_unit_test(test_a_table_that_cannot_be_moved),
		cmocka_unit_test(test_a_small_bar_is_mapped_while_it_has_its_page),
		cmocka_unit_test(test_two_devices_reach_each_others_bars),
		cmocka_unit_test(test_intx_follows_command_and_msix),
		cmocka_unit_test(test_intx_that_is_withheld_has_no_pin),
		cmocka_unit_test(test_error_and_request_are_listened_to),
	};

	return cmocka_run_group_tests_name("vfio_pci", tests, NULL, NULL);
}
