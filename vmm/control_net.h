/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control socket tells of a virtio network device, and its link. */
#ifndef VMM_CONTROL_NET_H
#define VMM_CONTROL_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct machine;

/* Of network device i; NULL: out of memory. */
json_t *control_net_report(const struct machine *m, unsigned i);

/* Its cable is in or out from now on, which those who watch are told. */
void control_net_link(struct machine *m, unsigned i, bool up);

/* struct virtio_net_owner's; opaque is the machine. */
void control_net_mac_changed(void *opaque, unsigned i, const uint8_t mac[6]);

#endif
