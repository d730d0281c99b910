/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VF's MAC is to be found behind its PF's port from now on. */
#ifndef SRIOV_PF_ANNOUNCE_H
#define SRIOV_PF_ANNOUNCE_H

#include <stdint.h>

/* One frame from mac out of the PF's interface. 0 or -errno. */
int pf_announce(const char *netdev, const uint8_t mac[6]);

#endif
