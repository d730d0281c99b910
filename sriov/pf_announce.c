// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/pf_announce.h"

#include <errno.h>
#include <net/if.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "base/fd.h"
#include "base/rarp.h"

int pf_announce(const char *netdev, const uint8_t mac[6])
{
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN,
				  .sll_ifindex = (int)if_nametoindex(netdev) };
	uint8_t frame[RARP_FRAME_LEN];

	if (fd < 0)
		return -errno;
	if (!to.sll_ifindex)
		return -ENODEV;
	rarp_frame(frame, mac);
	return sendto(fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0 ?
		       -errno :
		       0;
}
