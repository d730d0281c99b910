// SPDX-License-Identifier: GPL-2.0-or-later
/* Giving devices back: what the journal has of them is undone, and who holds them is heeded. */
#include "host/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/evict.h"
#include "host/vf_journal.h"
#include "sriov/numvfs.h"
#include "sriov/vf_destroy.h"
#include "sriov/vf_set.h"
#include "vfio/bind_step.h"
#include "vfio/lease.h"
#include "vfio/pci_path.h"

/* Taking a device from a VFIO driver waits until its user lets go: for ever, if it does not. */
static int refuse_held(int root, const struct pci_function *dev, unsigned force, struct err *err)
{
	const unsigned held = 1u << IN_USE_VM | 1u << IN_USE_PROCESS;
	struct in_use_host *host;
	struct in_use used;
	int r;

	if (!(force & 1u << IN_USE_VF_IN_USE)) {
		r = lease_refuse(root, dev->bdf, "restore", err);
		if (r < 0)
			return r;
	}
	/* While a driver's remove() waits for the user the device has none already. */
	if (dev->driver[0] && !pci_function_driver_is_vfio(dev->driver))
		return 0;
	r = in_use_open(root, &host, err);
	if (r < 0)
		return r;
	in_use_find(host, dev, &used);
	r = in_use_refuse(&used, "restore", dev->bdf, force | ~held, err);
	in_use_close(host);
	return r;
}

/* Devices that stay as they are, since somebody holds them or one of their VFs. */
struct busy {
	char (*devs)[STEP_DEV_MAX]; /* malloced */
	size_t count;
};

static void busy_fini(struct busy *b)
{
	free(b->devs);
}

static bool is_busy(const struct busy *b, const char *dev)
{
	for (size_t i = 0; i < b->count; i++) {
		if (strcmp(b->devs[i], dev) == 0)
			return true;
	}
	return false;
}

static int busy_add(struct busy *b, const char *dev)
{
	void *more = reallocarray(b->devs, b->count + 1, sizeof(*b->devs));

	if (!more)
		return -ENOMEM;
	b->devs = more;
	snprintf(b->devs[b->count++], sizeof(*b->devs), "%s", dev);
	return 0;
}

static bool is_kept(const struct step *step, void *opaque)
{
	return is_busy(opaque, step->dev);
}

struct held_check {
	int root;
	unsigned force;
	const char *dev;   /* NULL: any */
	struct busy *busy; /* those found so far; NULL: the first ends the search */
	struct err *err;
};

/* Who may be ended to take a PF's VFs away. */
static unsigned of_vfs(unsigned force)
{
	return force & 1u << IN_USE_VF_IN_USE ? EVICT_ANY : force & EVICT_ANY;
}

/*
 * Before the first step is undone: a PF's VFs go last, and a guest must not find its
 * MAC and VLAN gone when they cannot.
 */
static int check_held(const struct step *step, void *opaque)
{
	struct held_check *c = opaque;
	struct pci_function dev;
	struct bdf bdf;

	if ((c->dev && strcmp(step->dev, c->dev) != 0) || bdf_parse(step->dev, &bdf) < 0 ||
	    pci_function_read_unlocked(c->root, bdf, &dev) < 0)
		return 0;
	if (strcmp(step->op, numvfs_step_ops.op) == 0)
		return numvfs_check_unused(c->root, bdf, of_vfs(c->force), "restore it", c->err);
	if (strcmp(step->op, driver_step_ops.op) != 0)
		return 0;
	/* Without its driver a PF has no VFs. */
	if (dev.num_vfs && numvfs_check_unused(c->root, bdf, of_vfs(c->force), "restore it", c->err) < 0)
		return -EBUSY;
	return refuse_held(c->root, &dev, c->force, c->err);
}

/* Unless err has another reason. */
static int unreadable(int r, struct err *err)
{
	err_set(err, r, "cannot read the journal");
	return r == -EACCES || r == -EPERM ? err_hint(err, "run it as root") : r;
}

/* What the journal would undo of dev is free to be. */
static int check_dev_held(int root, const char *dev, unsigned force, struct err *err)
{
	struct held_check check = { .root = root, .dev = dev, .force = force, .err = err };
	int r = journal_each(root, check_held, &check);

	return r < 0 ? unreadable(r, err) : 0;
}

int change_expire_own(int root, unsigned *ret_undone, struct err *err)
{
	struct held_check check = { .root = root, .err = err };
	int r = journal_each_unconfirmed(root, check_held, &check);

	return r < 0 ? r : journal_expire_own(root, change_ops, ret_undone, err);
}

struct keep {
	int root;
	const struct in_use_host *host;
	char warned[STEP_DEV_MAX];
};

/* Whose change it is: of attributes, the VF's. */
static int device_of(int root, const struct step *step, struct bdf *ret)
{
	enum vf_group group;
	unsigned index;
	int r = bdf_parse(step->dev, ret);

	if (r < 0 || strcmp(step->op, vfattr_step_ops.op) != 0)
		return r;
	r = vf_set_parse_key(step->key, &index, &group);
	return r < 0 ? r : pci_function_vf(root, *ret, index, ret);
}

static void warn_kept(struct keep *k, const struct step *step, const struct pci_function *dev,
		      const char *by)
{
	const char *name = BDF_STR(dev->bdf);

	if (strcmp(k->warned, name) == 0)
		return;
	if (strcmp(step->op, vfattr_step_ops.op) == 0)
		log_warn("%s keeps its attributes: %s; thruway restore %s gives them back later", name, by,
			 step->dev);
	else
		log_warn("%s stays bound to %s: %s; thruway restore %s gives it back later", name,
			 dev->driver, by, name);
	strcpy(k->warned, name);
}

static bool held_by_another(const struct step *step, void *opaque)
{
	struct keep *k = opaque;
	struct pci_function dev;
	struct in_use used;
	struct bdf bdf;

	if (device_of(k->root, step, &bdf) < 0 ||
	    pci_function_read_unlocked(k->root, bdf, &dev) < 0 ||
	    !pci_function_driver_is_vfio(dev.driver))
		return false;
	in_use_find(k->host, &dev, &used);
	for (unsigned i = 0; i < used.count; i++) {
		if (used.items[i].reason != IN_USE_VM && used.items[i].reason != IN_USE_PROCESS)
			continue;
		warn_kept(k, step, &dev, used.items[i].what);
		return true;
	}
	return false;
}

int change_restore_own(int root, unsigned *ret_undone, struct err *err)
{
	_cleanup_(in_use_closep) struct in_use_host *host = NULL;
	struct keep keep = { .root = root };
	int r = in_use_open(root, &host, err);

	keep.host = host;
	return r < 0 ? r : journal_restore_own(root, change_ops, held_by_another, &keep, ret_undone,
					       err);
}

struct one_vf {
	char vf[BDF_STRLEN], pf[BDF_STRLEN];
	unsigned index;
};

static bool is_of_another(const struct step *step, void *opaque)
{
	const struct one_vf *one = opaque;
	enum vf_group group;
	unsigned index;

	if (strcmp(step->op, vfattr_step_ops.op) == 0 && strcmp(step->dev, one->pf) == 0)
		return vf_set_parse_key(step->key, &index, &group) < 0 || index != one->index;
	return strcmp(step->dev, one->vf) != 0;
}

static bool is_of_this(const struct step *step, void *opaque)
{
	return !is_of_another(step, opaque);
}

static void name_vf(struct bdf vf, struct bdf pf, unsigned index, struct one_vf *ret)
{
	ret->index = index;
	bdf_str(vf, ret->vf);
	bdf_str(pf, ret->pf);
}

int change_forget_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned lock_timeout_s,
		     struct err *err)
{
	struct one_vf one;

	name_vf(vf, pf, index, &one);
	return journal_forget(root, is_of_this, &one, lock_timeout_s, err);
}

int change_return_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned lock_timeout_s,
		     struct err *err)
{
	struct one_vf one;
	unsigned undone;

	name_vf(vf, pf, index, &one);
	return journal_return_own(root, change_ops, is_of_another, &one, lock_timeout_s, &undone, err);
}

/* With check_held() passed: who holds what the step takes away is to be ended. */
static int evict_step(const struct step *step, void *opaque)
{
	struct held_check *c = opaque;
	struct pci_function dev;
	struct bdf bdf;

	if ((c->dev && strcmp(step->dev, c->dev) != 0) || (c->busy && is_busy(c->busy, step->dev)) ||
	    bdf_parse(step->dev, &bdf) < 0 ||
	    pci_function_read_unlocked(c->root, bdf, &dev) < 0)
		return 0;
	if (strcmp(step->op, numvfs_step_ops.op) == 0)
		return evict_vf_holders(c->root, bdf, of_vfs(c->force), c->err);
	if (strcmp(step->op, driver_step_ops.op) == 0)
		return evict_holders(c->root, &dev, c->force, c->err);
	return 0;
}

int change_preview_restore_evict(int root, const struct plan *plan, unsigned force,
				 void (*say)(const char *line, void *opaque), void *opaque,
				 struct err *err)
{
	struct pci_function dev;
	struct bdf bdf;
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		if (bdf_parse(s->dev, &bdf) < 0 || pci_function_read_unlocked(root, bdf, &dev) < 0)
			continue;
		if (strcmp(s->op, numvfs_step_ops.op) == 0)
			r = evict_vf_preview(root, bdf, of_vfs(force), say, opaque, err);
		else if (strcmp(s->op, driver_step_ops.op) == 0 && s->before[0])
			r = evict_preview(root, &dev, force, say, opaque, err);
	}
	return r;
}

static int reprobe(int root, const struct pci_function *dev, struct err *err)
{
	struct pci_function now;
	int r = pci_function_read(root, dev->bdf, &now);

	return r == 0 && !now.driver[0] ? bind_reprobe(root, dev->bdf, err) : r;
}

/* What the release of a device that the journal does not know comes to. */
static enum change_restored released(int root, const struct pci_function *dev)
{
	if (!vf_journal_made(root, dev))
		return CHANGE_RELEASED;
	return dev->driver[0] || dev->override[0] ? CHANGE_UNDONE : CHANGE_UNPROBED;
}

static int release(int root, const struct pci_function *dev, unsigned lock_timeout_s,
		   enum change_restored *ret, struct err *err)
{
	struct journal_owner owner = { .forget = true };
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	enum change_restored what = released(root, dev);
	int r = bind_plan_release(dev, &plan);

	if (r == -EALREADY) {
		*ret = CHANGE_NOTHING;
		return 0;
	}
	snprintf(owner.command, sizeof(owner.command), "restore %s", BDF_STR(dev->bdf));
	if (r == 0)
		r = change_apply(root, &plan, &owner, lock_timeout_s, err);
	if (r < 0)
		return err_set(err, r, "cannot restore %s", BDF_STR(dev->bdf));
	if (what == CHANGE_RELEASED)
		r = reprobe(root, dev, err);
	if (r == 0)
		*ret = what;
	return r;
}

/* With a PF's VFs went what the journal knew about them: new ones at their addresses are others. */
static int forget_vfs(int root, struct bdf bdf, unsigned lock_timeout_s, struct err *err)
{
	struct pf pf;

	if (pf_read(root, bdf, &pf, NULL) < 0 || pf.busy || pf.numvfs)
		return 0;
	return vf_destroy_forget(root, &pf, lock_timeout_s, err);
}

static int no_such_device(struct bdf bdf, struct err *err)
{
	err_plain(err, -ENODEV, "cannot restore %s: no such PCI device", BDF_STR(bdf));
	return err_hint(err, "thruway list shows the devices of this host");
}

int change_restore(int root, struct bdf bdf, unsigned force, unsigned lock_timeout_s,
		   enum change_restored *ret, struct err *err)
{
	struct held_check evict = { .root = root, .dev = BDF_STR(bdf), .force = force, .err = err };
	struct pci_function dev;
	unsigned undone = 0;
	int here = pci_function_read_unlocked(root, bdf, &dev), r;

	r = here == 0 ? refuse_held(root, &dev, force, err) : 0;
	if (r == 0)
		r = check_dev_held(root, BDF_STR(bdf), force, err);
	if (r == 0 && here == 0)
		r = evict_holders(root, &dev, force, err);
	if (r == 0)
		r = journal_each(root, evict_step, &evict);
	if (r == 0)
		r = journal_restore(root, change_ops, BDF_STR(bdf), lock_timeout_s, &undone, err);
	if (r < 0)
		return r;
	if (undone) {
		*ret = here == 0 ? CHANGE_UNDONE : CHANGE_GONE;
		return here == 0 ? forget_vfs(root, bdf, lock_timeout_s, err) : 0;
	}
	if (here < 0)
		return no_such_device(bdf, err);
	/* The journal's recovery may have changed it: look again. */
	r = pci_function_read(root, bdf, &dev);
	if (r < 0)
		return err_set(err, r, "cannot restore %s", BDF_STR(bdf));
	return release(root, &dev, lock_timeout_s, ret, err);
}

static int is_of(const struct step *step, void *opaque)
{
	return strcmp(step->dev, opaque) == 0;
}

/* What was changed of a PF is about its VFs, too: the MAC that a guest has. */
static int add_pf(struct held_check *c, const char *vf)
{
	struct pci_function dev;
	struct bdf bdf;

	if (bdf_parse(vf, &bdf) < 0 || pci_function_read_unlocked(c->root, bdf, &dev) < 0 ||
	    !dev.is_vf || is_busy(c->busy, BDF_STR(dev.pf)) ||
	    journal_each(c->root, is_of, BDF_STR(dev.pf)) <= 0)
		return 0;
	return busy_add(c->busy, BDF_STR(dev.pf));
}

/* A step that cannot be undone now takes the other steps of its device out too. */
static int find_busy(const struct step *step, void *opaque)
{
	struct held_check *c = opaque;
	struct err own = ERR_INIT;
	struct held_check one = { .root = c->root, .force = c->force, .err = &own };
	int r = is_busy(c->busy, step->dev) ? 0 : check_held(step, &one);

	if (r != -EBUSY) {
		if (r < 0 && c->err && !c->err->code)
			*c->err = own;
		return r;
	}
	log_warn("%s", own.text);
	r = busy_add(c->busy, step->dev);
	if (r == 0)
		r = add_pf(c, step->dev);
	return r < 0 ? err_set(c->err, r, "cannot restore %s", step->dev) : 0;
}

static int say_busy(const struct busy *busy, struct err *err)
{
	char names[200] = "";
	size_t len = 0;

	for (size_t i = 0; i < busy->count && len < sizeof(names) - STEP_DEV_MAX - 8; i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
					busy->devs[i]);
	err_plain(err, -EBUSY, "%zu device%s not restored: %s", busy->count,
		  busy->count == 1 ? " was" : "s were", names);
	return err_hint(err, "have them let go and repeat it; --force=vm or --force=process ends who "
			     "has one");
}

int change_restore_all(int root, unsigned force, unsigned lock_timeout_s, unsigned *ret_undone,
		       struct err *err)
{
	_cleanup_(busy_fini) struct busy busy = { 0 };
	struct held_check check = { .root = root, .force = force, .busy = &busy, .err = err };
	int r = journal_each(root, find_busy, &check);

	*ret_undone = 0;
	if (r == 0)
		r = journal_each(root, evict_step, &check);
	if (r < 0)
		return unreadable(r, err);
	r = journal_restore_but(root, change_ops, is_kept, &busy, lock_timeout_s, ret_undone, err);
	return r == 0 && busy.count ? say_busy(&busy, err) : r;
}

int change_plan_restore(int root, struct bdf bdf, unsigned force, struct plan *plan,
			enum change_restored *ret, struct err *err)
{
	_cleanup_(plan_fini) struct plan rest = PLAN_INIT;
	size_t known = plan->count;
	struct pci_function dev;
	char was[PCI_IDENTITY_MAX];
	int here = pci_function_read_unlocked(root, bdf, &dev);
	int r = here == 0 ? refuse_held(root, &dev, force, err) : 0;

	if (r == 0)
		r = check_dev_held(root, BDF_STR(bdf), force, err);
	if (r == 0)
		r = journal_plan_restore(root, change_ops, BDF_STR(bdf), plan, err);
	if (r < 0)
		return r;
	*ret = here == 0 ? CHANGE_UNDONE : CHANGE_GONE;
	for (size_t i = known; i < plan->count; i++) {
		if (strcmp(plan->steps[i].dev, BDF_STR(bdf)) == 0)
			return 0;
	}
	if (here < 0)
		return journal_identity(root, BDF_STR(bdf), was, sizeof(was)) == 0 ?
			       0 : no_such_device(bdf, err);
	r = pci_function_read(root, bdf, &dev);
	if (r == 0)
		r = bind_plan_release(&dev, &rest);
	*ret = r == -EALREADY ? CHANGE_NOTHING : released(root, &dev);
	if (r == 0)
		r = plan_prune(root, change_ops, &rest, err);
	for (size_t i = 0; r == 0 && i < rest.count; i++)
		r = plan_add(plan, &rest.steps[i]);
	return r < 0 && r != -EALREADY ? err_set(err, r, "cannot restore %s", BDF_STR(bdf)) : 0;
}

static void drop_kept(struct plan *plan, struct busy *busy)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		if (!is_busy(busy, plan->steps[i].dev))
			plan->steps[kept++] = plan->steps[i];
	}
	plan->count = kept;
}

int change_plan_restore_all(int root, unsigned force, struct plan *plan, struct err *err)
{
	_cleanup_(busy_fini) struct busy busy = { 0 };
	struct held_check check = { .root = root, .force = force, .busy = &busy, .err = err };
	int r = journal_each(root, find_busy, &check);

	if (r < 0)
		return unreadable(r, err);
	r = journal_plan_restore(root, change_ops, NULL, plan, err);
	if (r < 0 || !busy.count)
		return r;
	drop_kept(plan, &busy);
	return say_busy(&busy, err);
}
