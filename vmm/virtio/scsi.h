/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SCSI host adapter (5.6): its disks and whatever else a target of the host's kernel (LIO) has, which
 * vhost-scsi serves. No command comes to us.
 */
#ifndef VMM_VIRTIO_SCSI_H
#define VMM_VIRTIO_SCSI_H

#include <stdbool.h>

#include "base/err.h"

struct virtio_scsi;
struct vm;
struct vmm_scsi;

/* conf, and the descriptor in it, are borrowed and outlive it. Before pci_assign(). */
int virtio_scsi_new(struct vm *vm, const struct vmm_scsi *conf, unsigned index,
		    struct virtio_scsi **ret, struct err *err);
struct virtio_scsi *virtio_scsi_free(struct virtio_scsi *scsi); /* NULL is fine */

/* A driver has it, and the kernel the target for it. */
bool virtio_scsi_driven(const struct virtio_scsi *scsi);

#endif
