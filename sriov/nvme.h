/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Admin commands of an NVMe physical function whose VFs are secondary
 * controllers (NVMe 1.3 and later, Virtualization Enhancements): who holds
 * which queues and interrupts, and moving them.
 *
 * Return values: 0 and up, -errno, and for a command that the controller itself
 * refused -EREMOTEIO with its status in *ret_status.
 */
#ifndef SRIOV_NVME_H
#define SRIOV_NVME_H

#include <stdbool.h>
#include <stdint.h>

enum nvme_resource { NVME_QUEUES, NVME_INTERRUPTS }; /* the numbers of the RT field */

struct nvme_pool {
	bool flexible;	     /* can be moved at all */
	unsigned total;	     /* flexible ones */
	unsigned of_primary; /* of these, held by the physical function itself */
	unsigned max;	     /* for one secondary controller; 0: not told */
	unsigned step;	     /* preferred granularity; at least 1 */
};

struct nvme_virt {
	uint16_t cntlid;	   /* the primary controller's */
	struct nvme_pool pools[2]; /* by nvme_resource */
};

struct nvme_secondary {
	uint16_t cntlid;
	unsigned vf; /* number of the VF from 0 */
	bool online;
	unsigned count[2]; /* by nvme_resource; queues include the admin queue */
};

/* "/dev/nvme0" by its name. The caller closes it. -errno of open. */
int nvme_open(int root, const char *controller);

/* -EOPNOTSUPP: no Virtualization Management command; its VFs need no preparation. */
int nvme_virt_read(int fd, struct nvme_virt *ret, uint16_t *ret_status);

/* Fill at most max entries in the order of the controller; returns their number. */
int nvme_secondary_list(int fd, struct nvme_secondary *ret, unsigned max, uint16_t *ret_status);

/* Give a secondary controller exactly n of a resource; it must be offline. */
int nvme_secondary_assign(int fd, uint16_t cntlid, enum nvme_resource what, unsigned n,
			  uint16_t *ret_status);

/* Offline also takes the controller's flexible resources away. */
int nvme_secondary_set_online(int fd, uint16_t cntlid, bool online, uint16_t *ret_status);

/* What a status means, "0x121: invalid number of controller resources". Returns buf. */
const char *nvme_status_str(uint16_t status, char *buf, unsigned size);

#endif
