// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/link_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/fd.h"

int link_watch_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* The interface's name among the attributes behind an ifinfomsg. */
static void find_name(const char *attrs, size_t len, char *buf, size_t size)
{
	struct rtattr a;

	while (len >= sizeof(a)) {
		memcpy(&a, attrs, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > len)
			return;
		if (a.rta_type == IFLA_IFNAME && a.rta_len > sizeof(a)) {
			size_t n = strnlen(attrs + sizeof(a), a.rta_len - sizeof(a));

			n = n < size ? n : size - 1;
			memcpy(buf, attrs + sizeof(a), n);
			buf[n] = '\0';
			return;
		}
		if (RTA_ALIGN(a.rta_len) >= len)
			return;
		attrs += RTA_ALIGN(a.rta_len);
		len -= RTA_ALIGN(a.rta_len);
	}
}

int link_watch_parse(const void *msgs, size_t len, link_change_fn fn, void *opaque)
{
	const char *p = msgs;
	struct ifinfomsg info;
	struct nlmsghdr h;

	while (len) {
		if (len < sizeof(h))
			return -EBADMSG;
		memcpy(&h, p, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			return -EBADMSG;
		if ((h.nlmsg_type == RTM_NEWLINK || h.nlmsg_type == RTM_DELLINK) &&
		    h.nlmsg_len >= NLMSG_LENGTH(sizeof(info))) {
			struct link_change c = { .gone = h.nlmsg_type == RTM_DELLINK };

			memcpy(&info, p + NLMSG_HDRLEN, sizeof(info));
			c.index = info.ifi_index;
			find_name(p + NLMSG_LENGTH(sizeof(info)),
				  h.nlmsg_len - NLMSG_LENGTH(sizeof(info)), c.name,
				  sizeof(c.name));
			/* A bridge tells of its ports leaving it by this message, too. */
			if (info.ifi_family == AF_UNSPEC)
				fn(&c, opaque);
		}
		if (NLMSG_ALIGN(h.nlmsg_len) >= len)
			break;
		p += NLMSG_ALIGN(h.nlmsg_len);
		len -= NLMSG_ALIGN(h.nlmsg_len);
	}
	return 0;
}

int link_watch_read(int fd, link_change_fn fn, void *opaque)
{
	char buf[32768];

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);
		int r;

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid != 0) /* not the kernel */
			continue;
		r = link_watch_parse(buf, (size_t)n, fn, opaque);
		if (r < 0)
			return r;
	}
}
