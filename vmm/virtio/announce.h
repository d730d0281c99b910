/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's network device has moved to another port of the network. */
#ifndef VMM_VIRTIO_ANNOUNCE_H
#define VMM_VIRTIO_ANNOUNCE_H

#include <stdint.h>

/* One frame from mac into the host, as if the guest had sent it by the tap. 0 or -errno. */
int net_announce(int tap_fd, const uint8_t mac[6]);

#endif
