/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What journal.c (changes) and journal_undo.c (their undoing) share. */
#ifndef BASE_JOURNAL_INTERNAL_H
#define BASE_JOURNAL_INTERNAL_H

#include "base/journal_file.h"

/* Where an undo happens: the host, the rows, the journal's directory. All borrowed. */
struct undo {
	int root;
	const struct step_ops *const *ops;
	int dir;
	unsigned count; /* steps undone, of dev; what was only remembered is no change */
	const char *dev; /* NULL: of every device */
};

/* NULL with err set when no row has that name. */
const struct step_ops *step_row(const struct step_ops *const *ops, const struct step *step,
				struct err *err);

/*
 * The host is as it should be ("undone", "done"), but e could not be written down so, for r:
 * its file still has what is past. Returns r, err set.
 */
int entry_stays(const struct entry *e, const char *what, int r, struct err *err);

/* Open (and make) the journal's directory. A descriptor or -errno, err set. */
int journal_open_dir(int root, struct err *err);

/*
 * Own the entry of that name for as long as we live, closing nothing: our children that
 * hang in a write keep it too. 0 or -errno.
 */
int owner_hold(int root, const char *entry);

/* Somebody does. False also for who may not look. */
bool owner_held(int root, const char *entry);

/* Whether the owner of an entry lives, by that and by what proc shows. */
enum process_state owner_look(int root, const struct entry *e);

/* Another device took the address of the record's; says so. */
bool undo_other_device(int root, const struct step_ops *row, const struct record *r);

/*
 * Put one step of e back, if its device is still there, still the same one, and does
 * not read `before` already. What somebody else made of it since is said, and gone.
 * 0, or -errno with err set.
 */
int undo_record(struct undo *u, const struct entry *e, const struct record *r, struct err *err);

/*
 * Undo the records of e that `wanted` names (NULL: all that were touched), last
 * first, and write the entry down around it, or remove it when nothing is left.
 * A step that cannot be put back stays in the entry as done, err has the first
 * failure, and the others go on.
 */
int undo_entry(struct undo *u, struct entry *e,
	       bool (*wanted)(const struct record *r, const void *opaque), const void *opaque,
	       struct err *err);

/* A committed change that was to last as long as its owner, who is dead; says when in doubt. */
bool entry_is_left(int root, const struct entry *e);

/* -EBUSY, err set: e changed dev, waits to be confirmed, and its owner, another, lives. */
int entry_refuse_unconfirmed(int root, const struct entry *e, const char *dev, struct err *err);

/* Everything that dead processes left, with the lock held. 0 or -errno, err set. */
int recover_locked(struct undo *u, struct err *err);

#endif
