// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/virtio_guest.h"

#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "base/loop.h"
#include "vmm/bus.h"
#include "vmm/mem.h"

struct vfio_machine vg_machine;
uint32_t vg_bar;

uint64_t vg_get(unsigned off, unsigned len)
{
	uint8_t b[8] = { 0 };

	bus_read(vg_machine.guest.vm.mmio, vg_bar + off, b, len);
	return get_le64(b);
}

void vg_put(unsigned off, unsigned len, uint64_t value)
{
	uint8_t b[8];

	put_le64(b, value);
	bus_write(vg_machine.guest.vm.mmio, vg_bar + off, b, len);
}

void vg_accept(uint64_t features)
{
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 1);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	for (unsigned i = 0; i < 2; i++) {
		vg_put(VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		vg_put(VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> 32 * i));
	}
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
}

void vg_set_queue(unsigned q, uint64_t desc, uint64_t avail, uint64_t used)
{
	vg_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
	vg_put(VIRTIO_PCI_COMMON_Q_SIZE, 2, VG_SIZE);
	vg_put(VIRTIO_PCI_COMMON_Q_DESCLO, 4, (uint32_t)desc);
	vg_put(VIRTIO_PCI_COMMON_Q_DESCHI, 4, desc >> 32);
	vg_put(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, avail);
	vg_put(VIRTIO_PCI_COMMON_Q_USEDLO, 8, used);
	vg_put(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	vg_put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

void vg_ram(gpa_t at, const void *data, unsigned len)
{
	assert_int_equal(gmem_write(vg_machine.guest.vm.mem, at, data, len), 0);
}

uint64_t vg_ram_get(gpa_t at, unsigned len)
{
	uint8_t b[8] = { 0 };

	assert_int_equal(gmem_read(vg_machine.guest.vm.mem, at, b, len), 0);
	return get_le64(b);
}

void vg_desc_at(gpa_t table, unsigned i, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	uint8_t b[16];

	put_le64(b, addr);
	put_le32(b + 8, len);
	put_le16(b + 12, (uint16_t)flags);
	put_le16(b + 14, (uint16_t)next);
	vg_ram(table + 16 * i, b, 16);
}

bool vg_is_broken(void)
{
	return vg_get(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void quit_loop(void *opaque, int fd)
{
	(void)fd;
	loop_quit(opaque, 0);
}

void vg_turn(uint64_t ns)
{
	struct loop *loop = vg_machine.guest.vm.loop;
	int timer;

	assert_int_equal(loop_timer_new(loop, quit_loop, loop, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, ns), 0);
	assert_int_equal(loop_run(loop), 0);
	loop_del(loop, timer);
	close(timer);
}
