// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/interface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "sriov/numvfs.h"
#include "sriov/vf_link.h"

static int keep_name(const char *name, void *opaque)
{
	snprintf(opaque, PF_NAME_MAX, "%s", name);
	return 1;
}

int interface_find(int root, const char *dev, char ret[PF_NAME_MAX])
{
	int r = hostfs_list(root, keep_name, ret, "sys/bus/pci/devices/%s/net", dev);

	/* None: no network driver has the device. */
	return r == 1 ? 0 : r == 0 || r == -ENOENT ? -ENODEV : r;
}

int interface_find_settled(int root, const char *dev, char ret[PF_NAME_MAX])
{
	numvfs_settle_udev(root);
	return interface_find(root, dev, ret);
}

/* --- name ------------------------------------------------------------------------------------ */

static int ifname_read(int root, const struct step *step, char *buf, size_t size)
{
	char name[PF_NAME_MAX];
	int r = interface_find(root, step->dev, name);

	if (r == 0)
		snprintf(buf, size, "%s", name);
	return r;
}

static int ifname_write(int root, const struct step *step, const char *value, struct err *err)
{
	char now[PF_NAME_MAX] = "interface";
	int r = interface_find_settled(root, step->dev, now);

	if (r == 0 && strcmp(now, value) != 0)
		r = vf_link_rename(root, now, value);
	if (r == -EEXIST)
		return err_plain(err, r, "%s: its interface stays %s: another one is called %s now",
				 step->dev, now, value);
	return r < 0 ? err_set(err, r, "%s: cannot call its %s %s again", step->dev, now, value) : 0;
}

static void ifname_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "call its interface %s", step->after);
}

const struct step_ops ifname_step_ops = {
	.op = "ifname",
	.read = ifname_read,
	.write = ifname_write,
	.describe = ifname_describe,
	.identity = pf_identity,
};

/* --- MTU ------------------------------------------------------------------------------------- */

static int mtu_read(int root, const struct step *step, char *buf, size_t size)
{
	char name[PF_NAME_MAX];
	int r = interface_find(root, step->dev, name);
	ssize_t n;

	if (r < 0)
		return r;
	n = hostfs_read(root, buf, size, "sys/class/net/%s/mtu", name);
	return n < 0 ? (int)n : 0;
}

static int mtu_write(int root, const struct step *step, const char *value, struct err *err)
{
	char name[PF_NAME_MAX] = "interface";
	int r = interface_find_settled(root, step->dev, name);

	if (r == 0)
		r = hostfs_write(root, value, HOSTFS_DEADLINE_MS, NULL, "sys/class/net/%s/mtu", name);
	return r < 0 ? err_set(err, r, "%s: cannot give %s the MTU %s again", step->dev, name, value)
		     : 0;
}

static void mtu_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "give its interface the MTU %s", step->after);
}

const struct step_ops mtu_step_ops = {
	.op = "mtu",
	.read = mtu_read,
	.write = mtu_write,
	.describe = mtu_describe,
	.identity = pf_identity,
};
