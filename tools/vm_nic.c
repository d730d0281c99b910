// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_nic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"
#include "base/sha256.h"

#define MAC_STRLEN 17

/* The kernel puts the next free number in. */
static const char tap_name[] = "thruway%d";

static bool parse_mac(const char *text, uint8_t ret[6])
{
	unsigned b[6];
	int end = 0;

	if (strlen(text) != MAC_STRLEN)
		return false;
	for (unsigned i = 0; i < 6; i++)
		if (strspn(text + 3 * i, "0123456789abcdefABCDEF") != 2)
			return false;
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &end) != 6 ||
	    text[end])
		return false;
	for (unsigned i = 0; i < 6; i++)
		ret[i] = (uint8_t)b[i];
	return !(ret[0] & 1) && (b[0] | b[1] | b[2] | b[3] | b[4] | b[5]);
}

int vm_nic_parse(const char *text, struct vm_opt_nic *ret, struct err *err)
{
	const char *name = text + 4, *comma = strchrnul(text, ',');
	struct vm_opt_nic nic = { .bridge = "" };
	size_t len = (size_t)(comma - name);

	if (strncmp(text, "tap:", 4) != 0) {
		err_usage(err, "--nic: '%s' is no network device", text);
		return err_hint(err, "write tap:BRIDGE, such as tap:br0");
	}
	if (len == 0 || len >= sizeof(nic.bridge) || memchr(name, '/', len))
		return err_usage(err, "--nic: '%.*s' is no name of a bridge", (int)len, name);
	memcpy(nic.bridge, name, len);
	if (*comma && strncmp(comma, ",mac=", 5) != 0)
		return err_usage(err, "--nic: '%s' after the bridge is not 'mac=MAC'", comma + 1);
	nic.has_mac = *comma;
	if (nic.has_mac && !parse_mac(comma + 5, nic.mac))
		return err_usage(err, "--nic: '%s' is no MAC of one device", comma + 5);
	*ret = nic;
	return 0;
}

/* Local, of one device, and the same for a VM of this name and place at each start. */
static void choose_mac(const char *vm, unsigned index, uint8_t ret[6])
{
	uint8_t digest[SHA256_SIZE];
	char text[128];

	snprintf(text, sizeof(text), "thruway nic %u of %s", index, vm);
	sha256(text, strlen(text), digest);
	memcpy(ret, digest, 6);
	ret[0] = (uint8_t)((ret[0] & 0xfc) | 2);
}

static int refuse_bridge(int root, const char *bridge, struct err *err)
{
	if (hostfs_exists(root, "sys/class/net/%s/bridge", bridge))
		return 0;
	if (hostfs_exists(root, "sys/class/net/%s", bridge))
		return err_plain(err, -EINVAL, "--nic: %s is no bridge", bridge);
	err_plain(err, -ENODEV, "--nic: there is no bridge %s", bridge);
	return err_hint(err, "ip link add %s type bridge, or give the name of one that is there", bridge);
}

static int open_tap(int root, char name[IFNAMSIZ], int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDWR | O_NONBLOCK, "dev/net/tun");
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int r;

	_Static_assert(sizeof(tap_name) <= IFNAMSIZ, "a name");
	memcpy(req.ifr_name, tap_name, sizeof(tap_name));

	if (fd < 0) {
		err_set(err, fd, "--nic: cannot open /dev/net/tun");
		return err_hint(err, "modprobe tun, as root");
	}
	r = sys_ioctl(fd, TUNSETIFF, &req);
	if (r < 0) {
		err_set(err, r, "--nic: cannot make a tap");
		return r == -EPERM ? err_hint(err, "run it as root") : r;
	}
	memcpy(name, req.ifr_name, IFNAMSIZ);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Into the bridge, and up. */
static int join(const char *tap, const char *bridge, struct err *err)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 }, port = { .ifr_ifindex = (int)if_nametoindex(tap) };
	int r = sock < 0 ? -errno : 0;

	snprintf(port.ifr_name, sizeof(port.ifr_name), "%s", bridge);
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", tap);
	if (r == 0)
		r = sys_ioctl(sock, SIOCBRADDIF, &port);
	if (r >= 0)
		r = sys_ioctl(sock, SIOCGIFFLAGS, &req);
	req.ifr_flags |= IFF_UP;
	if (r >= 0)
		r = sys_ioctl(sock, SIOCSIFFLAGS, &req);
	return r < 0 ? err_set(err, r, "--nic: %s cannot join %s", tap, bridge) : 0;
}

static int open_vhost(int root, int *ret_fd, struct err *err)
{
	int fd = hostfs_open(root, O_RDWR, "dev/vhost-net");

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO) {
		err_set(err, fd, "--nic: cannot open /dev/vhost-net");
		return err_hint(err, "modprobe vhost_net");
	}
	if (fd < 0)
		return err_set(err, fd, "--nic: cannot open /dev/vhost-net");
	*ret_fd = fd;
	return 0;
}

int vm_nic_open(int root, const struct vm_opt_nic *nic, const char *vm, unsigned index,
		struct vmm_nic *ret, struct err *err)
{
	_cleanup_close_ int tap = -1, vhost = -1;
	char name[IFNAMSIZ] = "";
	int r = refuse_bridge(root, nic->bridge, err);

	if (r == 0)
		r = open_vhost(root, &vhost, err);
	if (r == 0)
		r = open_tap(root, name, &tap, err);
	if (r == 0)
		r = join(name, nic->bridge, err);
	if (r < 0)
		return r;
	if (nic->has_mac)
		memcpy(ret->mac, nic->mac, sizeof(ret->mac));
	else
		choose_mac(vm, index, ret->mac);
	ret->tap_fd = TAKE_FD(tap);
	ret->vhost_fd = TAKE_FD(vhost);
	return 0;
}
