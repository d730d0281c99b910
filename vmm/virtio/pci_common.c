// SPDX-License-Identifier: GPL-2.0-or-later
/* The common configuration (4.1.4.3): how a driver finds out what a device has and tells it of its rings. */
#include "vmm/virtio/pci_internal.h"

#include <string.h>

#include <linux/virtio_config.h>

#include "base/le.h"

static const struct virtq no_queue = { .vector = VIRTIO_NO_VECTOR };

static struct virtq *selected(struct virtio_dev *dev)
{
	return dev->queue_select < dev->ops->nqueues ? &dev->q[dev->queue_select] : NULL;
}

static uint32_t features_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void common_image(struct virtio_dev *dev, uint8_t *b)
{
	const struct virtq *q = selected(dev) ? selected(dev) : &no_queue;

	memset(b, 0, VIRTIO_COMMON_LEN);
	put_le32(b + VIRTIO_PCI_COMMON_DFSELECT, dev->device_select);
	put_le32(b + VIRTIO_PCI_COMMON_DF, features_word(virtio_offered(dev), dev->device_select));
	put_le32(b + VIRTIO_PCI_COMMON_GFSELECT, dev->driver_select);
	put_le32(b + VIRTIO_PCI_COMMON_GF, features_word(dev->driver_features, dev->driver_select));
	put_le16(b + VIRTIO_PCI_COMMON_MSIX, dev->config_vector);
	put_le16(b + VIRTIO_PCI_COMMON_NUMQ, (uint16_t)dev->ops->nqueues);
	b[VIRTIO_PCI_COMMON_STATUS] = dev->status;
	b[VIRTIO_PCI_COMMON_CFGGENERATION] = dev->generation;
	put_le16(b + VIRTIO_PCI_COMMON_Q_SELECT, dev->queue_select);
	put_le16(b + VIRTIO_PCI_COMMON_Q_SIZE, q->size);
	put_le16(b + VIRTIO_PCI_COMMON_Q_MSIX, q->vector);
	put_le16(b + VIRTIO_PCI_COMMON_Q_ENABLE, q->ready);
	put_le16(b + VIRTIO_PCI_COMMON_Q_NOFF, dev->queue_select);
	put_le64(b + VIRTIO_PCI_COMMON_Q_DESCLO, q->desc);
	put_le64(b + VIRTIO_PCI_COMMON_Q_AVAILLO, q->avail);
	put_le64(b + VIRTIO_PCI_COMMON_Q_USEDLO, q->used);
}

void virtio_common_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t image[VIRTIO_COMMON_LEN];

	common_image(dev, image);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < VIRTIO_COMMON_LEN ? image[off + i] : 0;
}

static void write_features(struct virtio_dev *dev, uint32_t value)
{
	unsigned shift = 32 * dev->driver_select;

	/* 3.1.1: no more of that once they were agreed on. */
	if (dev->driver_select > 1 || dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	dev->driver_features &= ~(0xffffffffull << shift);
	dev->driver_features |= (uint64_t)value << shift;
}

static uint16_t valid_vector(const struct virtio_dev *dev, uint16_t vector)
{
	return vector <= dev->ops->nqueues ? vector : VIRTIO_NO_VECTOR;
}

/* 4.1.5.1.3: what is no address of a ring is found out when it is used. */
static void set_half(gpa_t *addr, unsigned upper, uint32_t value)
{
	*addr &= upper ? 0xffffffffull : ~0xffffffffull;
	*addr |= (uint64_t)value << (upper ? 32 : 0);
}

/* start() looked at those that were there before. */
static void enable_queue(struct virtio_dev *dev, struct virtq *q)
{
	const char *fault;

	q->ready = true;
	fault = dev->running ? virtq_fault(dev, (unsigned)(q - dev->q)) : NULL;
	if (fault)
		virtio_broken(dev, fault);
}

static void write_queue(struct virtio_dev *dev, unsigned off, uint32_t value)
{
	struct virtq *q = selected(dev);

	if (!q)
		return;
	if (off == VIRTIO_PCI_COMMON_Q_MSIX) {
		q->vector = valid_vector(dev, (uint16_t)value);
		virtio_tell_calls(dev);
		return;
	}
	if (q->ready) /* nothing else of it changes before a reset */
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (value && value <= q->size_max && virtq_size_fits(dev, value))
			q->size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			enable_queue(dev, q);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO: set_half(&q->desc, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_DESCHI: set_half(&q->desc, 1, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO: set_half(&q->avail, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILHI: set_half(&q->avail, 1, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDLO: set_half(&q->used, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDHI: set_half(&q->used, 1, value); break;
	default: break;
	}
}

static void write_field(struct virtio_dev *dev, unsigned off, uint32_t value)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT: dev->device_select = value; break;
	case VIRTIO_PCI_COMMON_GFSELECT: dev->driver_select = value; break;
	case VIRTIO_PCI_COMMON_GF: write_features(dev, value); break;
	case VIRTIO_PCI_COMMON_MSIX: dev->config_vector = valid_vector(dev, (uint16_t)value); break;
	case VIRTIO_PCI_COMMON_STATUS: virtio_write_status(dev, (uint8_t)value); break;
	case VIRTIO_PCI_COMMON_Q_SELECT: dev->queue_select = (uint16_t)value; break;
	default: write_queue(dev, off, value); break;
	}
}

static unsigned width_of(unsigned off)
{
	if (off == VIRTIO_PCI_COMMON_STATUS || off == VIRTIO_PCI_COMMON_CFGGENERATION)
		return 1;
	return (off >= VIRTIO_PCI_COMMON_MSIX && off < VIRTIO_PCI_COMMON_STATUS) ||
			       (off >= VIRTIO_PCI_COMMON_Q_SELECT &&
				off < VIRTIO_PCI_COMMON_Q_DESCLO) ?
		       2 :
		       4;
}

/* 4.1.3.1: each field by its own width, one of 64 bits by its halves or as a whole. */
void virtio_common_write(struct virtio_dev *dev, unsigned off, const uint8_t *data, unsigned len)
{
	if (len == 8 && off >= VIRTIO_PCI_COMMON_Q_DESCLO && off % 8 == 0) {
		write_field(dev, off, get_le32(data));
		write_field(dev, off + 4, get_le32(data + 4));
	} else if (len == width_of(off) && off % len == 0 && off < VIRTIO_COMMON_LEN) {
		write_field(dev, off, len == 1 ? data[0] : len == 2 ? get_le16(data) : get_le32(data));
	}
}
