// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "sriov/interface.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"
#include "sriov/vf_link.h"

static int address_read(int root, const struct step *step, char *buf, size_t size)
{
	char name[PF_NAME_MAX];
	int r = interface_find(root, step->dev, name);
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
	int r = interface_find_settled(root, step->dev, name);

	if (r == 0)
		r = vf_attr_parse(&a, "mac", value, NULL);
	if (r == 0)
		r = vf_link_set_mac(root, name, a.mac);
	return r < 0 ? err_set(err, r, "%s: cannot give its interface the MAC %s again", step->dev,
			       value) : 0;
}

static void address_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "give its interface the MAC %s", step->after);
}

const struct step_ops address_step_ops = {
	.op = "address",
	.read = address_read,
	.write = address_write,
	.describe = address_describe,
	.identity = pf_identity,
};
