// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/devlink.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <linux/devlink.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "base/dl.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "sriov/pf.h"

#define NL(X)                      \
	X(nl_socket_alloc)         \
	X(nl_socket_free)          \
	X(nl_socket_modify_cb)     \
	X(nl_socket_modify_err_cb) \
	X(nl_send_auto)            \
	X(nl_send_sync)            \
	X(nl_recvmsgs_default)     \
	X(nlmsg_alloc)             \
	X(nlmsg_free)              \
	X(nlmsg_hdr)               \
	X(nlmsg_ok)                \
	X(nlmsg_valid_hdr)         \
	X(nlmsg_find_attr)         \
	X(nla_len)                 \
	X(nla_data)                \
	X(nla_put)
#define GENL(X)               \
	X(genl_connect)       \
	X(genl_ctrl_resolve)  \
	X(genlmsg_put)

NL(DL_POINTER)
GENL(DL_POINTER)

static const struct dl_symbol nl_symbols[] = { NL(DL_SYMBOL) };
static const struct dl_symbol genl_symbols[] = { GENL(DL_SYMBOL) };
static struct dl_library libnl = { "libnl-3.so.200", "libnl-3-200", nl_symbols,
				   ARRAY_SIZE(nl_symbols) };
static struct dl_library libgenl = { "libnl-genl-3.so.200", "libnl-genl-3-200", genl_symbols,
				     ARRAY_SIZE(genl_symbols) };

static void free_sockp(struct nl_sock **sk)
{
	if (*sk)
		dl_nl_socket_free(*sk);
}

static void free_msgp(struct nl_msg **msg)
{
	if (*msg)
		dl_nlmsg_free(*msg);
}

const char *devlink_eswitch_word(enum devlink_eswitch mode)
{
	return mode == DEVLINK_SWITCHDEV ? "switchdev" : "legacy";
}

bool devlink_eswitch_after_vfs(const char *driver)
{
	return strcmp(driver, "mlx5_core") == 0;
}

int devlink_eswitch_parse(const void *msg, size_t len, enum devlink_eswitch *ret)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)msg;
	struct nlattr *attr;
	uint16_t mode;

	if (dl_load(&libnl, NULL) < 0)
		return -ELIBACC;
	if (len < sizeof(*nlh) || !dl_nlmsg_ok(nlh, (int)len) ||
	    !dl_nlmsg_valid_hdr(nlh, GENL_HDRLEN))
		return -EBADMSG;
	attr = dl_nlmsg_find_attr(nlh, GENL_HDRLEN, DEVLINK_ATTR_ESWITCH_MODE);
	if (!attr)
		return -EOPNOTSUPP;
	if ((size_t)dl_nla_len(attr) < sizeof(mode))
		return -EBADMSG;
	memcpy(&mode, dl_nla_data(attr), sizeof(mode));
	if (mode > DEVLINK_SWITCHDEV) /* 6.11's "switchdev_inactive" is none of ours */
		return -EOPNOTSUPP;
	*ret = mode;
	return 0;
}

/* --- talking ---------------------------------------------------------------------------------- */

struct answer {
	enum devlink_eswitch mode;
	int result;
};

static int on_answer(struct nl_msg *msg, void *opaque)
{
	struct nlmsghdr *nlh = dl_nlmsg_hdr(msg);
	struct answer *a = opaque;

	a->result = devlink_eswitch_parse(nlh, nlh->nlmsg_len, &a->mode);
	return NL_OK;
}

static int on_error(struct sockaddr_nl *nla, struct nlmsgerr *error, void *opaque)
{
	*(int *)opaque = error->error;
	return NL_STOP;
}

/* A connected socket and a request about one handle. 0; -EOPNOTSUPP: a kernel without devlink. */
static int prepare(uint8_t command, const char *bus, const char *dev, struct nl_sock **sk,
		   struct nl_msg **msg)
{
	int family;

	if (dl_load(&libnl, NULL) < 0 || dl_load(&libgenl, NULL) < 0)
		return -ELIBACC;
	*sk = dl_nl_socket_alloc();
	*msg = dl_nlmsg_alloc();
	if (!*sk || !*msg)
		return -ENOMEM;
	if (dl_genl_connect(*sk) < 0)
		return -EIO;
	family = dl_genl_ctrl_resolve(*sk, DEVLINK_GENL_NAME);
	if (family < 0)
		return -EOPNOTSUPP;
	if (!dl_genlmsg_put(*msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST, command,
			    DEVLINK_GENL_VERSION) ||
	    dl_nla_put(*msg, DEVLINK_ATTR_BUS_NAME, (int)strlen(bus) + 1, bus) < 0 ||
	    dl_nla_put(*msg, DEVLINK_ATTR_DEV_NAME, (int)strlen(dev) + 1, dev) < 0)
		return -ENOMEM;
	return 0;
}

/* A device that devlink does not know is one whose driver has none of it. */
static int unsupported(int r)
{
	return r == -ENODEV || r == -EINVAL ? -EOPNOTSUPP : r;
}

int devlink_eswitch_get(const char *bus, const char *dev, enum devlink_eswitch *ret)
{
	_cleanup_(free_sockp) struct nl_sock *sk = NULL;
	_cleanup_(free_msgp) struct nl_msg *msg = NULL;
	struct answer a = { .result = -EIO };
	int r = prepare(DEVLINK_CMD_ESWITCH_GET, bus, dev, &sk, &msg);

	if (r < 0)
		return r;
	dl_nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_answer, &a);
	dl_nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &a.result);
	if (dl_nl_send_auto(sk, msg) < 0)
		return -EIO;
	r = dl_nl_recvmsgs_default(sk);
	if (r < 0 && a.result >= 0)
		return -EIO;
	if (a.result == 0)
		*ret = a.mode;
	return unsupported(a.result);
}

int devlink_eswitch_set(const char *bus, const char *dev, enum devlink_eswitch mode)
{
	_cleanup_(free_sockp) struct nl_sock *sk = NULL;
	_cleanup_(free_msgp) struct nl_msg *msg = NULL;
	uint16_t value = (uint16_t)mode;
	int error = 0, r = prepare(DEVLINK_CMD_ESWITCH_SET, bus, dev, &sk, &msg);

	if (r < 0)
		return r;
	if (dl_nla_put(msg, DEVLINK_ATTR_ESWITCH_MODE, sizeof(value), &value) < 0)
		return -ENOMEM;
	dl_nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &error);
	r = dl_nl_send_sync(sk, msg); /* takes the message */
	msg = NULL;
	return r < 0 && error == 0 ? -EIO : error;
}

/* --- the journal's row ------------------------------------------------------------------------ */

static int eswitch_read(int root, const struct step *step, char *buf, size_t size)
{
	enum devlink_eswitch mode;
	int r;

	if (!hostfs_exists(root, "sys/bus/pci/devices/%s", step->dev))
		return -ENODEV;
	r = devlink_eswitch_get("pci", step->dev, &mode);
	if (r == 0)
		snprintf(buf, size, "%s", devlink_eswitch_word(mode));
	return r;
}

static int eswitch_write(int root, const struct step *step, const char *value, struct err *err)
{
	enum devlink_eswitch mode = strcmp(value, "switchdev") == 0 ? DEVLINK_SWITCHDEV
								    : DEVLINK_LEGACY;
	int r = devlink_eswitch_set("pci", step->dev, mode);

	if (r == 0)
		return 0;
	err_set(err, r, "%s: cannot set the mode of its eswitch to %s", step->dev, value);
	return err_hint(err, r == -EPERM ? "run it as root" :
			"the driver says more in the kernel log; a bond, a bridge or steering rules "
			"on the PF may stand in the way");
}

static void eswitch_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "set its eswitch to %s", step->after);
}

const struct step_ops eswitch_step_ops = {
	.op = "eswitch",
	.read = eswitch_read,
	.write = eswitch_write,
	.describe = eswitch_describe,
	.identity = pf_identity,
};
