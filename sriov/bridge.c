// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/bridge.h"

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/fd.h"

struct request {
	struct nlmsghdr h;
	struct ndmsg n;
	struct nlattr a;
	uint8_t mac[NLA_ALIGN(6)];
};

/* The kernel carries it out while it is sent, and the answer is there then. */
static int ask(int fd, const struct request *req)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} answer;
	ssize_t n;

	if (send(fd, req, req->h.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return (size_t)n < sizeof(answer) || answer.h.nlmsg_type != NLMSG_ERROR ? -EBADMSG :
										   answer.e.error;
}

int bridge_forget(const char *port, const uint8_t mac[6])
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct request req = {
		.h = { .nlmsg_len = offsetof(struct request, mac) + 6,
		       .nlmsg_type = RTM_DELNEIGH,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.n = { .ndm_family = AF_BRIDGE,
		       .ndm_ifindex = (int)if_nametoindex(port),
		       .ndm_flags = NTF_MASTER },
		.a = { .nla_len = NLA_HDRLEN + 6, .nla_type = NDA_LLADDR },
	};

	if (fd < 0)
		return -errno;
	if (!req.n.ndm_ifindex)
		return -ENODEV;
	memcpy(req.mac, mac, 6);
	return ask(fd, &req);
}
