// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/failover_pick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "host/device.h"
#include "host/lease.h"
#include "sriov/pf.h"
#include "tools/failover_uplink.h"
#include "tools/vm_open.h"
#include "vfio/pci_function.h"

#define CLASS_NETWORK 0x02

bool failover_pick_named(const struct failover_want *want)
{
	return strncmp(want->vf, "pool:", 5) != 0 && strcmp(want->vf, "auto") != 0;
}

static int refuse_macvtap(int root, const struct failover_want *want, const struct failover_vf *vf,
			  struct err *err)
{
	if (!want->macvtap || !failover_uplink_is(root, want->bridge, vf->pf))
		return 0;
	err_plain(err, -EINVAL, "--nic: %s cannot stand by for %s: a macvtap of that VF's own card %s keeps the "
				"guest's MAC there, and the VF needs it",
		  want->bridge, BDF_STR(vf->bdf), BDF_STR(vf->pf));
	return err_hint(err, "take a VF of another card, or standby=tap:BRIDGE with a bridge over that card");
}

/* --- those there are ---------------------------------------------------------------------------- */

/* In the order in which they are taken: a card that fails takes those of its own with it. */
enum { OTHER_CARDS, OWN_CARDS, KINDS };

struct vfs {
	struct bdf *bdf; /* malloced */
	size_t count;
};

struct list {
	int root;
	const struct failover_want *want;
	struct vfs vfs[KINDS];
	char unfit[200]; /* those that are of no use now, and why; "" */
};

static int add(struct list *list, struct bdf bdf, const struct failover_vf *vf)
{
	struct vfs *vfs = &list->vfs[failover_uplink_is(list->root, list->want->bridge, vf->pf) ?
					     OWN_CARDS : OTHER_CARDS];
	struct bdf *grown = realloc(vfs->bdf, (vfs->count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	vfs->bdf = grown;
	grown[vfs->count++] = bdf;
	return 0;
}

static void list_fini(struct list *list)
{
	for (unsigned i = 0; i < KINDS; i++)
		free(list->vfs[i].bdf);
}

/* By which a VF differs from another one that is made with its address. 0: it is not there. */
static ino_t identity(int root, struct bdf bdf)
{
	char path[HOSTFS_PATH_MAX];
	struct stat st;

	return hostfs_path(root, path, sizeof(path), "sys/bus/pci/devices/%s", BDF_STR(bdf)) == 0 &&
			       stat(path, &st) == 0 ?
		       st.st_ino :
		       0;
}

static bool remembers(int root, const struct vf_memory *memory, struct bdf bdf)
{
	ino_t it = identity(root, bdf);

	for (unsigned i = 0; it && i < ARRAY_SIZE(memory->vf); i++)
		if (memory->vf[i] == it)
			return true;
	return false;
}

void failover_pick_remember(int root, struct vf_memory *memory, struct bdf bdf)
{
	if (remembers(root, memory, bdf))
		return;
	memory->vf[memory->next] = identity(root, bdf);
	memory->next = (memory->next + 1) % ARRAY_SIZE(memory->vf);
}

/* Why it would be of no use now; NULL: it would be. */
static const char *unfit_because(const struct list *list, struct bdf bdf, struct failover_vf *ret)
{
	enum failover_fault fault;

	if (failover_vf_describe(list->root, bdf, ret, NULL) < 0)
		return "no VF";
	if (refuse_macvtap(list->root, list->want, ret, NULL) < 0)
		return "the macvtap's own card";
	if (list->want->no_own && failover_uplink_is(list->root, list->want->bridge, ret->pf))
		return "the standby's own card, which keeps MACs";
	if (remembers(list->root, &list->want->refused, bdf))
		return "refused";
	fault = failover_vf_look(list->root, ret);
	if (fault == FAILOVER_WELL ||
	    (fault == FAILOVER_UNBOUND && list->want->bind &&
	     !remembers(list->root, &list->want->wanted_back, bdf)))
		return NULL;
	return failover_fault_word(fault);
}

/* As many as there is room for. */
static void note_unfit(struct list *list, struct bdf bdf, const char *why)
{
	size_t len = strlen(list->unfit);
	int n = snprintf(list->unfit + len, sizeof(list->unfit) - len, "%s%s (%s)", len ? ", " : "",
			 BDF_STR(bdf), why);

	if (n < 0 || (size_t)n >= sizeof(list->unfit) - len)
		list->unfit[len] = '\0';
}

static int add_fit(struct list *list, struct bdf bdf)
{
	struct failover_vf vf;
	const char *why = unfit_because(list, bdf, &vf);

	if (!why)
		return add(list, bdf, &vf);
	note_unfit(list, bdf, why);
	return 0;
}

static int add_vfs(const struct pf *pf, void *opaque)
{
	struct list *list = opaque;
	struct bdf bdf = { 0 };
	int r = 0;

	if (pf->class >> 16 != CLASS_NETWORK || pf->busy)
		return 0;
	for (unsigned i = 0; r == 0 && i < pf->numvfs; i++)
		if (pf_vf_here(list->root, pf, i, &bdf) == 0)
			r = add_fit(list, bdf);
	return r;
}

static int list_pool(struct list *list, const char *pool, struct err *err)
{
	_cleanup_free_ struct bdf *members = NULL;
	size_t n = 0;
	int r = lease_pool(list->root, pool, &members, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_fit(list, members[i]);
	return r;
}

static int list_named(struct list *list, struct err *err)
{
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	struct failover_vf vf = { 0 };
	struct bdf bdf = { 0 };
	int r = topo_scan(list->root, &topo, err);

	if (r == 0)
		r = device_resolve_one(list->root, &topo, list->want->vf, "attach", &bdf, err);
	if (r == 0)
		r = failover_vf_describe(list->root, bdf, &vf, err);
	if (r == 0)
		r = refuse_macvtap(list->root, list->want, &vf, err);
	return r < 0 ? r : add(list, bdf, &vf);
}

static int make_list(struct list *list, char *what, size_t size, struct err *err)
{
	const char *name = list->want->vf;

	if (strncmp(name, "pool:", 5) == 0) {
		snprintf(what, size, "VFs in the pool '%.24s' that are well", name + 5);
		return list_pool(list, name + 5, err);
	}
	if (strcmp(name, "auto") == 0) {
		snprintf(what, size, "VFs of this host's cards that are well");
		return pf_each(list->root, add_vfs, list);
	}
	snprintf(what, size, "VFs called %.32s", name);
	return list_named(list, err);
}

/* --- one of them -------------------------------------------------------------------------------- */

static int bind(int root, const struct failover_want *want, struct bdf bdf, struct err *err)
{
	const struct bind_request req = { .devs = &bdf, .count = 1, .force = want->force };
	const struct journal_owner owner = { .command = "vm run --bind", .until_exit = true };
	struct pci_function dev;

	if (want->bind && pci_function_read_binding(root, bdf, &dev) == 0 &&
	    !pci_function_driver_is_vfio(dev.driver)) {
		int r = change_bind(root, &req, &owner, want->lock_timeout_s, err);

		if (r < 0)
			return r;
	}
	return vm_check_bound_for_run(root, bdf, &dev, err);
}

/* One of those that are of use, or why there is none. */
static int take(const struct list *list, struct lease_request *req, struct lease *lease,
		struct err *err)
{
	struct err own = ERR_INIT;
	int r = -EBUSY;

	for (unsigned kind = 0; r == -EBUSY && kind < KINDS; kind++) {
		if (kind && !list->vfs[kind].count)
			break;
		own = (struct err)ERR_INIT;
		req->among = list->vfs[kind].bdf;
		req->count = list->vfs[kind].count;
		r = lease_take(list->root, req, lease, &own);
	}
	if (r == 0)
		return 0;
	if (r == -EBUSY && list->unfit[0])
		err_plain(err, r, "%s; of no use now: %s", own.text, list->unfit);
	else
		err_plain(err, r, "%s", own.text);
	return own.hint[0] ? err_hint(err, "%s", own.hint) : r;
}

/* Without --bind this says how to bind it, and no lease has to end again. */
static int check_named(const struct list *list, struct err *err)
{
	struct pci_function dev;

	for (unsigned kind = 0; kind < KINDS; kind++)
		if (list->vfs[kind].count)
			return vm_check_bound_for_run(list->root, list->vfs[kind].bdf[0], &dev, err);
	return 0;
}

int failover_pick(int root, const struct failover_want *want, struct failover_vf *ret,
		  struct err *err)
{
	_cleanup_(list_fini) struct list list = { .root = root, .want = want };
	char what[80];
	struct lease_request req = { .what = what, .near_node = want->near_node, .holder = getpid(),
				     .lock_timeout_s = want->lock_timeout_s };
	struct failover_vf vf = { 0 };
	struct lease lease = { 0 };
	int r = make_list(&list, what, sizeof(what), err);

	if (r == 0 && failover_pick_named(want) && !want->bind)
		r = check_named(&list, err);
	if (r == 0)
		r = take(&list, &req, &lease, err);
	if (r < 0)
		return r < 0 && err && !err->code ? err_set(err, r, "--nic: no VF") : r;
	r = failover_vf_describe(root, lease.bdf, &vf, err);
	vf.own_uplink = r == 0 && failover_uplink_is(root, want->bridge, vf.pf);
	if (r == 0)
		r = bind(root, want, lease.bdf, err);
	if (r < 0) {
		(void)lease_release(root, lease.bdf, true, want->lock_timeout_s, NULL);
		return r;
	}
	*ret = vf;
	return 0;
}

/* The lease on a VF of its address may be somebody else's, where that was made anew. */
void failover_pick_release(int root, const struct failover_want *want, struct failover_vf *vf)
{
	struct lease lease;

	if (vf->have && lease_read(root, vf->bdf, &lease) == 0 && lease.holder.pid == getpid())
		(void)lease_release(root, vf->bdf, true, want->lock_timeout_s, NULL);
	vf->have = false;
}

/* One whose MAC the guest has cannot have it again meanwhile: whoever else asks for it is told who has it. */
static int put_back(int root, const struct failover_want *want, const struct failover_vf *vf, struct err *err)
{
	if (!identity(root, vf->bdf))
		return change_forget_vf(root, vf->bdf, vf->pf, vf->index, want->lock_timeout_s, err);
	return vf->has_own_mac ? 0 : change_return_vf(root, vf->bdf, vf->pf, vf->index, want->lock_timeout_s, err);
}

void failover_pick_give_up(int root, const struct failover_want *want, struct failover_vf *vf)
{
	struct err err = ERR_INIT;

	if (!vf->have)
		return;
	if (put_back(root, want, vf, &err) < 0)
		log_warn_limited("%s is not as it was before, and nobody else's until this VM has ended: %s",
				 BDF_STR(vf->bdf), err.text);
	failover_pick_release(root, want, vf);
}
