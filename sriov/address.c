// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"
#include "sriov/vf_link.h"

static int keep_name(const char *name, void *opaque)
{
	snprintf(opaque, PF_NAME_MAX, "%s", name);
	return 1;
}

/* -ENODEV: it has none now, because no network driver has it. */
static int find_netdev(int root, const struct step *step, char name[PF_NAME_MAX])
{
	int r = hostfs_list(root, keep_name, name, "sys/bus/pci/devices/%s/net", step->dev);

	return r == 1 ? 0 : r == 0 || r == -ENOENT ? -ENODEV : r;
}

static int address_read(int root, const struct step *step, char *buf, size_t size)
{
	char name[PF_NAME_MAX];
	int r = find_netdev(root, step, name);
	ssize_t n;

	if (r < 0)
		return r;
	n = hostfs_read(root, buf, size, "sys/class/net/%s/address", name);
	return n < 0 ? (int)n : 0;
}

static int address_write(int root, const struct step *step, const char *value, struct err *err)
{
	struct vf_attrs a = { 0 };
	char name[PF_NAME_MAX];
	int r = find_netdev(root, step, name);

	if (r == 0)
		r = vf_attr_parse(&a, "mac", value, NULL);
	if (r == 0)
		r = vf_link_set_mac(root, name, a.mac);
	return r < 0 ? err_set(err, r, "%s: cannot give its interface the MAC %s again", step->dev,
			       value) : 0;
}

const struct step_ops address_step_ops = {
	.op = "address",
	.read = address_read,
	.write = address_write,
	.identity = pf_identity,
};
