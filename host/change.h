/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes to this host: every kind of journalled step in one table, and the common ones whole. */
#ifndef HOST_CHANGE_H
#define HOST_CHANGE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/journal.h"
#include "vfio/bind.h"

/* Every row; ends with NULL. */
extern const struct step_ops *const change_ops[];

/*
 * Carry a plan out: lock, recover, journal, apply, verify, roll back on failure.
 * An empty plan does nothing. 0 or -errno with err set.
 */
int change_apply(int root, const struct plan *plan, const struct journal_owner *owner,
		 unsigned lock_timeout_s, struct err *err);

/* Load the modules of all drivers a plan binds to, so that a missing one changes nothing. */
int change_load_drivers(int root, const struct plan *plan, struct err *err);

/*
 * For a dry run: refuse what these would refuse before they write (a driver that is not
 * there, a journal that cannot be read), and drop the steps that are done already.
 */
int change_preview(int root, struct plan *plan, struct err *err);

/*
 * End who holds the devices a plan unbinds and was let pass by `force`, which an unbind
 * would wait for; also holders of the VFs of a PF, with IN_USE_VF_IN_USE.
 */
int change_evict(int root, const struct plan *plan, unsigned force, struct err *err);

/* Whom that would end, and how: one line to `say` for each. */
int change_preview_evict(int root, const struct plan *plan, unsigned force,
			 void (*say)(const char *line, void *opaque), void *opaque, struct err *err);

/*
 * Undo what a killed process left, so that checks made before a plan see the host
 * as it will be. 0; -ETIMEDOUT: the lock is held; -EACCES/-EPERM: not root.
 */
int change_recover(int root, unsigned lock_timeout_s, struct err *err);

/*
 * Bind as planned by bind_plan(): loads the modules first, so that a missing one
 * changes nothing, and afterwards looks that the nodes are there. Devices that
 * are bound already are fine.
 */
int change_bind(int root, const struct bind_request *req, const struct journal_owner *owner,
		unsigned lock_timeout_s, struct err *err);

enum change_restored {
	CHANGE_NOTHING,	 /* it was the host's already */
	CHANGE_UNPROBED, /* nothing either: a VF that we made, which never had a driver */
	CHANGE_UNDONE,	 /* by the journal */
	CHANGE_RELEASED, /* not ours: override cleared, offered to the host's drivers */
	CHANGE_GONE,	 /* the device left; what the journal knew is forgotten */
};

/*
 * Give a device back: undo what the journal knows of it; else take it from a VFIO
 * driver, clear its override and let the host's drivers have it, but for a VF that we made:
 * no driver of the host was to be tried on that. Refused (-EBUSY)
 * while a process holds it, unless `force` has that reason: then that process is
 * ended first (host/evict.h).
 */
int change_restore(int root, struct bdf bdf, unsigned force, unsigned lock_timeout_s,
		   enum change_restored *ret, struct err *err);

/*
 * Undo the changes of this process but for devices that another one holds: these
 * stay as they are, until `restore`, and are warned about. *ret_undone counts steps.
 */
int change_restore_own(int root, unsigned *ret_undone, struct err *err);

/*
 * Undo what this process changed of a VF, its binding and its attributes; all else stays changed until it ends. The
 * VF is in nobody's use. 0, also when it has changed nothing, or -errno with err set (-ETIMEDOUT: the lock is held).
 */
int change_return_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned lock_timeout_s,
		     struct err *err);

/* The VF is gone: so is what anybody changed of it, which nobody is to be kept from making anew. As above. */
int change_forget_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned lock_timeout_s,
		     struct err *err);

/*
 * Undo the changes of this process that were not confirmed, under the same condition.
 * *ret_undone counts steps: 0 when they were.
 */
int change_expire_own(int root, unsigned *ret_undone, struct err *err);

/*
 * All that the journal has, but for devices that are held, or of which a VF is: those are
 * warned about one by one, stay as they are and make it -EBUSY. *ret_undone counts steps.
 */
int change_restore_all(int root, unsigned force, unsigned lock_timeout_s, unsigned *ret_undone,
		       struct err *err);

/* Call say with a line for each whom restoring by this plan ends; for --dry-run. 0 or -errno. */
int change_preview_restore_evict(int root, const struct plan *plan, unsigned force,
				 void (*say)(const char *line, void *opaque), void *opaque,
				 struct err *err);

/*
 * What these would write, appended to plan, under the same conditions; whom they would
 * end is change_preview_restore_evict()'s to tell. A device that is not ours (CHANGE_RELEASED) is
 * also offered to the host's drivers. *ret as above.
 */
int change_plan_restore(int root, struct bdf bdf, unsigned force, struct plan *plan,
			enum change_restored *ret, struct err *err);
int change_plan_restore_all(int root, unsigned force, struct plan *plan, struct err *err);

#endif
