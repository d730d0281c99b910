/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vDPA device as the kernel hands it out (vhost-vdpa): a device that moves data by virtio's rings and is
 * set up by the host's means. All of it is the guest's: features, configuration, rings. Of guest RAM it
 * reaches what it is told of.
 */
#ifndef VMM_VIRTIO_VHOST_VDPA_H
#define VMM_VIRTIO_VHOST_VDPA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct mem;
struct virtio_dev;

struct vhost_vdpa {
	int fd;		   /* borrowed: /dev/vhost-vdpa-N */
	uint64_t features; /* that it offers */
	uint64_t agreed;   /* of its messages and manners: VHOST_BACKEND_F_ bits */
	uint64_t first, last; /* addresses that it reaches */
	uint32_t config_size;
	unsigned rings;
	uint16_t ring_size; /* at most */
	bool mapped;	    /* it knows RAM */
	bool reset;	    /* and may have forgotten it since */
};

/* What it is. -EOPNOTSUPP: the kernel's interface is older than Linux 5.19; else -errno. */
int vhost_vdpa_meet(int fd, struct vhost_vdpa *ret);

/* It may reach all of RAM, which is pinned then where the device needs that; or none. */
int vhost_vdpa_map(struct vhost_vdpa *v, const struct mem *mem, struct err *err);
void vhost_vdpa_unmap(struct vhost_vdpa *v, const struct mem *mem);

/*
 * A driver is ready: dev's first v->rings rings are the device's until it is reset. -EINVAL: it does not
 * take what the driver wants; -errno.
 */
int vhost_vdpa_start(struct vhost_vdpa *v, const struct virtio_dev *dev);
int vhost_vdpa_reset(struct vhost_vdpa *v);

/* Who hears of its ring q, or of its configuration; -1: nobody. */
int vhost_vdpa_config_call(const struct vhost_vdpa *v, int fd);

/* Bytes of its configuration, within config_size. */
int vhost_vdpa_config(const struct vhost_vdpa *v, unsigned off, uint8_t *data, unsigned len);

/* Its status has a bit. */
bool vhost_vdpa_has_status(const struct vhost_vdpa *v, uint8_t bit);

#endif
