/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which card a guest's standby reaches the network. */
#ifndef TOOLS_FAILOVER_UPLINK_H
#define TOOLS_FAILOVER_UPLINK_H

#include <stdbool.h>

#include "base/bdf.h"

/*
 * The standby (a bridge, a tap that may be a port of one, a macvtap) has an interface of the function
 * below it, be it by bonds and VLANs. "": where it leads only another process knows; false.
 */
bool failover_uplink_is(int root, const char *standby, struct bdf pf);

#endif
