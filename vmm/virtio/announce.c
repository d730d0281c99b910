// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/announce.h"

#include <errno.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/ioctl.h"
#include "base/rarp.h"

/* struct virtio_net_hdr, with whatever it may grow by. */
#define HEADER_MAX 64

int net_announce(int tap_fd, const uint8_t mac[6])
{
	uint8_t packet[HEADER_MAX + RARP_FRAME_LEN] = { 0 };
	int header = 0, r = SIZED_IOCTL(tap_fd, TUNGETVNETHDRSZ, &header);

	if (r < 0)
		return r;
	if (header < 0 || header > HEADER_MAX)
		return -EPROTO;
	rarp_frame(packet + header, mac);
	return write(tap_fd, packet, (size_t)header + RARP_FRAME_LEN) < 0 ? -errno : 0;
}
