/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes to the host: plan, journal, apply, verify, roll back.
 *
 * A step says "make attribute `key` of device `dev` read `after`". How such an
 * attribute is read and written is one row of a step_ops table, which base does
 * not know (vfio/ and sriov/ provide the rows, host/ assembles the table). So do
 * is write(after), undo is write(before), and verification is read() == after,
 * for every kind of change alike.
 *
 * A plan is plain data: it can be printed (--dry-run) and compared. Applying one
 * writes it to run/thruway/journal/ first (directory 0700; every state is written
 * to a temporary name, synced and renamed), so that after kill -9 at any moment
 * journal_recover() knows what to undo. It lives in /run because what it
 * describes vanishes with the boot too.
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define STEP_OP_MAX    16
#define STEP_DEV_MAX   32
#define STEP_KEY_MAX   64
#define STEP_VALUE_MAX 192

struct step {
	char op[STEP_OP_MAX];	/* row of the ops table: "override", "driver", "numvfs", … */
	char dev[STEP_DEV_MAX]; /* the BDF whose `restore` undoes this step */
	char key[STEP_KEY_MAX]; /* the op's own, "" when one attribute is all there is */
	char before[STEP_VALUE_MAX];
	char after[STEP_VALUE_MAX];
	bool optional;	/* a failure is a warning: attributes a driver lacks, on restore */
	bool transient; /* put back at commit (sriov_drivers_autoprobe), not by restore */
	/*
	 * Nothing is written; the step only keeps `before`, for undo to put back: what a
	 * later step takes away with its device (the attributes of VFs that numvfs ends).
	 * Steps about the same attribute behind it are of a device still to be made.
	 */
	bool remember;
};

struct step_ops {
	const char *op;
	/*
	 * The attribute as text. 0; -ENODEV when the device is gone (its steps then
	 * count as undone); -EOPNOTSUPP when this device has no such attribute.
	 */
	int (*read)(int root, const struct step *step, char *buf, size_t size);
	/* 0, or -errno with err set (device, cause, hint). -ETIMEDOUT: outcome unknown. */
	int (*write)(int root, const struct step *step, const char *value, struct err *err);
	/* For --dry-run and messages: "bind to vfio-pci (now igbvf)". */
	void (*describe)(const struct step *step, char *buf, size_t size);
	/*
	 * What tells this device from another that took its address later; kept in
	 * the journal, and a step whose device is another by then counts as undone.
	 * 0 or -errno. NULL: the row's devices cannot be exchanged.
	 */
	int (*identity)(int root, const struct step *step, char *buf, size_t size);
	/*
	 * Somebody uses what undoing the step takes away, and who in words. What a dead
	 * process left is then not undone yet. NULL: nobody ever does.
	 */
	bool (*held)(int root, const struct step *step, char *who, size_t size);
	/*
	 * The device with which the step's comes and goes (the PF of a VF), as its steps name
	 * it. 0, or -errno: it stands by itself. NULL: the row's devices all do.
	 */
	int (*parent)(int root, const struct step *step, char *buf, size_t size);
	/*
	 * Undoing to this value takes away what other undoings need (a rate needs the PF's link):
	 * a restore does it behind all others, of whatever age, and not for a device of which one
	 * of these has failed. NULL: never.
	 */
	bool (*last)(const char *value);
};

/* A fact that a change makes invisible, kept beside it: the netdev name of a NIC bound away. */
struct note {
	char dev[STEP_DEV_MAX];
	char key[STEP_OP_MAX];
	char value[STEP_KEY_MAX];
};

struct plan {
	struct step *steps; /* malloced */
	size_t count;
	struct note *notes; /* malloced */
	size_t note_count;
};

#define PLAN_INIT { NULL, 0, NULL, 0 }

/* Append a copy of *step. 0 or -ENOMEM. */
int plan_add(struct plan *plan, const struct step *step);
int plan_note(struct plan *plan, const char *dev, const char *key, const char *value);
void plan_fini(struct plan *plan);

/*
 * Fill in `before` where it can be read, and drop the steps that read `after`
 * already, as txn_begin() will. For --dry-run. 0 or -errno with err set.
 */
int plan_prune(int root, const struct step_ops *const *ops, struct plan *plan, struct err *err);

/* "0000:01:10.0: bind to vfio-pci (now igbvf)". Returns buf. */
char *plan_describe(const struct step_ops *const *ops, const struct step *step, char *buf,
		    size_t size);

struct journal_owner {
	char command[128]; /* for messages: "bind 0000:01:10.0" */
	/*
	 * The change lasts only as long as this process (run --bind): once it is
	 * dead, journal_recover() undoes even the committed steps.
	 */
	bool until_exit;
	/*
	 * The change waits for journal_confirm(). Until then it lasts only as long as this
	 * process, as with until_exit (host apply --confirm).
	 */
	bool confirm;
	/* A commit leaves no entry: what was done is not ours to undo (vf destroy). */
	bool forget;
};

/*
 * The lock by itself, for changes that need no journal. Waits at most timeout_s,
 * saying for whom; a child hung in a sysfs write keeps it after its parent's
 * death. -ETIMEDOUT names pid, age and kernel function of the holder;
 * -EACCES/-EPERM/-EROFS: not root.
 */
int journal_lock(int root, const char *command, unsigned timeout_s, int *ret_fd, struct err *err);

/* What to do about it when /run/thruway or what is in it refuses with r. Returns r. */
int journal_hint(int r, struct err *err);

/* Let go and close; -1 is fine. For _cleanup_ too. */
void journal_unlock(int *fd);

struct txn;
struct process_id;

/*
 * Take the journal lock (waiting at most lock_timeout_s, with a message naming
 * the holder's pid, age and command), recover what a dead process left half
 * done, and write the plan down. Steps whose `before` is empty get it by read();
 * one that has it was planned for that value alone, and another is -ESTALE.
 * Steps that already read `after` are kept out: a plan that changes nothing
 * leaves no journal entry.
 *
 * A step may speak of a device that an earlier step makes (the VFs of numvfs):
 * read() says -ENODEV then, and the step stays, without `before`. When
 * txn_apply() comes to the first such step it reads all of them that exist by
 * now, and writes the entry once more before it goes on; a step that is still
 * without `before` was never applied, and undo passes it over.
 *
 * What a living process has changed for as long as it runs is refused (-EBUSY), and so is
 * any change to a device, or to what comes and goes with it, of which a change waits to be
 * confirmed: its undoing would take this along. -ESTALE: a `before` of the plan is past.
 * -ETIMEDOUT: somebody else holds the lock; -EACCES/-EPERM: not root.
 */
int txn_begin(int root, const struct step_ops *const *ops, const struct plan *plan,
	      const struct journal_owner *owner, unsigned lock_timeout_s, struct txn **ret,
	      struct err *err);

/*
 * Apply the steps in order, verifying each. On failure those done are undone in
 * reverse, in err's words, and the entry removed; the step that failed is undone
 * too when it no longer reads `before` (a driver that made 3 of 7 VFs). On success
 * transient steps are put back and the entry is marked committed. The lock is
 * released either way; txn is freed.
 *
 * SIGINT, SIGQUIT, SIGTERM and SIGHUP are held back meanwhile: one that is waiting between
 * two steps ends the change like a failure (-EINTR). After -ETIMEDOUT of a write
 * nothing more is touched: a process of ours hangs in the kernel and keeps the
 * lock, the entry stays for journal_recover().
 */
int txn_apply(struct txn *txn, struct err *err);

/*
 * Undo what processes now dead left: half-applied transactions, and committed
 * ones marked until_exit. *ret_undone counts steps. Takes the lock.
 */
int journal_recover(int root, const struct step_ops *const *ops, unsigned lock_timeout_s,
		    unsigned *ret_undone, struct err *err);

/*
 * Undo our committed changes to dev (NULL: to every device), newest first, and
 * forget them. *ret_undone counts steps; 0 when the journal knows nothing of dev.
 */
int journal_restore(int root, const struct step_ops *const *ops, const char *dev,
		    unsigned lock_timeout_s, unsigned *ret_undone, struct err *err);

/* The same for every device, but for the steps for which keep() holds: they stay ours. */
int journal_restore_but(int root, const struct step_ops *const *ops,
			bool (*keep)(const struct step *step, void *opaque), void *opaque,
			unsigned lock_timeout_s, unsigned *ret_undone, struct err *err);

/*
 * What journal_restore() would write, appended to plan in its order; for --dry-run.
 * First what it recovers, whatever device that is about. Reads only, without the
 * lock: a change that is being made now is passed over. 0 or -errno with err set.
 */
int journal_plan_restore(int root, const struct step_ops *const *ops, const char *dev,
			 struct plan *plan, struct err *err);

/*
 * As journal_restore but only the entries this process wrote (run --bind at exit).
 * Steps for which keep() holds stay, as if they had not been for this process alone;
 * NULL: none.
 */
int journal_restore_own(int root, const struct step_ops *const *ops,
			bool (*keep)(const struct step *step, void *opaque), void *opaque,
			unsigned *ret_undone, struct err *err);

/*
 * Of the changes of this process, undo those for which keep() does not hold; the others are undone when it ends, as
 * before.
 */
int journal_return_own(int root, const struct step_ops *const *ops,
		       bool (*keep)(const struct step *step, void *opaque), void *opaque,
		       unsigned lock_timeout_s, unsigned *ret_undone, struct err *err);

/*
 * The living process that has changed dev for as long as it runs itself, or is about
 * to. 0, -ENOENT, or -errno (-EACCES: not root). No lock.
 */
int journal_holder(int root, const char *dev, struct process_id *ret);

/*
 * Let the changes that wait for it stand; *ret_owner is the process that would have
 * undone them. 0; -ENOENT: none waits. Takes the lock.
 */
int journal_confirm(int root, unsigned lock_timeout_s, struct process_id *ret_owner,
		    struct err *err);

/*
 * Whether a change to dev waits to be confirmed by somebody who lives: who changes dev
 * without a plan asks first. 0; -EBUSY, err set. Who may not look passes. No lock.
 */
int journal_refuse_unconfirmed(int root, const char *dev, struct err *err);

/* As journal_restore, but the changes of this process that were not confirmed. */
int journal_expire_own(int root, const struct step_ops *const *ops, unsigned *ret_undone,
		       struct err *err);

/*
 * Strike committed steps out without undoing them: what they describe is gone
 * (the VFs of a destroyed PF). match says which. Takes the lock.
 */
int journal_forget(int root, bool (*match)(const struct step *step, void *opaque), void *opaque,
		   unsigned lock_timeout_s, struct err *err);

/* Walk the committed steps, oldest first; stops at fn's first non-zero return. No lock. */
int journal_each(int root, int (*fn)(const struct step *step, void *opaque), void *opaque);

/* The same for changes that wait to be confirmed. */
int journal_each_unconfirmed(int root, int (*fn)(const struct step *step, void *opaque),
			     void *opaque);

/*
 * Whether all of it can be read: one entry that cannot keeps txn_begin() from every
 * change, since it may be about any device. 0, -EBADMSG, or other -errno, err set. No lock.
 * 0 also for who may not look: changes are not for them, and say so.
 */
int journal_check(int root, struct err *err);

/* What dev was when it was last changed (step_ops.identity). 0, -ENOENT, or -errno. No lock. */
int journal_identity(int root, const char *dev, char *buf, size_t size);

/* The newest note `key` about dev among the committed entries. 0 or -ENOENT. No lock. */
int journal_note(int root, const char *dev, const char *key, char *buf, size_t size);

/* The device whose newest note `key` has this value. 0 or -ENOENT. No lock. */
int journal_noted(int root, const char *key, const char *value, char *ret_dev, size_t size);

#endif
