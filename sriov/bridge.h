/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Linux bridge has learned. */
#ifndef SRIOV_BRIDGE_H
#define SRIOV_BRIDGE_H

#include <stdint.h>

/*
 * Have the bridge of which `port` is one forget that it is this port behind which it has heard a MAC: what is for
 * that goes to all ports then, until it is heard again. 0; -ENOENT: it has not heard it there; -ENODEV: no such
 * interface; -EOPNOTSUPP and others of the kernel's (RTM_DELNEIGH with NTF_MASTER).
 */
int bridge_forget(const char *port, const uint8_t mac[6]);

#endif
