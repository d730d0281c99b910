// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "sriov/vf_link.h"

#define CARRIER_TRIES	 50
#define CARRIER_PAUSE_MS 100

#define UNSUPPORTED "unsupported" /* in the journal: never to be taken for a value of 0 */

int vf_set_check(const struct pf *pf, struct err *err)
{
	const char *dev = BDF_STR(pf->bdf);

	if (pf->netdevs == 1)
		return 0;
	if (pf->netdevs > 1)
		return err_plain(err, -EOPNOTSUPP, "%s has %u network interfaces, and which of "
				 "them keeps the attributes of a VF cannot be told", dev,
				 pf->netdevs);
	if (pf->class >> 16 != 0x02) {
		err_plain(err, -EOPNOTSUPP, "%s is not a network device: its VFs have no MAC, vlan "
			  "and the like", dev);
		return err_hint(err, "leave the attributes out");
	}
	err_plain(err, -EOPNOTSUPP, "%s has no network interface here, so its VFs' attributes "
		  "cannot be reached", dev);
	return err_hint(err, pf->driver[0] ? "it may be in another network namespace" :
			"bind the PF to its own driver");
}

/* What else the errno may mean, as a hint; NULL: nothing is known. */
static const char *guess(const struct pf *pf, enum vf_group group, int code,
			 const struct vf_attrs *attrs)
{
	if (code == -EPERM)
		return geteuid() == 0 ? "root alone does not do: it takes CAP_NET_ADMIN, in the "
					"interface's network namespace" : "run it as root";
	if ((group == VF_GROUP_NODE_GUID || group == VF_GROUP_PORT_GUID) && code == -EOPNOTSUPP)
		return "GUIDs are for the VFs of InfiniBand devices";
	if (group == VF_GROUP_RATE && code == -EOPNOTSUPP)
		return "in switchdev mode the rates of VFs are set by devlink: devlink port function rate";
	if (group == VF_GROUP_RATE && attrs->max_tx_rate && attrs->min_tx_rate > attrs->max_tx_rate)
		return "min_tx_rate is more than max_tx_rate";
	if (group == VF_GROUP_RATE && attrs->min_tx_rate && code == -EINVAL)
		return "it may know no min_tx_rate";
	if (group == VF_GROUP_RATE && !pf->up)
		return "a rate needs the PF's link: bring it up first (ip link set DEV up, or vf create --up)";
	if (group == VF_GROUP_RATE && !pf->carrier)
		return "a rate needs the PF's link, which has no carrier";
	if (group == VF_GROUP_RATE)
		return "it may be more than the speed of the PF's link";
	if (group == VF_GROUP_VLAN && attrs->proto == VF_PROTO_8021AD)
		return "it may know 802.1Q only";
	return NULL;
}

static int explain(const struct pf *pf, unsigned vf, enum vf_group group, int code,
		   const struct vf_attrs *attrs, struct err *err)
{
	const char *why = guess(pf, group, code, attrs);
	char text[STEP_VALUE_MAX] = "";

	if (code == -EOPNOTSUPP && !(group == VF_GROUP_VLAN && attrs->proto == VF_PROTO_8021AD)) {
		err_set(err, code, "%s: the %s driver has no %s for VFs (vf%u)", BDF_STR(pf->bdf),
			pf->driver, vf_group_word(group), vf);
		return why ? err_hint(err, "%s", why) : code;
	}
	(void)vf_group_format(attrs, group, text, sizeof(text));
	if (code == -EPERM || code == -EACCES)
		err_set(err, code, "%s: cannot set %s of vf%u", BDF_STR(pf->bdf), text, vf);
	else
		err_set(err, code, "%s: the %s driver refuses %s for vf%u", BDF_STR(pf->bdf),
			pf->driver, text, vf);
	return why ? err_hint(err, "%s", why) : code;
}

int vf_set_unreadable(int code, struct err *err)
{
	if (code != -EMSGSIZE)
		return code;
	return err_hint(err, "the kernel lists the attributes of some 300 VFs of a PF and no more");
}

static int read_back(int root, const struct pf *pf, unsigned vf, enum vf_group group,
		     const char *wanted, struct err *err)
{
	_cleanup_free_ struct vf_attrs *now = calloc(vf + 1, sizeof(*now));
	char text[STEP_VALUE_MAX] = "nothing";
	int r;

	if (!now)
		return -ENOMEM;
	r = vf_link_read(root, pf, now, vf + 1);
	if (r < 0) {
		err_set(err, r, "%s: cannot read back %s of vf%u", BDF_STR(pf->bdf),
			vf_group_word(group), vf);
		return vf_set_unreadable(r, err);
	}
	(void)vf_group_format(&now[vf], group, text, sizeof(text));
	if (strcmp(text, wanted) == 0)
		return 0;
	return err_plain(err, -EIO, "%s: the %s driver took \"%s\" for vf%u but reads back \"%s\"",
			 BDF_STR(pf->bdf), pf->driver, wanted, vf, text);
}

/* Drivers measure a rate by the link's speed, which a link just brought up does not have yet. */
static void await_carrier(int root, struct pf *pf)
{
	struct timespec pause = { .tv_nsec = CARRIER_PAUSE_MS * 1000000l };

	for (unsigned i = 0; i < CARRIER_TRIES && pf->up && !pf->carrier; i++) {
		nanosleep(&pause, NULL);
		(void)pf_read(root, pf->bdf, pf, NULL);
	}
}

int vf_set(int root, const struct pf *at, unsigned vf, enum vf_group group,
	   const struct vf_attrs *attrs, struct err *err)
{
	char wanted[STEP_VALUE_MAX];
	struct pf now = *at, *pf = &now;
	int r = vf_set_check(pf, err);

	if (r < 0)
		return r;
	if (group == VF_GROUP_RATE && (attrs->min_tx_rate || attrs->max_tx_rate))
		await_carrier(root, pf);
	r = vf_group_format(attrs, group, wanted, sizeof(wanted));
	if (r == 0)
		r = vf_link_set(root, pf, vf, group, attrs);
	if (r < 0)
		return explain(pf, vf, group, r, attrs, err);
	return read_back(root, pf, vf, group, wanted, err);
}

/* --- the journal's row ----------------------------------------------------------------------- */

int vf_set_parse_key(const char *key, unsigned *ret_vf, enum vf_group *ret_group)
{
	char word[16];
	unsigned vf;
	int used = 0;

	if (sscanf(key, "vf%u %15s%n", &vf, word, &used) != 2 || key[used] || vf > 65535 ||
	    vf_group_find(word, ret_group) < 0)
		return -EINVAL;
	*ret_vf = vf;
	return 0;
}

static int open_step(int root, const struct step *step, struct pf *pf, unsigned *vf,
		     enum vf_group *group, struct err *err)
{
	struct bdf bdf;
	int r;

	if (bdf_parse(step->dev, &bdf) < 0 || vf_set_parse_key(step->key, vf, group) < 0)
		return err_plain(err, -EINVAL, "%s: \"%s\" is not an attribute of a VF", step->dev,
				 step->key);
	r = pf_read(root, bdf, pf, err);
	return r < 0 ? r : pf_refuse_busy(root, pf, "read or set attributes of VFs of", err);
}

static int vfattr_read(int root, const struct step *step, char *buf, size_t size)
{
	_cleanup_free_ struct vf_attrs *now = NULL;
	enum vf_group group;
	struct pf pf;
	unsigned vf;
	int r = open_step(root, step, &pf, &vf, &group, NULL);

	if (r < 0)
		return r;
	if (vf >= pf.numvfs)
		return -ENODEV;
	now = calloc(vf + 1, sizeof(*now));
	if (!now)
		return -ENOMEM;
	r = vf_link_read(root, &pf, now, vf + 1);
	if (r < 0)
		return r;
	r = vf_group_format(&now[vf], group, buf, size);
	if (r != -EOPNOTSUPP)
		return r;
	snprintf(buf, size, UNSUPPORTED);
	return 0;
}

static int vfattr_write(int root, const struct step *step, const char *value, struct err *err)
{
	struct vf_attrs attrs;
	enum vf_group group;
	struct pf pf;
	unsigned vf;
	int r = open_step(root, step, &pf, &vf, &group, err);

	if (r < 0)
		return r;
	if (strcmp(value, UNSUPPORTED) == 0)
		return 0; /* it had none before: there is nothing to put back */
	if (vf_group_parse(value, &attrs) < 0)
		return err_plain(err, -EINVAL, "%s: \"%s\" is not a value of %s", step->dev, value,
				 vf_group_word(group));
	return vf_set(root, &pf, vf, group, &attrs, err);
}

static void vfattr_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "vf%u %s", (unsigned)strtoul(step->key + 2, NULL, 10), step->after);
}

const struct step_ops vfattr_step_ops = {
	.op = "vfattr",
	.read = vfattr_read,
	.write = vfattr_write,
	.describe = vfattr_describe,
	.identity = pf_identity,
};
