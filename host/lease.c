// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/audit.h"
#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "base/log.h"
#include "base/process.h"
#include "sriov/vf_users.h"
#include "vfio/bind_step.h"
#include "vfio/topology.h"

/* --- ending ----------------------------------------------------------------------------------- */

/* The node is still whose it was given to: what somebody else changed since stays. */
static void give_node_back(int root, const struct lease *l)
{
	char path[LEASE_NODE_MAX + 8];
	struct stat st;

	snprintf(path, sizeof(path), "dev/%s", l->node);
	if (!l->node[0] || fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_uid != l->uid || st.st_gid != l->gid)
		return;
	if (fchownat(root, path, l->uid_before, l->gid_before, AT_SYMLINK_NOFOLLOW) < 0)
		log_warn("%s: cannot take /%s back from uid %u: %m", BDF_STR(l->bdf), path, l->uid);
}

static int end_lease(int root, const struct lease *l)
{
	char path[64];

	/* A group that came with another boot or another function is not the one given away. */
	if (lease_inode(root, l->bdf) == l->inode)
		give_node_back(root, l);
	snprintf(path, sizeof(path), LEASE_DIR "/%s", BDF_STR(l->bdf));
	return unlinkat(root, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}

struct reap {
	int root;
	bool look; /* count only */
	unsigned count;
};

static int reap_one(const char *name, void *opaque)
{
	struct reap *reap = opaque;
	struct lease l;
	struct bdf bdf;

	if (bdf_parse(name, &bdf) < 0)
		return 0;
	/* What cannot be read as a lease is nobody's, and as old as another version. */
	if (lease_read_file(reap->root, bdf, &l) == -EBADMSG)
		l = (struct lease){ .bdf = bdf };
	else if (lease_read_file(reap->root, bdf, &l) < 0 || !lease_is_over(reap->root, &l))
		return 0;
	reap->count++;
	return reap->look ? 0 : end_lease(reap->root, &l);
}

static int reap_locked(int root, unsigned *ret_count)
{
	struct reap reap = { .root = root };
	int r = hostfs_list(root, reap_one, &reap, LEASE_DIR);

	*ret_count = reap.count;
	return r == -ENOENT ? 0 : r;
}

int lease_reap(int root, unsigned lock_timeout_s, unsigned *ret_count, struct err *err)
{
	struct reap look = { .root = root, .look = true };
	_cleanup_(journal_unlock) int lock = -1;
	unsigned count = 0;
	int r;

	(void)hostfs_list(root, reap_one, &look, LEASE_DIR);
	if (look.count) {
		struct err own = ERR_INIT;

		r = journal_lock(root, "vf lease", lock_timeout_s, &lock, &own);
		if (r == 0)
			r = reap_locked(root, &count);
		if (r < 0 && r != -EACCES && r != -EPERM && r != -EROFS)
			return err_set(err, r, "cannot clear ended leases away");
	}
	*ret_count = count;
	return 0;
}

static int refuse_open(int root, const struct lease *l, struct err *err)
{
	struct in_use_host *host;
	struct in_use used;
	struct pci_function dev;
	int r;

	if (pci_function_read_unlocked(root, l->bdf, &dev) < 0)
		return 0;
	r = in_use_open(root, &host, err);
	if (r < 0)
		return r;
	in_use_find(host, &dev, &used);
	in_use_close(host);
	for (unsigned i = 0; i < used.count; i++) {
		if (used.items[i].reason != IN_USE_VM && used.items[i].reason != IN_USE_PROCESS)
			continue;
		err_plain(err, -EBUSY, "cannot release %s: %s", BDF_STR(l->bdf), used.items[i].what);
		return err_hint(err, "end that process, or say --force=vf-in-use");
	}
	return 0;
}

int lease_release(int root, struct bdf bdf, bool force, unsigned lock_timeout_s, struct err *err)
{
	_cleanup_(journal_unlock) int lock = -1;
	char who[96];
	struct lease l;
	int r = journal_lock(root, "vf release", lock_timeout_s, &lock, err);

	if (r < 0)
		return r;
	r = lease_read_file(root, bdf, &l);
	if (r == -ENOENT) {
		err_plain(err, r, "%s is not leased", BDF_STR(bdf));
		return err_hint(err, "thruway vf list shows what is");
	}
	if (r < 0)
		return err_set(err, r, "cannot read the lease on %s", BDF_STR(bdf));
	if (!force && !lease_is_over(root, &l)) {
		if (l.holder.pid && !lease_is_ours(root, &l)) {
			err_plain(err, -EBUSY, "cannot release %s: it is %s", BDF_STR(bdf),
				  lease_describe(&l, who, sizeof(who)));
			return err_hint(err, "end that process, or say --force=vf-in-use");
		}
		r = refuse_open(root, &l, err);
	}
	if (r == 0)
		r = end_lease(root, &l);
	if (r == 0)
		audit_change(root, "vf release", "%s, %s", BDF_STR(bdf),
			     lease_describe(&l, who, sizeof(who)));
	return r < 0 ? err_set(err, r, "cannot release %s", BDF_STR(bdf)) : 0;
}

/* --- choosing --------------------------------------------------------------------------------- */

#define DISTANCE_UNKNOWN 255u

/* As the firmware has it: 10 is the node itself, 255 the end of the world. */
static unsigned distance(int root, int from, int to)
{
	char text[4096], *rest = text, *word;
	struct cpulist online;
	int column = 0;

	if (from < 0)
		return 0;
	if (from == to)
		return 10;
	if (to < 0 || to >= CPULIST_MAX ||
	    hostfs_read(root, text, sizeof(text), "sys/devices/system/node/online") < 0 ||
	    cpulist_parse(text, &online) < 0 || !cpulist_has(&online, (unsigned)to) ||
	    hostfs_read(root, text, sizeof(text), "sys/devices/system/node/node%d/distance", from) < 0)
		return DISTANCE_UNKNOWN;
	/* One column for each node that is online. */
	for (int n = 0; n < to; n++)
		column += cpulist_has(&online, (unsigned)n);
	while ((word = strsep(&rest, " "))) {
		if (*word && column-- == 0)
			return (unsigned)strtoul(word, NULL, 10);
	}
	return DISTANCE_UNKNOWN;
}

struct choice {
	int root;
	const struct lease_request *req;
	struct topo topo;
	struct in_use_host *host;
	const struct pci_function *best;
	unsigned best_distance;
	char taken[400]; /* who has the others */
	size_t taken_len;
};

static void choice_fini(struct choice *c)
{
	in_use_close(c->host);
	topo_fini(&c->topo);
}

static void note_taken(struct choice *c, struct bdf bdf, const char *why)
{
	size_t left = sizeof(c->taken) - c->taken_len;
	int n = snprintf(c->taken + c->taken_len, left, "%s%s: %s", c->taken_len ? "; " : "",
			 BDF_STR(bdf), why);

	if (n > 0 && (size_t)n < left)
		c->taken_len += (size_t)n;
	else
		c->taken[c->taken_len] = '\0';
}

/* Who opens a group has all of it. */
static bool group_leased(struct choice *c, const struct pci_function *dev, char *why, size_t size)
{
	const struct pci_function *other = NULL;
	struct lease l;
	char who[96];

	while (dev->group >= 0 && (other = topo_group_next(&c->topo, dev->group, other))) {
		if (lease_read(c->root, other->bdf, &l) < 0)
			continue;
		lease_describe(&l, who, sizeof(who));
		if (other == dev)
			snprintf(why, size, "%s", who);
		else
			snprintf(why, size, "%s of its group is %s", BDF_STR(other->bdf), who);
		return true;
	}
	return false;
}

static bool leased(struct choice *c, const struct pci_function *dev, char *why, size_t size)
{
	struct lease l;

	if (lease_read(c->root, dev->bdf, &l) == 0) {
		lease_describe(&l, why, size);
		return true;
	}
	return group_leased(c, dev, why, size);
}

static bool is_free(struct choice *c, const struct pci_function *dev, char *why, size_t size)
{
	if (leased(c, dev, why, size))
		return false;
	if (dev->busy) {
		snprintf(why, size, "the kernel is at work on it");
		return false;
	}
	if (c->req->give && !pci_function_driver_is_vfio(dev->driver)) {
		snprintf(why, size, "not bound to a VFIO driver");
		return false;
	}
	return !vf_used(c->root, c->host, dev, why, size);
}

static void consider(struct choice *c, struct bdf bdf)
{
	const struct pci_function *dev = topo_find(&c->topo, bdf);
	char why[IN_USE_TEXT_MAX + 64];
	unsigned far;

	if (!dev)
		return;
	if (!is_free(c, dev, why, sizeof(why))) {
		note_taken(c, bdf, why);
		return;
	}
	far = distance(c->root, c->req->near_node, dev->numa_node);
	if (c->best && far > c->best_distance)
		return;
	if (c->best && far == c->best_distance &&
	    (pci_function_driver_is_vfio(c->best->driver) ||
	     !pci_function_driver_is_vfio(dev->driver)))
		return;
	c->best = dev;
	c->best_distance = far;
}

static int choose(struct choice *c, struct err *err)
{
	int r = topo_scan(c->root, &c->topo, err);

	if (r == 0)
		r = in_use_open(c->root, &c->host, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->req->count; i++)
		consider(c, c->req->among[i]);
	if (c->best)
		return 0;
	err_plain(err, -EBUSY, "none of the %s is free%s%s", c->req->what,
		  c->taken_len ? ": " : "", c->taken);
	return err_hint(err, "thruway vf list shows them; thruway vf create makes VFs, "
			     "thruway vf release ends a lease");
}

/* --- taking ----------------------------------------------------------------------------------- */

static int name_holder(int root, const struct lease_request *req, struct lease *l, struct err *err)
{
	struct process_id self;

	process_self(root, &self);
	memcpy(l->holder.boot, self.boot, sizeof(l->holder.boot));
	if (req->ttl_s)
		l->expires = lease_now() + req->ttl_s;
	if (!req->holder)
		return 0;
	if (process_identify(root, req->holder, &l->holder) < 0)
		return err_plain(err, -ESRCH, "there is no process %d to lease to",
				 (int)req->holder);
	process_name(root, req->holder, l->name, sizeof(l->name));
	return 0;
}

/* The file says it before the node is given: killed in between, nothing stays given away. */
static int record_node(int root, const struct lease_request *req, const struct pci_function *dev,
		       struct lease *l, struct err *err)
{
	char path[LEASE_NODE_MAX + 8];
	struct stat st;

	if (!req->give)
		return 0;
	snprintf(l->node, sizeof(l->node), "vfio/%d", dev->group);
	snprintf(path, sizeof(path), "dev/%s", l->node);
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, "cannot give /%s away", path);
	l->uid = req->uid;
	l->gid = req->gid;
	l->uid_before = st.st_uid;
	l->gid_before = st.st_gid;
	return 0;
}

static int give_node(int root, const struct lease *l, struct err *err)
{
	char path[LEASE_NODE_MAX + 8];

	if (!l->node[0])
		return 0;
	bind_step_note_given(root);
	snprintf(path, sizeof(path), "dev/%s", l->node);
	if (fchownat(root, path, l->uid, l->gid, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return err_set(err, -errno, "cannot give /%s to uid %u", path, l->uid);
}

static int take_best(int root, const struct choice *c, struct lease *l, struct err *err)
{
	int r;

	l->bdf = c->best->bdf;
	l->inode = lease_inode(root, l->bdf);
	r = record_node(root, c->req, c->best, l, err);
	if (r < 0)
		return r;
	r = lease_save(root, l);
	if (r < 0) {
		err_set(err, r, "cannot write /" LEASE_DIR "/%s", BDF_STR(l->bdf));
		return r == -EACCES || r == -EPERM ? err_hint(err, "run it as root") : r;
	}
	r = give_node(root, l, err);
	if (r < 0)
		(void)end_lease(root, l);
	return r;
}

static int check_node(int root, int node, struct err *err)
{
	if (node < 0 || !hostfs_exists(root, "sys/devices/system/node") ||
	    hostfs_exists(root, "sys/devices/system/node/node%d", node))
		return 0;
	err_plain(err, -ENODEV, "this host has no NUMA node %d", node);
	return err_hint(err, "thruway topo shows those there are");
}

int lease_take(int root, const struct lease_request *req, struct lease *ret, struct err *err)
{
	_cleanup_(choice_fini) struct choice c = { .root = root, .req = req, .topo = TOPO_INIT };
	_cleanup_(journal_unlock) int lock = -1;
	struct lease l = { .expires = 0 };
	unsigned reaped;
	char who[96];
	int r = check_node(root, req->near_node, err);

	if (r == 0)
		r = journal_lock(root, "vf lease", req->lock_timeout_s, &lock, err);
	if (r < 0)
		return r;
	r = reap_locked(root, &reaped);
	if (r < 0)
		return err_set(err, r, "cannot clear ended leases away");
	r = name_holder(root, req, &l, err);
	if (r == 0)
		r = choose(&c, err);
	if (r == 0)
		r = take_best(root, &c, &l, err);
	if (r == 0) {
		audit_change(root, "vf lease", "%s %s", BDF_STR(l.bdf),
			     lease_describe(&l, who, sizeof(who)));
		*ret = l;
	}
	return r;
}
