/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's interrupts that vfio-pci took for a function: which, on which CPU, how often. */
#ifndef VFIO_HOST_IRQ_H
#define VFIO_HOST_IRQ_H

#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"

struct host_irq {
	struct bdf bdf;
	unsigned vector; /* of its MSI-X or MSI; 0 with INTx */
	unsigned irq;	 /* the host's number */
	uint64_t count;	 /* on all CPUs; what was posted never came here */
	char cpus[64];	 /* its effective affinity, a cpulist; "": unknown */
};

/*
 * VFIO's for these functions in proc/interrupts, where it names them vfio-msix[0](0000:01:10.0),
 * vfio-msi and vfio-intx; a host has thousands of others, each with a file to be read. *ret is the
 * caller's to free. 0, -ENOMEM or of the file.
 */
int host_irq_read(int root, const struct bdf *of, size_t of_count, struct host_irq **ret,
		  size_t *ret_count);

/* The one of this vector; NULL: there is none. */
const struct host_irq *host_irq_find(const struct host_irq *irqs, size_t count, struct bdf bdf,
				     unsigned vector);

#endif
