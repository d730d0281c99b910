// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A macvtap's packets are read from /dev/tapN, N being the number of its interface. A number may
 * have been another interface's a moment ago, so the node is held against what sysfs says of this one.
 */
#include "tools/vm_macvtap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/if_tun.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"
#include "tools/vm_nic.h"

/* Of a character device as sysfs writes it: "MAJOR:MINOR". */
static bool read_dev(int root, unsigned index, dev_t *ret)
{
	unsigned major, minor;
	char text[32];

	if (hostfs_read(root, text, sizeof(text), "sys/class/macvtap/tap%u/dev", index) <= 0 ||
	    sscanf(text, "%u:%u", &major, &minor) != 2)
		return false;
	*ret = makedev(major, minor);
	return true;
}

static int find(int root, const char *name, unsigned *ret_index, dev_t *ret_dev, struct err *err)
{
	uint64_t index = 0;

	if (hostfs_read_u64(root, &index, "sys/class/net/%s/ifindex", name) < 0) {
		err_plain(err, -ENODEV, "--nic: there is no interface %s", name);
		return err_hint(err, "ip link add link eth0 name %s type macvtap mode bridge", name);
	}
	if (index > INT32_MAX || !read_dev(root, (unsigned)index, ret_dev))
		return err_plain(err, -EINVAL, "--nic: %s is no macvtap", name);
	*ret_index = (unsigned)index;
	return 0;
}

/* What the guest sees of it: its address, its MTU. */
static int read_facts(int root, const char *name, struct vmm_nic *ret, struct err *err)
{
	char flags[32] = "", mac[32] = "";
	uint64_t mtu = 0;

	(void)hostfs_read(root, flags, sizeof(flags), "sys/class/net/%s/flags", name);
	if (!(strtoul(flags, NULL, 16) & IFF_UP)) {
		err_plain(err, -ENETDOWN, "--nic: %s is down", name);
		return err_hint(err, "ip link set %s up", name);
	}
	if (hostfs_read(root, mac, sizeof(mac), "sys/class/net/%s/address", name) <= 0 ||
	    !vm_nic_parse_mac(mac, ret->mac))
		return err_plain(err, -EINVAL, "--nic: %s has no MAC for a guest", name);
	if (hostfs_read_u64(root, &mtu, "sys/class/net/%s/mtu", name) == 0 && mtu <= UINT16_MAX)
		ret->mtu = (uint16_t)mtu;
	snprintf(ret->host, sizeof(ret->host), "%s", name);
	return 0;
}

static int open_node(int root, unsigned index, dev_t dev)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDWR | O_NONBLOCK | O_NOCTTY, "dev/tap%u", index);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != dev)
		return -ENXIO;
	return TAKE_FD(fd);
}

/* Each open takes a share of what comes, so whoever comes second would have half of our packets. */
static int open_queue(int root, unsigned index, dev_t dev, unsigned i, struct vmm_nic *ret)
{
	struct ifreq req = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						  (ret->pairs > 1 ? IFF_MULTI_QUEUE : 0)) };
	int fd = open_node(root, index, dev), r;

	if (fd < 0)
		return fd;
	ret->tap_fd[i] = fd;
	if (!i && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	r = sys_ioctl(fd, TUNSETIFF, &req);
	return r < 0 ? r : 0;
}

static int explain(const char *name, unsigned index, int r, struct err *err)
{
	if (r == -EBUSY) {
		err_plain(err, r, "--nic: another program has the macvtap %s", name);
		return err_hint(err, "thruway vm ps shows the VMs that run, lslocks who has a lock on /dev/tap%u",
				index);
	}
	if (r == -ENXIO)
		return err_plain(err, r, "--nic: /dev/tap%u is not %s's", index, name);
	err_set(err, r, "--nic: cannot open /dev/tap%u of %s", index, name);
	return r == -ENOENT ? err_hint(err, "its node is devtmpfs's to make: is that /dev?") :
	       r == -EACCES ? err_hint(err, "run it as root, or give the node to the user") : r;
}

int vm_macvtap_open(int root, const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err)
{
	unsigned index = 0;
	dev_t dev = 0;
	int r = find(root, nic->macvtap, &index, &dev, err);

	if (r == 0)
		r = read_facts(root, nic->macvtap, ret, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < ret->pairs && r == 0; i++)
		r = open_queue(root, index, dev, i, ret);
	return r < 0 ? explain(nic->macvtap, index, r, err) : 0;
}
