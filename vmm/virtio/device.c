// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a device (3.1): features, what its driver says by its status, start and stop. */
#include "vmm/virtio/pci_internal.h"

#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/log.h"
#include "irq/irqfd.h"
#include "vmm/vm.h"

#define COMMON_FEATURES \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC | \
	 1ull << VIRTIO_RING_F_EVENT_IDX)

uint64_t virtio_offered(const struct virtio_dev *dev)
{
	return dev->features | (COMMON_FEATURES & ~dev->withheld);
}

uint64_t virtio_rings_offered(const struct vm *vm)
{
	return vm->packed_rings ? 1ull << VIRTIO_F_RING_PACKED : 0;
}

void virtio_stop(struct virtio_dev *dev)
{
	if (dev->running && dev->ops->stop)
		dev->ops->stop(dev);
	dev->running = false;
}

void virtio_reset(struct virtio_dev *dev)
{
	virtio_stop(dev);
	dev->status = dev->isr = 0;
	dev->driver_features = 0;
	dev->device_select = dev->driver_select = 0;
	dev->queue_select = 0;
	dev->config_vector = VIRTIO_NO_VECTOR;
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		struct virtq *q = &dev->q[i];

		q->size = q->size_max;
		q->vector = VIRTIO_NO_VECTOR;
		q->ready = false;
		q->desc = q->avail = q->used = 0;
		q->next_avail = q->next_used = 0;
		q->avail_wrap = q->used_wrap = true;
		q->taken = q->put = 0;
		q->untold = 0;
		(void)irqfd_drain(q->kick_fd);
	}
}

void virtio_needs_reset(struct virtio_dev *dev)
{
	virtio_stop(dev);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_config_changed(dev);
}

void virtio_broken(struct virtio_dev *dev, const char *what)
{
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_warn_limited("%s: the guest broke its rules: %s", dev->pci.name, what);
	virtio_needs_reset(dev);
}

static bool features_ok(const struct virtio_dev *dev)
{
	return !(dev->driver_features & ~virtio_offered(dev)) && virtio_has(dev, VIRTIO_F_VERSION_1);
}

/* What was put in before nobody listened yet. */
static void kick_all(struct virtio_dev *dev)
{
	for (unsigned i = 0; dev->ops->kick && i < dev->ops->nqueues && dev->running; i++)
		if (dev->q[i].ready)
			dev->ops->kick(dev, i);
}

static void start(struct virtio_dev *dev)
{
	int r;

	if (dev->running || !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		const char *fault = dev->q[i].ready ? virtq_fault(dev, i) : NULL;

		if (fault) {
			virtio_broken(dev, fault);
			return;
		}
	}
	dev->running = true;
	r = dev->ops->start ? dev->ops->start(dev) : 0;
	if (r < 0) {
		/* A guest may try again and again. */
		log_warn_limited("%s cannot be started: %s", dev->pci.name, strerror(-r));
		dev->running = false; /* there is nothing to stop */
		virtio_needs_reset(dev);
		return;
	}
	kick_all(dev);
}

/* 2.1: bits are added; zero resets. */
void virtio_write_status(struct virtio_dev *dev, uint8_t value)
{
	if (!value) {
		virtio_reset(dev);
		return;
	}
	if (value & VIRTIO_CONFIG_S_FEATURES_OK && !features_ok(dev))
		value &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status |= value & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(dev->status & (VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET)))
		start(dev);
}
