// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Putting back. An undo is made of reads and writes of the same rows that made
 * the change, last step first, and passes over whatever reads `before` already:
 * it can be interrupted and begun again at any point.
 */
#include "base/journal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/audit.h"
#include "base/fd.h"
#include "base/log.h"

bool undo_other_device(int root, const struct step_ops *row, const struct record *r)
{
	char now[STEP_VALUE_MAX];

	if (!row->identity || !r->identity[0] ||
	    row->identity(root, &r->step, now, sizeof(now)) < 0 || strcmp(now, r->identity) == 0)
		return false;
	log_warn("%s: another device is at this address now, left as it is", r->step.dev);
	return true;
}

static int verify_undone(struct undo *u, const struct step_ops *row, const struct record *r,
			 struct err *err)
{
	char now[STEP_VALUE_MAX];
	int got = row->read(u->root, &r->step, now, sizeof(now));

	if (got == -ENODEV || (got == 0 && strcmp(now, r->step.before) == 0))
		return 0;
	if (got < 0)
		return err_set(err, got, "cannot read %s of %s back", r->step.op, r->step.dev);
	return err_plain(err, -EIO, "%s of %s should be '%s' again and is '%s'", r->step.op,
			 r->step.dev, r->step.before, now);
}

/* Neither what the change found nor what it left: nobody is to wonder where it went. */
static void say_overwritten(struct undo *u, const struct entry *e, const struct step *s,
			    const char *was)
{
	/* What a step only remembers nobody set: a driver made it up anew. */
	if (!e->committed || s->transient || s->remember || strcmp(was, s->after) == 0)
		return;
	log_warn("%s%s%s of %s had become '%s' since '%s' made it '%s', and is '%s' again", s->op,
		 s->key[0] ? " " : "", s->key, s->dev, was, e->command, s->after, s->before);
	audit_change(u->root, e->command, "undone with what others made of it: %s%s%s of %s was '%s'",
		     s->op, s->key[0] ? " " : "", s->key, s->dev, was);
}

int undo_record(struct undo *u, const struct entry *e, const struct record *r, struct err *err)
{
	const struct step_ops *row = step_row(u->ops, &r->step, err);
	char now[STEP_VALUE_MAX], was[STEP_VALUE_MAX];
	bool seen;
	int got;

	if (!row)
		return -EINVAL;
	if (!r->known || r->mark == MARK_PLANNED || undo_other_device(u->root, row, r))
		return 0;
	got = row->read(u->root, &r->step, now, sizeof(now));
	if (got == -ENODEV || (got == 0 && strcmp(now, r->step.before) == 0))
		return 0;
	if (got == -EBUSY) /* nor would a write get through */
		return err_plain(err, got, "cannot put %s of %s back: the kernel is at work on it, "
				 "or hangs", r->step.op, r->step.dev);
	seen = got == 0;
	if (seen)
		strcpy(was, now);
	got = row->write(u->root, &r->step, r->step.before, err);
	/* Gone between read and write: undone. A driver that refuses says ENODEV too. */
	if (got == -ENODEV && row->read(u->root, &r->step, now, sizeof(now)) == -ENODEV) {
		*err = (struct err)ERR_INIT;
		return 0;
	}
	if (got < 0)
		return err_set(err, got, "cannot put %s of %s back to '%s'", r->step.op, r->step.dev,
			       r->step.before);
	got = verify_undone(u, row, r, err);
	if (got == 0 && seen)
		say_overwritten(u, e, &r->step, was);
	return got;
}

/* Take the records marked `planned` (nothing to undo any more) out. */
static void drop_planned(struct entry *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->count; i++) {
		if (e->records[i].mark != MARK_PLANNED)
			e->records[kept++] = e->records[i];
	}
	e->count = kept;
}

static int save_or_remove(struct undo *u, struct entry *e)
{
	drop_planned(e);
	return e->count ? entry_save(u->dir, e) : entry_remove(u->dir, e->name);
}

static bool same_attribute(const struct step *a, const struct step *b)
{
	return strcmp(a->op, b->op) == 0 && strcmp(a->dev, b->dev) == 0 &&
	       strcmp(a->key, b->key) == 0;
}

/*
 * Record i is undone. Later changes of its attribute that could not be are past: undoing
 * one after all would take the device from the state it has again.
 */
static void supersede(struct entry *e, size_t i)
{
	for (size_t k = i + 1; k < e->count; k++) {
		if (e->records[k].mark == MARK_UNDOING &&
		    same_attribute(&e->records[k].step, &e->records[i].step))
			e->records[k].mark = MARK_PLANNED;
	}
}

/* One that fails stays marked, for supersede() to find. */
static void undo_one(struct undo *u, struct entry *e, size_t i, struct err *err)
{
	struct record *r = &e->records[i];
	struct err own = ERR_INIT;

	if (undo_record(u, e, r, &own) == 0) {
		r->mark = MARK_PLANNED;
		u->count += !r->step.remember && (!u->dev || strcmp(r->step.dev, u->dev) == 0);
		supersede(e, i);
		return;
	}
	if (r->step.optional) {
		log_warn("%s, continuing", own.text);
		r->mark = MARK_PLANNED;
		return;
	}
	if (own.code == -ETIMEDOUT) /* it may come about yet */
		r->mark = MARK_DONE;
	if (err->code && own.code != -ETIMEDOUT) {
		log_warn("%s", own.text);
		return;
	}
	if (err->code)
		log_warn("%s", err->text);
	*err = own;
}

/*
 * Those that failed are as they were, and a user may try again; but what was never meant to
 * last stays for recover to put back. Whether there are any.
 */
static bool keep_failed(struct entry *e)
{
	bool any = false;

	for (size_t i = 0; i < e->count; i++) {
		if (e->records[i].mark != MARK_UNDOING)
			continue;
		any = true;
		if (!e->records[i].step.transient)
			e->records[i].mark = MARK_DONE;
	}
	return any;
}

int undo_entry(struct undo *u, struct entry *e,
	       bool (*wanted)(const struct record *r, const void *opaque), const void *opaque,
	       struct err *err)
{
	struct err first = ERR_INIT;
	bool any = false;
	int r;

	for (size_t i = 0; i < e->count; i++) {
		struct record *rec = &e->records[i];

		if (rec->mark == MARK_PLANNED || (wanted && !wanted(rec, opaque)))
			continue;
		rec->mark = MARK_UNDOING;
		any = true;
	}
	if (!any && e->committed)
		return 0;
	/*
	 * On a full disk the undo goes on: what the file says is then older, but still
	 * enough to begin again from.
	 */
	if (any && entry_save(u->dir, e) < 0)
		log_warn("cannot write the journal, continuing");
	for (size_t i = e->count; any && i-- > 0;) {
		if (e->records[i].mark == MARK_UNDOING)
			undo_one(u, e, i, &first);
	}
	if (!keep_failed(e) && first.code && first.code != -ETIMEDOUT) {
		log_warn("%s, continuing", first.text);
		first = (struct err)ERR_INIT;
	}
	r = save_or_remove(u, e);
	if (first.code) {
		if (err && !err->code)
			*err = first;
		return first.code;
	}
	return r < 0 ? entry_stays(e, "undone", r, err) : 0;
}

int entry_stays(const struct entry *e, const char *what, int r, struct err *err)
{
	err_set(err, r, "%s on the host, but the journal's entry of '%s' could not be rewritten", what,
		e->command);
	if (r == -ENOSPC || r == -EDQUOT)
		return err_hint(err, "make room in /run (du -xsh /run/* says what fills it), then thruway "
				     "restore again: it strikes out what is past");
	return journal_hint(r, err);
}

static bool was_being_undone(const struct record *r, const void *opaque)
{
	return r->mark == MARK_UNDOING;
}

bool entry_is_left(int root, const struct entry *e)
{
	enum process_state owner;

	if (!e->until_exit && !e->unconfirmed)
		return false;
	owner = owner_look(root, e);
	if (owner == PROCESS_UNKNOWN)
		log_warn("cannot tell from here whether '%s' (pid %d) still runs: what it changed "
			 "is left as it is", e->command, (int)e->owner.pid);
	return owner == PROCESS_DEAD;
}

/*
 * The device that a dead VM had bound has another user by now: all of the entry stays, for
 * when that one has ended. Without its driver_override the device were half put back.
 */
static bool entry_is_held(struct undo *u, const struct entry *e)
{
	char who[160];

	for (size_t i = e->count; i-- > 0;) {
		const struct record *r = &e->records[i];
		const struct step_ops *row = step_row(u->ops, &r->step, NULL);

		if (!row || !row->held || r->mark == MARK_PLANNED ||
		    undo_other_device(u->root, row, r) ||
		    !row->held(u->root, &r->step, who, sizeof(who)))
			continue;
		log_warn("what '%s' (pid %d) left behind stays for now: %s", e->command,
			 (int)e->owner.pid, who);
		return true;
	}
	return false;
}

static int undo_left(struct undo *u, struct entry *e, struct err *err)
{
	if (e->committed && entry_is_held(u, e))
		return 0;
	log_warn("undoing what '%s' (pid %d) left behind", e->command, (int)e->owner.pid);
	return undo_entry(u, e, NULL, NULL, err);
}

static int recover_entry(struct undo *u, const char *name, struct err *err)
{
	unsigned before = u->count;
	struct entry e = { 0 };
	int r = entry_load(u->dir, name, &e, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (process_of_other_boot(u->root, &e.owner)) {
		r = entry_remove(u->dir, name);
	} else if (!e.committed || entry_is_left(u->root, &e)) {
		r = undo_left(u, &e, err);
	} else {
		r = undo_entry(u, &e, was_being_undone, NULL, err);
	}
	if (u->count > before)
		audit_change(u->root, e.command, "%u of its changes undone: pid %d did not end them",
			     u->count - before, (int)e.owner.pid);
	entry_fini(&e);
	return r;
}

int recover_locked(struct undo *u, struct err *err)
{
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	size_t count = 0;
	int first, r;

	first = entry_names(u->dir, &names, &count);
	if (first < 0)
		return err_set(err, first, "cannot read the journal");
	while (count-- > 0) {
		r = recover_entry(u, names[count], err);
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}
