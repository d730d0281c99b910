// SPDX-License-Identifier: GPL-2.0-or-later
/* VFs of network cards: their addresses, their link, and who else configures them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"

#define VFS_MAX 1024

static bool is_net(const struct pci_function *dev)
{
	return dev->class >> 16 == 0x02;
}

/* The VF number i of this check's PF is in a VFIO driver's hands. */
static bool vf_is_wanted(const struct check *c, unsigned i)
{
	const struct pci_function *vf;
	struct bdf bdf;

	if (pci_function_vf(c->d->root, c->dev->bdf, i, &bdf) < 0)
		return false;
	vf = topo_find(c->d->req->topo, bdf);
	return vf && pci_function_driver_is_vfio(vf->driver);
}

static unsigned wanted_vfs(const struct check *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->dev->num_vfs; i++)
		n += vf_is_wanted(c, i);
	return n;
}

/* The PF's facts, when this check is of a network PF with VFs for guests. */
static bool pf_with_vfs(struct check *c, struct pf *ret)
{
	if (!is_net(c->dev) || !c->dev->num_vfs || !wanted_vfs(c) ||
	    pf_read(c->d->root, c->dev->bdf, ret, NULL) < 0 || !ret->netdev[0] || ret->busy) {
		check_skip(c);
		return false;
	}
	return true;
}

static int read_vfs(const struct check *c, const struct pf *pf, struct vf_attrs *ret, unsigned n)
{
	return (c->d->req->vf_read ? c->d->req->vf_read : vf_link_read)(c->d->root, pf, ret, n);
}

static void judge_mac(struct check *c, const struct pf *pf, const struct vf_attrs *vfs, unsigned n)
{
	static const uint8_t none[6];

	for (unsigned i = 0; i < n; i++) {
		if (!VF_HAS(&vfs[i], VF_MAC) || memcmp(vfs[i].mac, none, 6) != 0 ||
		    !vf_is_wanted(c, i))
			continue;
		check_evidence(c, "mac 00:00:00:00:00:00", "sys/class/net/%s: vf %u", pf->netdev,
			       i);
		check_say(c, DOCTOR_WARN,
			  "VFs for guests have no address of their own: a guest sees "
			  "another one after each reset");
		check_fix(c, "thruway vf set %s/vf%u mac 52:54:00:...", pf->netdev, i);
	}
}

void rule_vf_mac_trust(struct check *c)
{
	_cleanup_free_ struct vf_attrs *vfs = NULL;
	struct pf pf;
	unsigned n;
	int r;

	if (!pf_with_vfs(c, &pf))
		return;
	n = c->dev->num_vfs < VFS_MAX ? c->dev->num_vfs : VFS_MAX;
	vfs = calloc(n, sizeof(*vfs));
	if (!vfs) {
		c->oom = true;
		return;
	}
	r = read_vfs(c, &pf, vfs, n);
	if (r < 0)
		check_say(c, DOCTOR_NOTE, "cannot tell: the VFs of %s cannot be asked for: %s",
			  pf.netdev, strerror(-r));
	else
		judge_mac(c, &pf, vfs, (unsigned)r < n ? (unsigned)r : n);
	if (CHECK_LOG(c, "override administratively set MAC", "is not trusted", "not trusted, ")) {
		check_say(c, DOCTOR_WARN, "a guest was refused an address of its own choice");
		check_fix(c,
			  "if it may choose (bonds, VRRP, bridges in the guest): thruway vf set "
			  "%s/vfN trust on",
			  pf.netdev);
	}
}

static bool any_without_state(const struct check *c, const struct pf *pf)
{
	_cleanup_free_ struct vf_attrs *vfs = calloc(c->dev->num_vfs, sizeof(*vfs));
	int r = vfs ? read_vfs(c, pf, vfs, c->dev->num_vfs) : -ENOMEM;

	/* Link up by the VF's own setting is independent of the PF's cable. */
	for (int i = 0; i < r && i < (int)c->dev->num_vfs; i++) {
		if (vf_is_wanted(c, (unsigned)i) && vfs[i].state != VF_STATE_ENABLE)
			return true;
	}
	return r <= 0;
}

void rule_vf_link_fdb(struct check *c)
{
	char bridge[64];
	struct pf pf;

	if (!pf_with_vfs(c, &pf))
		return;
	if (!pf.up) {
		check_evidence(c, "down", "sys/class/net/%s/flags", pf.netdev);
		check_say(c, DOCTOR_WARN, "%s is down, and with it the link of its VFs", pf.netdev);
		check_fix(c, "ip link set %s up", pf.netdev);
	} else if (!pf.carrier && any_without_state(c, &pf)) {
		check_evidence(c, "0", "sys/class/net/%s/carrier", pf.netdev);
		check_say(c, DOCTOR_WARN, "%s has no link, so its VFs have none", pf.netdev);
		check_fix(c,
			  "plug the cable in; for traffic among VFs alone: thruway vf set %s/vfN "
			  "state enable",
			  pf.netdev);
	}
	if (hostfs_link_name(c->d->root, bridge, sizeof(bridge), "sys/class/net/%s/master",
			     pf.netdev) < 0)
		return;
	check_evidence(c, bridge, "sys/class/net/%s/master", pf.netdev);
	check_say(c, DOCTOR_NOTE,
		  "it is a port of %s: its VFs do not reach guests behind that bridge "
		  "unless the card is told their addresses",
		  bridge);
	check_fix(
		c,
		"for each such guest: bridge fdb add MAC dev %s; or put a VF into the bridge instead",
		pf.netdev);
}

/* --- who else configures them
 * --------------------------------------------------------------------- */

/* A line "KEY=value" of one of systemd's and NetworkManager's state files; false: none. */
static bool state_of(struct check *c, const char *path, const char *key, char *buf, size_t size)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *in = NULL;
	size_t n = 0, len = strlen(key);

	if (check_fopen(c, &in, "%s", path) < 0)
		return false;
	while (getline(&line, &n, in) > 0) {
		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(buf, size, "%s", line + len + 1);
		check_evidence(c, line, "%s", path);
		return true;
	}
	return false;
}

static void judge_managers(struct check *c, const char *netdev)
{
	char path[96], value[32], index[16];

	if (hostfs_read(c->d->root, index, sizeof(index), "sys/class/net/%s/ifindex", netdev) < 0)
		return;
	snprintf(path, sizeof(path), "run/systemd/netif/links/%s", index);
	if (state_of(c, path, "ADMIN_STATE", value, sizeof(value)) &&
	    strcmp(value, "unmanaged") != 0) {
		check_say(c, DOCTOR_WARN, "systemd-networkd configures its interface %s", netdev);
		check_fix(c, "a .network file that matches it with [Link] Unmanaged=yes");
	}
	snprintf(path, sizeof(path), "run/NetworkManager/devices/%s", index);
	if (state_of(c, path, "managed", value, sizeof(value)) &&
	    (strcmp(value, "true") == 0 || strcmp(value, "1") == 0)) {
		check_say(c, DOCTOR_WARN, "NetworkManager configures its interface %s", netdev);
		check_fix(c,
			  "nmcli device set %s managed no; for good: unmanaged-devices= in "
			  "/etc/NetworkManager/conf.d",
			  netdev);
	}
}

void rule_nm_udev_race(struct check *c)
{
	struct in_use u;

	if (!c->dev->is_vf || !c->wanted || !c->dev->netdev_count) {
		check_skip(c);
		return;
	}
	in_use_find(c->d->req->users, c->dev, &u);
	for (unsigned i = 0; i < u.count; i++) {
		if (u.items[i].reason != IN_USE_ROUTE)
			continue;
		check_evidence(c, u.items[i].what, "proc/net/route");
		check_say(c, DOCTOR_WARN, "something on this host configures its interface: %s",
			  u.items[i].what);
	}
	for (unsigned i = 0; i < c->dev->netdev_count; i++)
		judge_managers(c, c->dev->netdevs[i]);
	check_fix(c, "make VFs without drivers: thruway vf create does; else set "
		     "sriov_drivers_autoprobe to 0 before sriov_numvfs");
}
