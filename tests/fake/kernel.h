/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel behind sys/bus/pci of a fake host: bind, unbind, drivers_probe and
 * driver_override as the driver core does them, and the VFIO group's node. Uses
 * fake_hostfs().
 */
#ifndef TESTS_FAKE_KERNEL_H
#define TESTS_FAKE_KERNEL_H

#include <stdbool.h>

#define FAKE_KERNEL_LOG 64

struct fake_kernel {
	int root;
	const char *native; /* the driver that takes a device without override; NULL: none does */
	const char *refuses; /* a driver whose probe fails with -EIO; or NULL */
	bool no_nodes; /* nobody makes the nodes of VFIO groups */
	const char *hangs_in_unbind; /* a driver whose remove() never ends; or NULL */
	unsigned die_at;     /* _exit(77) behind the n-th write; 0: never */
	unsigned nwrites;
	char writes[FAKE_KERNEL_LOG][96]; /* "drivers/igb/unbind=0000:01:00.0" */
};

/* Answer the writes of this host from now on; registers igbvf, vfio-pci and `native`. */
void fake_kernel_start(struct fake_kernel *k);
void fake_kernel_stop(void);

#endif
