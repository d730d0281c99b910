/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which eventfds a VFIO device signals. All silent: 0 or -errno. */
#ifndef VFIO_IRQSET_H
#define VFIO_IRQSET_H

#include <stdbool.h>
#include <stdint.h>

/* VFIO's numbers, checked in irqset.c. */
enum vfio_irq {
	VFIO_IRQ_INTX,
	VFIO_IRQ_MSI,
	VFIO_IRQ_MSIX,
	VFIO_IRQ_ERR, /* the device reported an uncorrectable error */
	VFIO_IRQ_REQ, /* the host wants the device back */
};

struct vfio_irqset {
	uint32_t count; /* vectors; 0: the device has none of this kind */
	bool noresize;  /* the first enable fixes how many; adding means disabling all first */
};

/* -EINVAL: this kind is not known for the device. */
int vfio_irqset_get(int dev_fd, enum vfio_irq irq, struct vfio_irqset *ret);

/*
 * Vectors first..first+n-1 signal fds[i] from now on (-1: nobody). Where none was
 * enabled the device changes to this kind. Above 0, of MSI and MSI-X then: the host has
 * only so many vectors, and the device changed nothing.
 */
int vfio_irqset_trigger(int dev_fd, enum vfio_irq irq, unsigned first, unsigned n, const int *fds);

/* Every vector of the kind off, and the device no longer in this mode. */
int vfio_irqset_disable(int dev_fd, enum vfio_irq irq);

/* INTx: a signal on fd unmasks the line, in the kernel. */
int vfio_irqset_unmask_by(int dev_fd, int fd);

/* INTx: unmask it now. */
int vfio_irqset_unmask(int dev_fd);

#endif
