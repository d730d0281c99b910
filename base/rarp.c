// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/rarp.h"

#include <string.h>

#include <linux/if_ether.h>

#define RARP_REQUEST 3

/* To all, from mac; hardware and protocol, their lengths, the operation; sender, target. */
void rarp_frame(uint8_t frame[RARP_FRAME_LEN], const uint8_t mac[6])
{
	static const uint8_t type_to_op[] = { ETH_P_RARP >> 8, ETH_P_RARP & 0xff, 0, 1,
					      ETH_P_IP >> 8, ETH_P_IP & 0xff, 6, 4,
					      0, RARP_REQUEST };

	memset(frame, 0, RARP_FRAME_LEN);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, type_to_op, sizeof(type_to_op));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 32, mac, 6);
}
