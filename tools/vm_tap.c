// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"
#include "tools/vm_nic.h"

/* The kernel puts the next free number in. */
static const char tap_name[] = "thruway%d";

/* --- one more queue of an interface --- */

static int open_queue(int root, const char *name, unsigned flags, char ret_name[IFNAMSIZ], int *ret_fd)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDWR | O_NONBLOCK, "dev/net/tun");
	struct ifreq req = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };
	int r;

	if (fd < 0)
		return fd;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	r = sys_ioctl(fd, TUNSETIFF, &req);
	if (r < 0)
		return r;
	memcpy(ret_name, req.ifr_name, IFNAMSIZ);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* All of them: the first one makes the interface, where there is none of this name. */
static int open_queues(int root, const char *name, unsigned flags, struct vmm_nic *ret)
{
	int r = 0;

	for (unsigned i = 0; i < ret->pairs && r == 0; i++)
		r = open_queue(root, i ? ret->host : name, flags, ret->host, &ret->tap_fd[i]);
	return r;
}

static int no_node(int r, struct err *err)
{
	err_set(err, r, "--nic: cannot open /dev/net/tun");
	return err_hint(err, r == -EACCES ? "chmod 666 /dev/net/tun, as udev does" : "modprobe tun, as root");
}

static int explain(int root, int r, struct err *err)
{
	if (r == -EACCES || !hostfs_exists(root, "dev/net/tun"))
		return no_node(r, err);
	err_set(err, r, "--nic: cannot make a tap");
	return r == -EPERM ? err_hint(err, "run it as root, or with a tap that was made for you: ip tuntap "
					   "add tap0 mode tap user NAME") : r;
}

/* --- a tap of ours --- */

/* A tap with less than the bridge has would take it from the whole bridge. */
static int set_mtu(int sock, int root, const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err)
{
	struct ifreq req = { 0 };
	uint64_t mtu = nic->mtu;
	int r = 0;

	if (!mtu && hostfs_read_u64(root, &mtu, "sys/class/net/%s/mtu", nic->bridge) < 0)
		return 0;
	if (mtu > VM_NIC_MTU_MAX) /* a bridge's may be a little more */
		mtu = VM_NIC_MTU_MAX;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ret->host);
	req.ifr_mtu = (int)mtu;
	if (mtu != 1500) /* what it begins with */
		r = sys_ioctl(sock, SIOCSIFMTU, &req);
	if (r < 0)
		return err_set(err, r, "--nic: %s cannot have an MTU of %u", ret->host, (unsigned)mtu);
	ret->mtu = (uint16_t)mtu;
	return 0;
}

/* Into the bridge, and up. */
static int join(int root, const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 }, port = { .ifr_ifindex = (int)if_nametoindex(ret->host) };
	int r = sock < 0 ? -errno : 0;

	snprintf(port.ifr_name, sizeof(port.ifr_name), "%s", nic->bridge);
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ret->host);
	if (r == 0) {
		r = set_mtu(sock, root, nic, ret, err);
		if (r < 0)
			return r;
		r = sys_ioctl(sock, SIOCBRADDIF, &port);
	}
	if (r >= 0)
		r = sys_ioctl(sock, SIOCGIFFLAGS, &req);
	req.ifr_flags |= IFF_UP;
	if (r >= 0)
		r = sys_ioctl(sock, SIOCSIFFLAGS, &req);
	return r < 0 ? err_set(err, r, "--nic: %s cannot join %s", ret->host, nic->bridge) : 0;
}

static int make_tap(int root, const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err)
{
	int r = open_queues(root, tap_name, ret->pairs > 1 ? IFF_MULTI_QUEUE : 0, ret);

	return r < 0 ? explain(root, r, err) : join(root, nic, ret, err);
}

/* --- a tap that is there --- */

/* As many as it was made for, and who opens it must say so, too. */
static int check_queues(const struct vm_opt_nic *nic, unsigned flags, struct err *err)
{
	if (nic->queues == 1 || flags & IFF_MULTI_QUEUE)
		return 0;
	err_plain(err, -EINVAL, "--nic: the tap %s was made for one queue, and queues=%u asks for more",
		  nic->bridge, nic->queues);
	return err_hint(err, "make it anew (ip tuntap del %s mode tap; ip tuntap add %s mode tap multi_queue), "
			     "or leave queues= out", nic->bridge, nic->bridge);
}

static int check_up(int root, const char *name, struct err *err)
{
	char text[32];

	if (hostfs_read(root, text, sizeof(text), "sys/class/net/%s/flags", name) > 0 &&
	    !(strtoul(text, NULL, 16) & IFF_UP)) {
		err_plain(err, -ENETDOWN, "--nic: %s is down", name);
		return err_hint(err, "ip link set %s up", name);
	}
	return 0;
}

static int explain_tap(const char *name, int r, struct err *err)
{
	if (r == -EBUSY)
		return err_plain(err, r, "--nic: another program has the tap %s", name);
	if (r == -EACCES)
		return no_node(r, err);
	err_set(err, r, "--nic: cannot open the tap %s", name);
	return r == -EPERM ? err_hint(err, "it is root's, or another user's: ip tuntap add %s mode tap user "
					   "NAME makes one for a user", name) : r;
}

/*
 * One that was made for many queues lets a second program have some of them, and half of the packets.
 * It has its carrier from the first.
 */
static bool in_use(int root, const char *name)
{
	uint64_t carrier = 0;

	return hostfs_read_u64(root, &carrier, "sys/class/net/%s/carrier", name) == 0 && carrier;
}

static int take_tap(int root, const struct vm_opt_nic *nic, unsigned flags, struct vmm_nic *ret,
		    struct err *err)
{
	struct sock_fprog none = { 0 };
	uint64_t mtu = 0;
	int r = check_queues(nic, flags, err);

	if (r == 0)
		r = check_up(root, nic->bridge, err);
	if (r == 0 && nic->mtu) {
		err_usage(err, "--nic: the tap %s has its own MTU, which is the guest's", nic->bridge);
		return err_hint(err, "ip link set %s mtu MTU gives it another", nic->bridge);
	}
	if (r < 0)
		return r;
	r = in_use(root, nic->bridge) ? -EBUSY :
					open_queues(root, nic->bridge, flags & IFF_MULTI_QUEUE, ret);
	if (r < 0)
		return explain_tap(nic->bridge, r, err);
	/* One that a VM which was killed has left behind. */
	(void)SIZED_IOCTL(ret->tap_fd[0], TUNDETACHFILTER, &none);
	if (hostfs_read_u64(root, &mtu, "sys/class/net/%s/mtu", nic->bridge) == 0 && mtu <= UINT16_MAX)
		ret->mtu = (uint16_t)mtu;
	return 0;
}

/* As sysfs writes it. 0: it is no tap. */
static unsigned tap_flags(int root, const char *name)
{
	char text[32];

	if (hostfs_read(root, text, sizeof(text), "sys/class/net/%s/tun_flags", name) <= 0)
		return 0;
	return strtoul(text, NULL, 16) & IFF_TAP ? (unsigned)strtoul(text, NULL, 16) : 0;
}

static bool is_bridge(int root, const char *name)
{
	return hostfs_exists(root, "sys/class/net/%s/bridge", name);
}

int vm_tap_check(int root, const struct vm_opt_nic *nic, struct err *err)
{
	const char *name = nic->bridge;

	if (is_bridge(root, name) || tap_flags(root, name))
		return 0;
	if (hostfs_exists(root, "sys/class/net/%s", name))
		return err_plain(err, -EINVAL, "--nic: %s is no bridge and no tap", name);
	err_plain(err, -ENODEV, "--nic: there is no bridge %s, and no tap of this name", name);
	return err_hint(err, "ip link add %s type bridge, or give the name of one that is there", name);
}

int vm_tap_open(int root, const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err)
{
	if (is_bridge(root, nic->bridge))
		return make_tap(root, nic, ret, err);
	return take_tap(root, nic, tap_flags(root, nic->bridge), ret, err);
}
