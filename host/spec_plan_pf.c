// SPDX-License-Identifier: GPL-2.0-or-later
/* PFs, the number of their VFs, and what each VF has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "host/spec_plan_internal.h"
#include "sriov/devlink.h"
#include "sriov/nvme_virt.h"
#include "sriov/vf_mac.h"
#include "sriov/vf_plan.h"
#include "vfio/bind_step.h"

struct want_vf {
	struct spec_setting set[SPEC_VF_COUNT];
	char mac[18]; /* what set[VF_MAC] points at */
	char guid[2][24]; /* and set[VF_NODE_GUID], set[VF_PORT_GUID] */
};

struct want_pf {
	const struct spec_fact *fact; /* NULL: nothing is wanted of this one */
	struct spec_place at;
	struct spec_setting set[SPEC_PF_COUNT];
	struct want_vf *vf; /* fact->sriov->pf.totalvfs of them, malloced */
};

/* --- what all entries together want of a PF --------------------------------------------------- */

static int no_memory(struct spec_planner *p)
{
	return err_set(p->err, -ENOMEM, "cannot plan");
}

/* The MAC of VF `vf`, which is the n-th of its range. 1: said that it cannot be had. */
static int one_mac(struct spec_planner *p, const struct want_pf *w,
		   const struct spec_setting *setting, unsigned vf, unsigned n, char *ret)
{
	struct vf_attrs a = { 0 };
	uint8_t mac[6];
	int r;

	if (strcmp(setting->text, "none") == 0) {
		strcpy(ret, "none");
		return 0;
	}
	if (strcmp(setting->text, "stable") == 0) {
		if (!w->fact->mac[0]) {
			r = spec_left(p, w->fact, setting->at, "mac of vf%u: the PF has no permanent "
				      "MAC to derive a stable one from", vf);
			return r < 0 ? r : 1;
		}
		vf_mac_stable(w->fact->mac, vf, mac);
	} else if (vf_attr_parse(&a, "mac", setting->text, NULL) < 0 ||
		   vf_mac_add(a.mac, n, mac) < 0) {
		return err_plain(p->err, -EINVAL, "%s: the MAC of vf%u would leave the range that "
				 "begins with its first three bytes",
				 SPEC_PLACE_STR(p->spec, setting->at), vf);
	}
	vf_mac_str(mac, ret);
	return 0;
}

static int merge_mac(struct spec_planner *p, struct want_pf *w, const struct spec_setting *from,
		     unsigned vf, unsigned n)
{
	struct spec_setting *to = &w->vf[vf].set[VF_MAC];
	struct spec_setting one = *from;
	char mac[18], what[32];
	int r = from->text ? one_mac(p, w, from, vf, n, mac) : 1;

	if (r)
		return r < 0 ? r : 0;
	snprintf(what, sizeof(what), "mac of vf%u", vf);
	one.text = mac;
	r = spec_overlay(p, w->fact, what, to, &one);
	strcpy(w->vf[vf].mac, mac);
	to->text = w->vf[vf].mac;
	return r;
}

/* The schema has seen to it that the text is a GUID. */
static int merge_guid(struct spec_planner *p, struct want_pf *w, const struct spec_setting *from,
		      enum vf_attr attr, unsigned vf, unsigned n)
{
	struct spec_setting *to = &w->vf[vf].set[attr], one = *from;
	char *kept = w->vf[vf].guid[attr - VF_NODE_GUID], text[24], what[32];
	struct vf_attrs a = { 0 };
	uint64_t *guid = attr == VF_NODE_GUID ? &a.node_guid : &a.port_guid;
	int r;

	if (!from->text)
		return 0;
	if (vf_attr_parse(&a, vf_attr_word(attr), from->text, NULL) < 0 || vf_guid_add(*guid, n, guid) < 0)
		return err_plain(p->err, -EINVAL, "%s: the GUID of vf%u would leave the range that "
				 "begins with its first three bytes", SPEC_PLACE_STR(p->spec, from->at), vf);
	one.text = vf_attr_format(&a, attr, text, sizeof(text));
	snprintf(what, sizeof(what), "%s of vf%u", vf_attr_word(attr), vf);
	r = spec_overlay(p, w->fact, what, to, &one);
	strcpy(kept, text);
	to->text = kept;
	return r;
}

/* What a range says of its n-th VF, which has the number vf. */
static int merge_vf(struct spec_planner *p, struct want_pf *w, const struct spec_vfs *vfs,
		    unsigned vf, unsigned n)
{
	int r = merge_mac(p, w, &vfs->set[VF_MAC], vf, n);
	char what[48];

	for (unsigned i = 0; r == 0 && i < SPEC_VF_COUNT; i++) {
		if (i == VF_MAC)
			continue;
		if (i < VF_ATTR_COUNT && vf_attr_is_guid(i)) {
			r = merge_guid(p, w, &vfs->set[i], i, vf, n);
			continue;
		}
		snprintf(what, sizeof(what), "%s of vf%u", spec_vf_word(i), vf);
		r = spec_overlay(p, w->fact, what, &w->vf[vf].set[i], &vfs->set[i]);
	}
	return r;
}

static int merge_range(struct spec_planner *p, struct want_pf *w, const struct spec_vfs *vfs)
{
	unsigned total = w->fact->sriov->pf.totalvfs, n = 0;
	struct cpulist list;
	int r = cpulist_parse(vfs->range.text, &list);

	for (unsigned vf = 0; r == 0 && vf < CPULIST_MAX; vf++) {
		if (!cpulist_has(&list, vf))
			continue;
		if (vf >= total)
			return spec_left(p, w->fact, vfs->range.at, "there is no vf%u: it can have %u "
					 "VFs", vf, total);
		r = merge_vf(p, w, vfs, vf, n++);
	}
	return r;
}

static int merge_pf(struct spec_planner *p, const struct spec_pf *pf, struct want_pf *w)
{
	unsigned total = w->fact->sriov->pf.totalvfs;
	int r = 0;

	if (!w->vf)
		w->vf = calloc(total + 1, sizeof(*w->vf));
	if (!w->vf)
		return no_memory(p);
	for (unsigned i = 0; r == 0 && i < SPEC_PF_COUNT; i++)
		r = spec_overlay(p, w->fact, spec_pf_word(i), &w->set[i], &pf->set[i]);
	for (size_t i = 0; r == 0 && i < pf->vfs_count; i++)
		r = merge_range(p, w, &pf->vfs[i]);
	return r;
}

static int merge_all(struct spec_planner *p, struct want_pf *want)
{
	_cleanup_free_ bool *fits = calloc(p->facts->count + 1, sizeof(*fits));
	int r = fits ? 0 : no_memory(p);

	for (size_t i = 0; r == 0 && i < p->spec->pf_count; i++) {
		const struct spec_pf *pf = &p->spec->pfs[i];

		r = spec_find(p, &pf->target, true, fits);
		for (size_t k = 0; r == 0 && k < p->facts->count; k++) {
			if (!fits[k])
				continue;
			want[k].fact = &p->facts->devs[k];
			want[k].at = pf->target.at;
			r = merge_pf(p, pf, &want[k]);
		}
	}
	return r;
}

/* --- steps ------------------------------------------------------------------------------------ */

static unsigned number(const struct spec_setting *s, unsigned otherwise)
{
	return s->text ? (unsigned)strtoul(s->text, NULL, 10) : otherwise;
}

static void attrs_of(const struct want_vf *vf, struct vf_attrs *ret)
{
	*ret = (struct vf_attrs){ 0 };
	for (unsigned i = 0; i < VF_ATTR_COUNT; i++) {
		if (vf->set[i].text) /* the schema has seen to it that this succeeds */
			(void)vf_attr_parse(ret, vf_attr_word(i), vf->set[i].text, NULL);
	}
}

static int add(struct spec_planner *p, const char *op, struct bdf dev, const char *key,
	       const char *after)
{
	struct step step = { 0 };

	snprintf(step.op, sizeof(step.op), "%s", op);
	bdf_str(dev, step.dev);
	snprintf(step.key, sizeof(step.key), "%s", key);
	snprintf(step.after, sizeof(step.after), "%s", after);
	return plan_add(&p->out->plan, &step) < 0 ? no_memory(p) : 0;
}

/*
 * The end of all VFs, so that undoing it brings them back as they are: their drivers let
 * go, what the PF keeps of them is remembered, and the host's drivers are not offered new
 * ones. That last is a step here and another, back, behind all others (plan_autoprobe()),
 * so that it holds also when they are undone. Backwards the drivers come last: while
 * autoprobe is off the kernel gives no VF to a driver but by its override, and a driver
 * finds the MAC its PF has when it starts.
 */
static int plan_end(struct spec_planner *p, const struct want_pf *w)
{
	const struct spec_pf_fact *s = w->fact->sriov;
	struct plan *plan = &p->out->plan;
	const struct pci_function *dev;
	struct bdf vf;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < s->pf.numvfs; i++) {
		if (pf_vf_bdf(p->facts->root, s->pf.bdf, i, &vf) < 0)
			continue;
		dev = topo_find(&p->facts->topo, vf);
		r = dev ? bind_step_plan_interface(p->facts->root, plan, dev) : 0;
		if (r == 0)
			r = bind_step_plan(plan, vf, "");
	}
	for (unsigned i = 0; r == 0 && s->attrs && i < s->pf.numvfs; i++)
		r = vf_plan_remember(&s->pf, i, &s->attrs[i], plan);
	if (r == 0 && s->pf.nvme[0])
		r = nvme_plan_offline(p->facts->root, &s->pf, plan, p->err);
	if (r == 0)
		r = add(p, "autoprobe", s->pf.bdf, "", "0");
	if (r == 0)
		r = add(p, "numvfs", s->pf.bdf, "", "0");
	return r < 0 ? err_set(p->err, r, "cannot plan") : 0;
}

static int plan_autoprobe(struct spec_planner *p, const struct pf *pf)
{
	return add(p, "autoprobe", pf->bdf, "", pf->autoprobe ? "1" : "0");
}

static int plan_new_drivers(struct spec_planner *p, const struct want_pf *w, const struct pf *pf,
			    unsigned count)
{
	struct bdf vf;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		const char *driver = w->vf[i].set[SPEC_VF_DRIVER].text;

		if (!driver || strcmp(driver, "none") == 0)
			continue;
		if (pf_vf_bdf_expected(pf, i, &vf) < 0)
			return spec_left(p, w->fact, w->at, "no bus number is left for vf%u", i);
		r = bind_step_plan(&p->out->plan, vf, driver);
	}
	return r < 0 ? no_memory(p) : 0;
}

/* The eswitch is to be another one than it is. */
static bool switches(const struct want_pf *w)
{
	const char *wanted = w->set[SPEC_PF_ESWITCH].text, *now = w->fact->sriov->eswitch;

	return wanted && *now && strcmp(wanted, now) != 0;
}

static int plan_eswitch(struct spec_planner *p, const struct want_pf *w, bool after_vfs)
{
	const struct pf *pf = &w->fact->sriov->pf;
	struct step step = { .op = "eswitch" };

	if (!switches(w) || devlink_eswitch_after_vfs(pf->driver) != after_vfs)
		return 0;
	bdf_str(pf->bdf, step.dev);
	snprintf(step.before, sizeof(step.before), "%s", w->fact->sriov->eswitch);
	snprintf(step.after, sizeof(step.after), "%s", w->set[SPEC_PF_ESWITCH].text);
	return plan_add(&p->out->plan, &step) < 0 ? no_memory(p) : 0;
}

/* All VFs, where there are none by then. What cannot be had is remarked, for plan_whole() to see. */
static int plan_new(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	_cleanup_free_ struct vf_attrs *each = calloc(count, sizeof(*each));
	struct plan *plan = &p->out->plan;
	struct pf pf = w->fact->sriov->pf;
	struct vf_create req = { .pf = &pf, .count = count, .each = each,
				 .queues = number(&w->set[SPEC_PF_QUEUES], 0),
				 .interrupts = number(&w->set[SPEC_PF_INTERRUPTS], 0) };
	struct err own = ERR_INIT;
	int r;

	if (!each)
		return no_memory(p);
	pf.numvfs = 0; /* as it is by then */
	for (unsigned i = 0; i < count; i++)
		attrs_of(&w->vf[i], &each[i]);
	r = vf_plan_create(p->facts->root, &req, plan, &own);
	if (r == 0) {
		r = plan_eswitch(p, w, true);
		return r < 0 ? r : plan_new_drivers(p, w, &pf, count);
	}
	return r == -ENOMEM ? no_memory(p) : spec_left_err(p, w->fact, w->at, &own);
}

static int plan_attrs(struct spec_planner *p, const struct want_pf *w, unsigned vf)
{
	const struct spec_pf_fact *s = w->fact->sriov;
	struct vf_attrs asked;
	struct err own = ERR_INIT;
	int r;

	attrs_of(&w->vf[vf], &asked);
	if (!asked.have)
		return 0;
	if (!s->attrs)
		return spec_left(p, w->fact, w->at, "the attributes of vf%u cannot be reached: its PF "
				 "has no network interface here", vf);
	r = vf_plan_attrs(&s->pf, vf, &asked, &s->attrs[vf], &p->out->plan, &own);
	if (r == 0 || r == -ENOMEM)
		return r == 0 ? 0 : no_memory(p);
	return spec_left_err(p, w->fact, w->at, &own);
}

static int plan_driver(struct spec_planner *p, const struct want_pf *w, unsigned vf)
{
	const struct spec_setting *driver = &w->vf[vf].set[SPEC_VF_DRIVER];
	const struct pci_function *dev;
	struct bdf bdf;

	if (!driver->text || pf_vf_bdf(p->facts->root, w->fact->dev->bdf, vf, &bdf) < 0)
		return 0;
	dev = topo_find(&p->facts->topo, bdf);
	if (dev && strcmp(dev->driver, strcmp(driver->text, "none") == 0 ? "" : driver->text) == 0)
		return 0;
	return spec_plan_bind(p, w->fact, driver->at, &bdf, 1, driver->text, false);
}

/* What the files want of VFs can be had side by side: 1, or 0 with a remark, or -errno. */
static int attrs_agree(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	_cleanup_free_ struct vf_attrs *attrs = calloc(count + 1, sizeof(*attrs));
	struct err own = ERR_INIT;

	if (!attrs)
		return no_memory(p);
	for (unsigned i = 0; i < count; i++)
		attrs_of(&w->vf[i], &attrs[i]);
	if (vf_plan_check(attrs, count, &own) == 0)
		return 1;
	return spec_left_err(p, w->fact, w->at, &own);
}

/* VFs that stay. */
static int plan_present(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	int agree = attrs_agree(p, w, count), r = agree < 0 ? agree : 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		if (agree)
			r = plan_attrs(p, w, i);
		if (r == 0)
			r = plan_driver(p, w, i);
	}
	return r;
}

static bool wants_anything(const struct want_vf *vf)
{
	for (unsigned i = 0; i < SPEC_VF_COUNT; i++) {
		if (vf->set[i].text)
			return true;
	}
	return false;
}

/* Something is said of a VF that there will not be. */
static int check_ranges(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	for (unsigned i = count; i < w->fact->sriov->pf.totalvfs; i++) {
		if (!wants_anything(&w->vf[i]))
			continue;
		return spec_left(p, w->fact, w->at, "something is said of vf%u, and it has %u VFs%s", i,
				 count, w->set[SPEC_PF_NUMVFS].text ? "" : " (numvfs is not given)");
	}
	return 0;
}

/* "it has 4 VFs and should have 7", or what else wants them to end. */
static const char *why_end(const struct want_pf *w, unsigned count, char *buf, size_t size)
{
	const struct spec_pf_fact *s = w->fact->sriov;

	if (count != s->pf.numvfs)
		snprintf(buf, size, "it has %u VFs and should have %u", s->pf.numvfs, count);
	else
		snprintf(buf, size, "its eswitch is %s and should be %s, which takes all VFs away",
			 s->eswitch, w->set[SPEC_PF_ESWITCH].text);
	return buf;
}

/* Whether its VFs may be destroyed for others; what must stay is remarked. 1, 0 or -errno. */
static int may_end(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	const struct spec_pf_fact *s = w->fact->sriov;
	struct spec_place at = count != s->pf.numvfs ? w->set[SPEC_PF_NUMVFS].at
						     : w->set[SPEC_PF_ESWITCH].at;
	char why[160];

	if (!s->used)
		return 1;
	why_end(w, count, why, sizeof(why));
	if (s->used < 0)
		return spec_left(p, w->fact, at, "%s, but who uses them cannot be told", why);
	return spec_left(p, w->fact, at, "%s, but VFs are in use (%s)", why, s->users);
}

static int plan_link(struct spec_planner *p, const struct want_pf *w)
{
	const struct spec_setting *link = &w->set[SPEC_PF_LINK];
	const unsigned needed = 1u << IN_USE_ROUTE | 1u << IN_USE_BRIDGE | 1u << IN_USE_BOND;
	const struct pf *pf = &w->fact->sriov->pf;
	struct err own = ERR_INIT;
	struct in_use used;

	if (!link->text)
		return 0;
	if (pf->netdevs != 1)
		return spec_left(p, w->fact, link->at, "it has no network interface to bring %s",
				 link->text);
	if (pf->up == (strcmp(link->text, "up") == 0))
		return 0;
	in_use_find(p->facts->host, w->fact->dev, &used);
	if (pf->up && in_use_refuse(&used, "bring down", pf->bdf, p->force | ~needed, &own) < 0)
		return spec_left_err(p, w->fact, link->at, &own);
	return add(p, "link", pf->bdf, pf->netdev, link->text);
}

/*
 * `count` VFs instead of those there are: the end of these, the eswitch and the new ones, or
 * nothing of it. VFs must not go for others that cannot be had.
 */
static int plan_whole(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	const struct pf *pf = &w->fact->sriov->pf;
	size_t steps = p->out->plan.count, notes = p->out->plan.note_count, left = p->out->left;
	int r = pf->numvfs ? plan_end(p, w) : 0;

	if (r == 0)
		r = plan_eswitch(p, w, !count && devlink_eswitch_after_vfs(pf->driver));
	if (r == 0 && count)
		r = plan_new(p, w, count);
	if (r == 0 && p->out->left == left)
		return pf->numvfs ? plan_autoprobe(p, pf) : 0;
	p->out->plan.count = steps;
	p->out->plan.note_count = notes;
	return r;
}

/* VFs that are replaced by `count` others. */
static int plan_again(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	unsigned now = w->fact->sriov->pf.numvfs;
	int r = may_end(p, w, count);

	if (r < 0)
		return r;
	if (r == 0)
		return plan_present(p, w, now < count ? now : count);
	return plan_whole(p, w, count);
}

#define CLASS_NVME 0x0108

/* What only an NVMe controller has to give. */
static int leave_nvme_words(struct spec_planner *p, const struct want_pf *w)
{
	const struct spec_setting *s = w->set[SPEC_PF_QUEUES].text ? &w->set[SPEC_PF_QUEUES] :
								     &w->set[SPEC_PF_INTERRUPTS];

	if (!s->text)
		return 0;
	return spec_left(p, w->fact, s->at, "it is no NVMe controller, and has no queues or interrupts "
			 "to give to VFs");
}

/* VFs are made by the PF's own driver, which another entry takes from it. */
static int refuse_bound(struct spec_planner *p, const struct want_pf *w)
{
	const struct spec_bound *b = &p->bound[w->fact - p->facts->devs];
	const char *driver = b->driver ? b->driver : "vfio-pci";

	if (strcmp(driver, "none") == 0)
		driver = "";
	if (!b->at.line || vf_plan_driver_makes_vfs(p->facts->root, driver))
		return 0;
	return err_plain(p->err, -EINVAL, "%s: %s is to have VFs here, and at %s to be bound to %s; "
			 "only its own driver makes VFs",
			 SPEC_PLACE_STR(p->spec, w->set[SPEC_PF_NUMVFS].at),
			 BDF_STR(w->fact->dev->bdf), SPEC_PLACE_STR(p->spec, b->at),
			 *driver ? driver : "no driver");
}

static int check_pf(struct spec_planner *p, const struct want_pf *w, unsigned count)
{
	const struct spec_setting *eswitch = &w->set[SPEC_PF_ESWITCH];
	const struct spec_pf_fact *s = w->fact->sriov;
	int r = 0;

	if (eswitch->text && strcmp(eswitch->text, "switchdev") == 0 && !*s->eswitch)
		r = spec_left(p, w->fact, eswitch->at, "the %s driver has no switchdev mode",
			      s->pf.driver);
	if (r == 0 && s->pf.class >> 8 != CLASS_NVME)
		r = leave_nvme_words(p, w);
	return r < 0 ? r : check_ranges(p, w, count);
}

static int plan_pf(struct spec_planner *p, const struct want_pf *w)
{
	const struct pf *pf = &w->fact->sriov->pf;
	unsigned now = pf->numvfs, count = number(&w->set[SPEC_PF_NUMVFS], now);
	int r;

	if (count > pf->totalvfs)
		return spec_left(p, w->fact, w->set[SPEC_PF_NUMVFS].at, "it can have %u VFs at most, "
				 "not %u", pf->totalvfs, count);
	r = w->set[SPEC_PF_NUMVFS].text && count ? refuse_bound(p, w) : 0;
	if (r == 0)
		r = plan_link(p, w);
	if (r == 0)
		r = check_pf(p, w, count);
	if (r < 0)
		return r;
	if (now)
		return count == now && !switches(w) ? plan_present(p, w, count)
						    : plan_again(p, w, count);
	return plan_whole(p, w, count);
}

int spec_plan_pfs(struct spec_planner *p)
{
	_cleanup_free_ struct want_pf *want = calloc(p->facts->count + 1, sizeof(*want));
	int r = want ? merge_all(p, want) : no_memory(p);

	for (size_t i = 0; r == 0 && i < p->facts->count; i++) {
		if (!want[i].fact || !spec_in_scope(p, want[i].fact))
			continue;
		r = plan_pf(p, &want[i]);
		if (r == 0)
			r = spec_claim(p, want[i].fact->dev->bdf, "", true, want[i].at);
	}
	for (size_t i = 0; want && i < p->facts->count; i++)
		free(want[i].vf);
	return r;
}
