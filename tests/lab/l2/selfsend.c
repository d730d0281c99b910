// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames that an interface sends to its own address, by a card that brings them back: each has bytes of its
 * own, and whoever receives one looks at them.
 *
 *	selfsend INTERFACE COUNT
 *
 * It says how many came back right in a line of "selfsend: …".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TYPE 0x88b5 /* for experiments (IEEE 802) */
#define LEN  1400u

static uint8_t sent[LEN], got[LEN + 64];

static void fill(const uint8_t *mac, uint32_t seq)
{
	memcpy(sent, mac, 6);
	memcpy(sent + 6, mac, 6);
	sent[12] = TYPE >> 8;
	sent[13] = TYPE & 0xff;
	memcpy(sent + 14, &seq, 4);
	for (unsigned i = 18; i < LEN; i++)
		sent[i] = (uint8_t)(seq * 31 + i * 7 + (i >> 8));
}

/* The next one that came in. False: none does. */
static bool receive(int fd, ssize_t *ret_len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_ll from;
	socklen_t size;

	while (poll(&p, 1, 2000) == 1) {
		size = sizeof(from);
		*ret_len = recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&from, &size);
		if (*ret_len >= 0 && from.sll_pkttype != PACKET_OUTGOING)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct ifreq req = { 0 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE), .sll_halen = 6 };
	uint32_t count = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0, right = 0, wrong = 0, lost = 0;
	int fd = socket(AF_PACKET, SOCK_RAW, htons(TYPE));
	ssize_t len;

	if (fd < 0 || !count || strlen(argv[1]) >= sizeof(req.ifr_name))
		return 2;
	strcpy(req.ifr_name, argv[1]);
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		return perror(argv[1]), 1;
	memcpy(to.sll_addr, req.ifr_hwaddr.sa_data, 6);
	for (uint32_t seq = 0; seq < count; seq++) {
		fill(to.sll_addr, seq);
		if (sendto(fd, sent, LEN, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)LEN ||
		    !receive(fd, &len))
			lost++;
		else if (len == (ssize_t)LEN && memcmp(sent, got, LEN) == 0)
			right++;
		else
			wrong++;
	}
	printf("selfsend: %u of %u right, %u wrong, %u lost\n", right, count, wrong, lost);
	return right == count ? 0 : 1;
}
