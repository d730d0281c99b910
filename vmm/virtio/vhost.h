/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel serves a device's rings (vhost): it is told of guest RAM, of the rings and of the
 * two eventfds of each, and no packet comes to us.
 */
#ifndef VMM_VIRTIO_VHOST_H
#define VMM_VIRTIO_VHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/virtio.h"

struct vhost {
	int fd;	    /* borrowed: /dev/vhost-net and its like */
	bool owned; /* by this process */
};

/* What it can do with rings and headers. 0 or -errno. */
int vhost_features(const struct vhost *v, uint64_t *ret);

/*
 * Take it for this process, once; vhost_start() does so too. From Linux 6.4 on its worker is a thread of
 * ours that runs where the caller may run: not for a CPU's thread, which may be pinned. 0 or -errno.
 */
int vhost_own(struct vhost *v);

/*
 * All that is known of n of dev's rings, from first on, when the guest's driver is ready; they are 0
 * to n - 1 in all that follows, and those that the driver has not made ready are none. Where a ring does not lie in RAM: -EFAULT. What the kernel refuses:
 * -errno.
 */
int vhost_start(struct vhost *v, const struct virtio_dev *dev, unsigned first, unsigned n);

/* What ring q of a network device goes to and comes from; -1: nothing, and the ring stands. */
int vhost_net_backend(const struct vhost *v, unsigned q, int fd);

/* A vsock device's rings are served, or stand. */
int vhost_vsock_run(const struct vhost *v, bool on);

/*
 * All of a target's commands come from a SCSI device's rings, which the kernel must know by then; or no
 * more, and what was under way has ended. -ENODEV: there is no such target, or something else has it.
 */
int vhost_scsi_set(const struct vhost *v, const char *wwpn);
int vhost_scsi_clear(const struct vhost *v, const char *wwpn);

/* Who hears of the kernel's ring q; -1: nobody. */
int vhost_set_call(const struct vhost *v, unsigned q, int fd);

#endif
