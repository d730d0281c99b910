// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/virtio_hand.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#define SLOT 1

struct hand hand;

static void kick(struct virtio_dev *dev, unsigned q)
{
	(void)dev;
	(void)q;
	hand.kicks++;
}

static void stop(struct virtio_dev *dev)
{
	(void)dev;
	hand.stops++;
}

static const struct virtio_ops ops = {
	.id = 42,
	.class_rev = 0xff000000,
	.nqueues = 1,
	.queue_size = HAND_SIZE_MAX,
	.kick = kick,
	.stop = stop,
};

void hand_begin(void)
{
	unsigned flags;

	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	hand = (struct hand){ .dev.features = 1ull << VIRTIO_F_RING_PACKED };
	assert_int_equal(virtio_add(&vg_machine.guest.vm, &hand.dev, &ops, "hand", 0, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	flags = hand.dev.pci.caps_end - PCI_CAP_MSIX_SIZEOF + PCI_MSIX_FLAGS;
	cfg_put(&vg_machine.guest, 0, SLOT, flags, 2, PCI_MSIX_FLAGS_ENABLE);
}

void hand_drive(uint64_t features, unsigned size, gpa_t desc, gpa_t avail, gpa_t used)
{
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_accept(1ull << VIRTIO_F_VERSION_1 | features);
	vg_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	vg_put(VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	vg_put(VIRTIO_PCI_COMMON_Q_DESCLO, 8, desc);
	vg_put(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, avail);
	vg_put(VIRTIO_PCI_COMMON_Q_USEDLO, 8, used);
	vg_put(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	vg_put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
}

void hand_end(void)
{
	virtio_remove(&hand.dev);
	vfio_machine_free(&vg_machine);
}

bool hand_interrupted(void)
{
	bool was = hand.dev.vector_pending[1];

	hand.dev.vector_pending[1] = false;
	return was;
}
