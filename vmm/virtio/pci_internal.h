/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transport among its own files: pci.c (the BAR, configuration space, setting up), pci_common.c (the
 * common configuration), pci_vectors.c (interrupts) and device.c (what a device is told and has told).
 */
#ifndef VMM_VIRTIO_PCI_INTERNAL_H
#define VMM_VIRTIO_PCI_INTERNAL_H

#include <stdint.h>

#include <linux/virtio_pci.h>

#include "irq/vectors.h"
#include "vmm/virtio/virtio.h"

/* --- device.c (3.1) --- */

/* Features, with those of rings that every device has. */
uint64_t virtio_offered(const struct virtio_dev *dev);

/* What it serves it serves no more; what the guest has said it knows. */
void virtio_stop(struct virtio_dev *dev);
/* As after power-on, but for its vectors. */
void virtio_reset(struct virtio_dev *dev);
/* 2.1: bits are added; zero resets. */
void virtio_write_status(struct virtio_dev *dev, uint8_t value);

/* --- pci_common.c (4.1.4.3) --- */

#define VIRTIO_COMMON_LEN sizeof(struct virtio_pci_common_cfg)

/* Any offset and width: what is no field reads zero and takes nothing. */
void virtio_common_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len);
void virtio_common_write(struct virtio_dev *dev, unsigned off, const uint8_t *data, unsigned len);

/* --- pci_vectors.c --- */

extern const struct vector_ops virtio_vector_ops; /* opaque: the device */

/* None is wired. */
void virtio_forget_vectors(struct virtio_dev *dev);
/* Who interrupts for a queue has another descriptor, or none. */
void virtio_tell_calls(struct virtio_dev *dev);

#endif
