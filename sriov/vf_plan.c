// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "sriov/numvfs.h"
#include "sriov/nvme_virt.h"
#include "sriov/vf_link.h"
#include "sriov/vf_set.h"
#include "sriov/vf_users.h"
#include "vfio/bind_step.h"
#include "vfio/pci_function.h"
#include "vfio/topology.h"

/* before: the only value it may be changed from. */
static int add_from(struct plan *plan, const char *op, struct bdf dev, const char *before,
		    const char *after)
{
	struct step step = { 0 };

	snprintf(step.op, sizeof(step.op), "%s", op);
	bdf_str(dev, step.dev);
	snprintf(step.before, sizeof(step.before), "%s", before);
	snprintf(step.after, sizeof(step.after), "%s", after);
	return plan_add(plan, &step);
}

static int add(struct plan *plan, const char *op, struct bdf dev, const char *key,
	       const char *after, bool transient)
{
	struct step step = { .transient = transient };

	snprintf(step.op, sizeof(step.op), "%s", op);
	bdf_str(dev, step.dev);
	snprintf(step.key, sizeof(step.key), "%s", key);
	snprintf(step.after, sizeof(step.after), "%s", after);
	return plan_add(plan, &step);
}

/* --- create ---------------------------------------------------------------------------------- */

static int refuse_existing(int root, const struct pf *pf, struct err *err)
{
	char users[400];
	int used = vf_users(root, pf->bdf, users, sizeof(users));
	const char *dev = BDF_STR(pf->bdf);

	if (used > 0) {
		err_plain(err, -EBUSY, "%s has %u VFs already, and they are in use (%s)", dev,
			  pf->numvfs, users);
		return err_hint(err, "the number of VFs changes through 0 only: stop what uses "
				     "them, then thruway vf destroy %s", dev);
	}
	err_plain(err, -EBUSY, "%s has %u VFs already", dev, pf->numvfs);
	return err_hint(err, "the number of VFs changes through 0 only: thruway vf destroy %s",
			dev);
}

bool vf_plan_driver_makes_vfs(int root, const char *driver)
{
	char on[8] = "";

	if (!driver[0] || !pci_function_driver_is_vfio(driver))
		return driver[0];
	/* It can, with the VFs' guests at the mercy of the PF's: off unless asked for. */
	return strcmp(driver, "vfio-pci") == 0 &&
	       hostfs_read(root, on, sizeof(on), "sys/module/vfio_pci/parameters/enable_sriov") > 0 &&
	       strcmp(on, "Y") == 0;
}

/* What the write to sriov_numvfs would find out: -ENOENT, for all of these. */
static int check_driver(int root, const struct pf *pf, struct err *err)
{
	const char *dev = BDF_STR(pf->bdf);

	if (!pf->driver[0]) {
		err_plain(err, -ENOENT, "cannot make VFs of %s: no driver is bound to it", dev);
		return err_hint(err, "a PF's own driver makes its VFs: thruway restore %s", dev);
	}
	if (vf_plan_driver_makes_vfs(root, pf->driver))
		return 0;
	err_plain(err, -ENOENT, "cannot make VFs of %s: it is bound to %s, which makes none", dev,
		  pf->driver);
	return err_hint(err, "give it back to its own driver: thruway restore %s", dev);
}

static uint32_t asked_attrs(const struct vf_create *req)
{
	uint32_t have = req->all.have;

	for (unsigned i = 0; req->each && i < req->count; i++)
		have |= req->each[i].have;
	return have;
}

static int check(int root, const struct vf_create *req, struct err *err)
{
	const struct pf *pf = req->pf;
	const char *dev = BDF_STR(pf->bdf);
	char group[16];
	int r;

	if (!req->count) {
		err_usage(err, "the number of VFs must be 1 or more");
		return err_hint(err, "thruway vf destroy %s takes them away", dev);
	}
	if (req->count > pf->totalvfs)
		return err_plain(err, -ERANGE, "%s can have %u VFs at most, not %u", dev,
				 pf->totalvfs, req->count);
	r = pf_refuse_busy(root, pf, "make VFs of", err);
	if (r < 0)
		return r;
	if (pf->numvfs)
		return refuse_existing(root, pf, err);
	r = check_driver(root, pf, err);
	if (r < 0)
		return r;
	if (asked_attrs(req)) {
		r = vf_set_check(pf, err);
		if (r < 0)
			return r;
	}
	if (req->driver && pci_function_driver_is_vfio(req->driver) &&
	    hostfs_link_name(root, group, sizeof(group), "sys/bus/pci/devices/%s/iommu_group", dev) < 0) {
		err_plain(err, -ENODEV, "cannot bind VFs of %s to %s: it has no IOMMU group", dev,
			  req->driver);
		return topo_hint_no_group(root, err);
	}
	if (req->up && pf->netdevs != 1)
		return err_plain(err, -EOPNOTSUPP, "%s has no network interface to bring up", dev);
	if ((req->queues || req->interrupts) && !pf->nvme[0])
		return err_plain(err, -EOPNOTSUPP, "%s is not an NVMe controller with its driver: "
				 "queues and interrupts are for those", dev);
	return 0;
}

/* What vf gets: its own words, then those for all. */
static int merge(const struct vf_create *req, unsigned vf, struct vf_attrs *ret, struct err *err)
{
	struct vf_attrs a = req->each ? req->each[vf] : (struct vf_attrs){ 0 };
	const struct vf_attrs *all = &req->all;

#define TAKE(bit, field)                                       \
	do {                                                   \
		if (!VF_HAS(&a, bit) && VF_HAS(all, bit))      \
			a.field = all->field;                  \
	} while (0)
	TAKE(VF_VLAN, vlan);
	TAKE(VF_QOS, qos);
	TAKE(VF_PROTO, proto);
	TAKE(VF_SPOOFCHK, spoofchk);
	TAKE(VF_TRUST, trust);
	TAKE(VF_STATE, state);
	TAKE(VF_MIN_TX_RATE, min_tx_rate);
	TAKE(VF_MAX_TX_RATE, max_tx_rate);
	TAKE(VF_QUERY_RSS, query_rss);
#undef TAKE
	if (!VF_HAS(&a, VF_MAC) && VF_HAS(all, VF_MAC) && vf_mac_add(all->mac, vf, a.mac) < 0) {
		err_usage(err, "the MAC of vf%u would leave the range that begins with its first "
			  "three bytes", vf);
		return err_hint(err, "begin with a lower one");
	}
	if ((!VF_HAS(&a, VF_NODE_GUID) && VF_HAS(all, VF_NODE_GUID) &&
	     vf_guid_add(all->node_guid, vf, &a.node_guid) < 0) ||
	    (!VF_HAS(&a, VF_PORT_GUID) && VF_HAS(all, VF_PORT_GUID) &&
	     vf_guid_add(all->port_guid, vf, &a.port_guid) < 0)) {
		err_usage(err, "the GUID of vf%u would leave the range that begins with its first "
			  "three bytes", vf);
		return err_hint(err, "begin with a lower one");
	}
	a.have |= all->have;
	vf_attrs_complete(&a, NULL);
	*ret = a;
	return 0;
}

static int add_groups(struct plan *plan, const struct pf *pf, unsigned vf,
		      const struct vf_attrs *attrs)
{
	char key[STEP_KEY_MAX], after[STEP_VALUE_MAX];
	int r = 0;

	for (unsigned group = 0; group < VF_GROUP_COUNT && r == 0; group++) {
		if (!(attrs->have & vf_group_mask(group)))
			continue;
		snprintf(key, sizeof(key), "vf%u %s", vf, vf_group_word(group));
		r = vf_group_format(attrs, group, after, sizeof(after));
		if (r == 0)
			r = add(plan, "vfattr", pf->bdf, key, after, false);
	}
	return r;
}

/* Two VFs with one MAC: the switch of the PF gives frames to either. */
static int refuse_same_mac(const struct vf_attrs *attrs, unsigned vf, struct err *err)
{
	static const uint8_t none[6];
	char mac[18];

	if (!VF_HAS(&attrs[vf], VF_MAC) || memcmp(attrs[vf].mac, none, 6) == 0)
		return 0;
	for (unsigned i = 0; i < vf; i++) {
		if (VF_HAS(&attrs[i], VF_MAC) && memcmp(attrs[i].mac, attrs[vf].mac, 6) == 0)
			return err_usage(err, "vf%u and vf%u would both have the MAC %s", i, vf,
					 vf_mac_str(attrs[vf].mac, mac));
	}
	return 0;
}

/* Nor the PF's own, with which the host itself is on that switch. */
static int refuse_mac_of_pf(int root, const struct pf *pf, const struct vf_attrs *a, unsigned vf,
			    struct err *err)
{
	char own[32], mac[18];

	if (!VF_HAS(a, VF_MAC) || !pf->netdev[0] ||
	    hostfs_read(root, own, sizeof(own), "sys/class/net/%s/address", pf->netdev) < 0 ||
	    strcmp(own, vf_mac_str(a->mac, mac)) != 0)
		return 0;
	return err_usage(err, "vf%u would have the MAC of %s itself, %s", vf, pf->netdev, mac);
}

/* Two VFs with one GUID; a VF's node and its port may have the same. */
static int refuse_same_guid(const struct vf_attrs *attrs, unsigned vf, struct err *err)
{
	const struct vf_attrs *b = &attrs[vf];

	for (unsigned i = 0; i < vf; i++) {
		const struct vf_attrs *a = &attrs[i];

		if ((VF_HAS(a, VF_NODE_GUID) && VF_HAS(b, VF_NODE_GUID) && a->node_guid == b->node_guid) ||
		    (VF_HAS(a, VF_PORT_GUID) && VF_HAS(b, VF_PORT_GUID) && a->port_guid == b->port_guid))
			return err_usage(err, "vf%u and vf%u would both have the same GUID", i, vf);
	}
	return 0;
}

/* What the kernel would refuse by a bare -EINVAL. */
static int refuse_rates(const struct vf_attrs *a, unsigned vf, struct err *err)
{
	if (!VF_HAS(a, VF_MIN_TX_RATE) || !VF_HAS(a, VF_MAX_TX_RATE) || !a->max_tx_rate ||
	    a->min_tx_rate <= a->max_tx_rate)
		return 0;
	return err_usage(err, "vf%u: min_tx_rate %u is more than max_tx_rate %u", vf, a->min_tx_rate,
			 a->max_tx_rate);
}

int vf_plan_check(const struct vf_attrs *attrs, unsigned count, struct err *err)
{
	int r = 0;

	for (unsigned vf = 0; vf < count && r == 0; vf++) {
		r = refuse_same_mac(attrs, vf, err);
		if (r == 0)
			r = refuse_same_guid(attrs, vf, err);
		if (r == 0)
			r = refuse_rates(&attrs[vf], vf, err);
	}
	return r;
}

static int plan_attrs(int root, const struct vf_create *req, struct plan *plan, struct err *err)
{
	_cleanup_free_ struct vf_attrs *attrs = calloc(req->count, sizeof(*attrs));
	int r = attrs ? 0 : -ENOMEM;

	for (unsigned vf = 0; vf < req->count && r == 0; vf++) {
		r = merge(req, vf, &attrs[vf], err);
		if (r == 0)
			r = refuse_mac_of_pf(root, req->pf, &attrs[vf], vf, err);
		if (r == 0)
			r = add_groups(plan, req->pf, vf, &attrs[vf]);
	}
	return r < 0 ? r : vf_plan_check(attrs, req->count, err);
}

static int plan_binding(const struct vf_create *req, struct plan *plan, struct err *err)
{
	struct bdf vf;
	int r = 0;

	for (unsigned i = 0; i < req->count && r == 0; i++) {
		if (pf_vf_bdf_expected(req->pf, i, &vf) < 0)
			return err_plain(err, -ERANGE, "%s: no bus number is left for vf%u",
					 BDF_STR(req->pf->bdf), i);
		r = bind_step_plan(plan, vf, req->driver);
	}
	return r;
}

int vf_plan_create(int root, const struct vf_create *req, struct plan *plan, struct err *err)
{
	const struct pf *pf = req->pf;
	char count[16];
	int r = check(root, req, err);

	if (r < 0)
		return r;
	snprintf(count, sizeof(count), "%u", req->count);
	if (req->up)
		r = add(plan, "link", pf->bdf, pf->netdev, "up", false);
	if (r == 0)
		r = add(plan, "autoprobe", pf->bdf, "", "0", true);
	if (r == 0)
		/* Others may be creating VFs too: theirs are not ours to keep or replace. */
		r = add_from(plan, "numvfs", pf->bdf, "0", count);
	if (r == 0 && pf->nvme[0])
		r = nvme_plan_online(root, pf, req->count, req->queues, req->interrupts, plan, err);
	if (r == 0)
		r = plan_attrs(root, req, plan, err);
	if (r == 0 && req->driver)
		r = plan_binding(req, plan, err);
	return r < 0 ? err_set(err, r, "%s: cannot plan its VFs", BDF_STR(pf->bdf)) : 0;
}

/* --- set ------------------------------------------------------------------------------------- */

static int check_supported(const struct pf *pf, unsigned vf, const struct vf_attrs *asked,
			   const struct vf_attrs *now, struct err *err)
{
	for (unsigned i = 0; i < VF_ATTR_COUNT; i++) {
		if (!VF_HAS(asked, i) || VF_HAS(now, i))
			continue;
		err_plain(err, -EOPNOTSUPP, "%s: the %s driver has no %s for VFs (vf%u)",
			  BDF_STR(pf->bdf), pf->driver, vf_attr_word(i), vf);
		if (vf_attr_is_guid(i))
			err_hint(err, "GUIDs are for the VFs of InfiniBand devices, and take Linux 5.5");
		return -EOPNOTSUPP;
	}
	return 0;
}

int vf_plan_attrs(const struct pf *pf, unsigned vf, const struct vf_attrs *asked,
		  const struct vf_attrs *now, struct plan *plan, struct err *err)
{
	struct vf_attrs wanted = *asked;
	int r = check_supported(pf, vf, asked, now, err);

	if (r < 0)
		return r;
	vf_attrs_complete(&wanted, now);
	for (unsigned group = 0; group < VF_GROUP_COUNT; group++) {
		char is[STEP_VALUE_MAX] = "", want[STEP_VALUE_MAX] = "";

		(void)vf_group_format(&wanted, group, want, sizeof(want));
		if (vf_group_format(now, group, is, sizeof(is)) == 0 && strcmp(is, want) == 0)
			wanted.have &= ~vf_group_mask(group);
	}
	r = add_groups(plan, pf, vf, &wanted);
	return r < 0 ? err_set(err, r, "%s: cannot plan the change of vf%u", BDF_STR(pf->bdf), vf)
		     : 0;
}

int vf_plan_remember(const struct pf *pf, unsigned vf, const struct vf_attrs *now,
		     struct plan *plan)
{
	size_t first = plan->count;
	int r = add_groups(plan, pf, vf, now);

	for (size_t i = first; i < plan->count; i++) {
		plan->steps[i].after[0] = '\0';
		plan->steps[i].remember = true;
	}
	return r;
}

/* As far as the kernel lists them: of the others nobody can tell. */
int vf_plan_refuse_mac(int root, const struct pf *pf, unsigned vf, const struct vf_attrs *asked,
		       struct err *err)
{
	_cleanup_free_ struct vf_attrs *attrs = calloc(pf->numvfs, sizeof(*attrs));
	static const uint8_t none[6];
	char mac[18];

	if (!attrs || !VF_HAS(asked, VF_MAC) || memcmp(asked->mac, none, 6) == 0 ||
	    vf_link_read(root, pf, attrs, pf->numvfs) < 0)
		return 0;
	for (unsigned i = 0; i < pf->numvfs; i++) {
		if (i != vf && VF_HAS(&attrs[i], VF_MAC) && memcmp(attrs[i].mac, asked->mac, 6) == 0)
			return err_usage(err, "vf%u has the MAC %s already", i,
					 vf_mac_str(asked->mac, mac));
	}
	return refuse_mac_of_pf(root, pf, asked, vf, err);
}

int vf_plan_set(int root, const struct pf *pf, unsigned vf, const struct vf_attrs *attrs,
		struct plan *plan, struct err *err)
{
	_cleanup_free_ struct vf_attrs *now = calloc(vf + 1ul, sizeof(*now));
	const char *dev = BDF_STR(pf->bdf);
	int r;

	if (!now)
		return err_set(err, -ENOMEM, "%s", dev);
	r = pf_refuse_busy(root, pf, "set attributes of VFs of", err);
	if (r < 0)
		return r;
	if (vf >= pf->numvfs) {
		err_plain(err, -ENODEV, "%s has %u VFs, and no vf%u", dev, pf->numvfs, vf);
		return err_hint(err, "they count from vf0: thruway vf list %s", dev);
	}
	r = vf_set_check(pf, err);
	if (r < 0)
		return r;
	r = vf_link_read(root, pf, now, vf + 1);
	if (r < 0) {
		err_set(err, r, "%s: cannot read the attributes of vf%u", dev, vf);
		return vf_set_unreadable(r, err);
	}
	r = vf_plan_refuse_mac(root, pf, vf, attrs, err);
	return r < 0 ? r : vf_plan_attrs(pf, vf, attrs, &now[vf], plan, err);
}
