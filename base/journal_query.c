// SPDX-License-Identifier: GPL-2.0-or-later
/* The journal as a whole: recover, restore, forget, and what it remembers. */
#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/audit.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal_internal.h"
#include "base/log.h"
#include "base/process.h"

/* The lock and the directory, for as long as the caller's block. */
struct session {
	int lock;
	struct undo undo;
};

#define SESSION_INIT { -1, { .dir = -1 } }

static void session_end(struct session *s)
{
	close_fdp(&s->undo.dir);
	journal_unlock(&s->lock);
}

static int session_begin(struct session *s, int root, const struct step_ops *const *ops,
			 const char *command, unsigned timeout_s, struct err *err)
{
	int r = journal_lock(root, command, timeout_s, &s->lock, err);

	if (r < 0)
		return r;
	s->undo = (struct undo){ root, ops, journal_open_dir(root, err), 0 };
	return s->undo.dir < 0 ? s->undo.dir : 0;
}

/* Call fn for each entry, newest first; goes on after a failure and returns the first. */
static int each_entry(struct session *s,
		      int (*fn)(struct session *s, struct entry *e, void *opaque, struct err *err),
		      void *opaque, struct err *err)
{
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	size_t count = 0;
	int first = entry_names(s->undo.dir, &names, &count);

	if (first < 0)
		return err_set(err, first, "cannot read the journal /" JOURNAL_DIR);
	while (count-- > 0) {
		struct entry e = { 0 };
		int r = entry_load(s->undo.dir, names[count], &e, err);

		if (r == 0)
			r = fn(s, &e, opaque, err);
		entry_fini(&e);
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

int journal_recover(int root, const struct step_ops *const *ops, unsigned lock_timeout_s,
		    unsigned *ret_undone, struct err *err)
{
	_cleanup_(session_end) struct session s = SESSION_INIT;
	int r = session_begin(&s, root, ops, "recover", lock_timeout_s, err);

	if (r == 0)
		r = recover_locked(&s.undo, err);
	if (r == 0)
		*ret_undone = s.undo.count;
	return r;
}

/* Which steps are undone. */
struct choice {
	const char *dev; /* NULL: of any device */
	bool (*keep)(const struct step *step, void *opaque); /* NULL: none stays */
	void *opaque;
	const struct step_ops *const *ops; /* of restore(): */
	bool last;	    /* it is the turn of those that go behind all others */
	struct plan oldest; /* of each attribute that such a step is about: what it comes to be */
	struct plan left;   /* what could not be undone */
};

static struct step *find_attribute(const struct plan *plan, const struct step *step)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct step *s = &plan->steps[i];

		if (strcmp(s->op, step->op) == 0 && strcmp(s->dev, step->dev) == 0 &&
		    strcmp(s->key, step->key) == 0)
			return s;
	}
	return NULL;
}

static bool chosen(const struct record *r, const void *opaque)
{
	const struct choice *c = opaque;

	return (!c->dev || strcmp(r->step.dev, c->dev) == 0) &&
	       (!c->keep || !c->keep(&r->step, c->opaque));
}

static const struct step_ops *last_row(const struct choice *c, const struct record *r)
{
	const struct step_ops *row = step_row(c->ops, &r->step, NULL);

	return row && row->last && r->known && r->mark != MARK_PLANNED && !r->step.remember ? row : NULL;
}

/* Entries come newest first, so what stands at the end is the oldest. */
static int note_oldest(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	struct choice *c = opaque;

	for (size_t i = e->count; i-- > 0;) {
		const struct record *r = &e->records[i];
		struct step *known;

		if (!chosen(r, c) || !last_row(c, r))
			continue;
		known = find_attribute(&c->oldest, &r->step);
		if (known)
			*known = r->step;
		else if (plan_add(&c->oldest, &r->step) < 0)
			return err_set(err, -ENOMEM, "cannot restore %s", r->step.dev);
	}
	return 0;
}

/* Undone behind all others: the attribute comes to a value for which its row wants that. */
static bool goes_last(const struct choice *c, const struct record *r)
{
	const struct step_ops *row = last_row(c, r);
	const struct step *oldest = row ? find_attribute(&c->oldest, &r->step) : NULL;

	return oldest && row->last(oldest->before);
}

static bool has_left(const struct choice *c, const char *dev)
{
	for (size_t i = 0; i < c->left.count; i++) {
		if (strcmp(c->left.steps[i].dev, dev) == 0)
			return true;
	}
	return false;
}

static bool has_turn(const struct record *r, const void *opaque)
{
	const struct choice *c = opaque;

	return chosen(r, c) && goes_last(c, r) == c->last && !(c->last && has_left(c, r->step.dev));
}

/* Those that are still in the entry behind their undoing. */
static int note_left(struct choice *c, const struct entry *e, bool (*wanted)(const struct record *r,
									      const void *opaque))
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < e->count; i++) {
		if (e->records[i].mark != MARK_PLANNED && wanted(&e->records[i], c))
			r = plan_add(&c->left, &e->records[i].step);
	}
	return r;
}

static int restore_entry(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	struct choice *c = opaque;
	unsigned before = s->undo.count;
	int r = undo_entry(&s->undo, e, has_turn, c, err);
	unsigned n = s->undo.count - before;

	if (n)
		audit_change(s->undo.root, e->command, "%u change%s undone", n, n == 1 ? "" : "s");
	if (r < 0 && note_left(c, e, has_turn) < 0)
		return -ENOMEM;
	return r;
}

static int count_left(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	return note_left(opaque, e, chosen) < 0 ? -ENOMEM : 0;
}

/* Repeating it begins with those. */
static void say_left(struct session *s, struct choice *c)
{
	c->left.count = 0;
	if (each_entry(s, count_left, c, NULL) == 0 && c->left.count)
		log_warn("%zu change%s not undone; thruway restore goes on from there when repeated",
			 c->left.count, c->left.count == 1 ? " is" : "s are");
}

static int restore(int root, const struct step_ops *const *ops, struct choice *choice,
		   const char *command, unsigned lock_timeout_s, unsigned *ret_undone,
		   struct err *err)
{
	_cleanup_(session_end) struct session s = SESSION_INIT;
	int r = session_begin(&s, root, ops, command, lock_timeout_s, err), last;

	s.undo.dev = choice->dev;
	choice->ops = ops;
	if (r == 0)
		r = recover_locked(&s.undo, err);
	if (r < 0)
		return r;
	r = each_entry(&s, note_oldest, choice, err);
	if (r == 0) {
		r = each_entry(&s, restore_entry, choice, err);
		choice->last = true;
		last = each_entry(&s, restore_entry, choice, err);
		r = r < 0 ? r : last;
		if (choice->left.count)
			say_left(&s, choice);
	}
	plan_fini(&choice->oldest);
	plan_fini(&choice->left);
	if (r == 0)
		*ret_undone = s.undo.count;
	return r;
}

int journal_restore(int root, const struct step_ops *const *ops, const char *dev,
		    unsigned lock_timeout_s, unsigned *ret_undone, struct err *err)
{
	struct choice choice = { .dev = dev };
	char command[64];

	snprintf(command, sizeof(command), "restore %s", dev ? dev : "all");
	return restore(root, ops, &choice, command, lock_timeout_s, ret_undone, err);
}

int journal_restore_but(int root, const struct step_ops *const *ops,
			bool (*keep)(const struct step *step, void *opaque), void *opaque,
			unsigned lock_timeout_s, unsigned *ret_undone, struct err *err)
{
	struct choice choice = { .keep = keep, .opaque = opaque };

	return restore(root, ops, &choice, "restore all", lock_timeout_s, ret_undone, err);
}

static int undo_chosen(struct session *s, struct entry *e, const struct choice *choice, struct err *err)
{
	unsigned before = s->undo.count, n;
	int r = undo_entry(&s->undo, e, chosen, choice, err);

	n = s->undo.count - before;
	if (n)
		audit_change(s->undo.root, e->command, "%u change%s undone", n, n == 1 ? "" : "s");
	return r;
}

static int return_if_own(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	return process_is_self(s->undo.root, &e->owner) ? undo_chosen(s, e, opaque, err) : 0;
}

int journal_return_own(int root, const struct step_ops *const *ops,
		       bool (*keep)(const struct step *step, void *opaque), void *opaque,
		       unsigned lock_timeout_s, unsigned *ret_undone, struct err *err)
{
	_cleanup_(session_end) struct session s = SESSION_INIT;
	struct choice own = { .keep = keep, .opaque = opaque };
	int r = session_begin(&s, root, ops, "give back", lock_timeout_s, err);

	if (r == 0)
		r = each_entry(&s, return_if_own, &own, err);
	if (r == 0)
		*ret_undone = s.undo.count;
	return r;
}

/* Undo what is not kept; nobody is to undo the rest because this process has ended. */
static int restore_if_own(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	const struct choice *own = opaque;
	bool any_kept = false;
	int r = 0;

	if (!process_is_self(s->undo.root, &e->owner))
		return 0;
	for (size_t i = 0; i < e->count; i++)
		any_kept |= !chosen(&e->records[i], own);
	if (any_kept) {
		e->until_exit = false;
		r = entry_save(s->undo.dir, e);
	}
	if (r < 0)
		return err_set(err, r, "cannot write the journal /" JOURNAL_DIR);
	return undo_chosen(s, e, own, err);
}

/* How long the end of a process waits for others before it leaves the rest to recover. */
#define OWN_LOCK_TIMEOUT_S 60

int journal_restore_own(int root, const struct step_ops *const *ops,
			bool (*keep)(const struct step *step, void *opaque), void *opaque,
			unsigned *ret_undone, struct err *err)
{
	_cleanup_(session_end) struct session s = SESSION_INIT;
	struct choice own = { .keep = keep, .opaque = opaque };
	int r = session_begin(&s, root, ops, "restore at exit", OWN_LOCK_TIMEOUT_S, err);

	if (r == 0)
		r = each_entry(&s, restore_if_own, &own, err);
	if (r == 0)
		*ret_undone = s.undo.count;
	return r;
}

static int expire_if_own(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	return e->unconfirmed ? restore_if_own(s, e, opaque, err) : 0;
}

int journal_expire_own(int root, const struct step_ops *const *ops, unsigned *ret_undone,
		       struct err *err)
{
	_cleanup_(session_end) struct session s = SESSION_INIT;
	struct choice own = { .keep = NULL };
	int r = session_begin(&s, root, ops, "undo what was not confirmed", OWN_LOCK_TIMEOUT_S, err);

	if (r == 0)
		r = each_entry(&s, expire_if_own, &own, err);
	if (r == 0)
		*ret_undone = s.undo.count;
	return r;
}

struct confirming {
	struct process_id owner; /* of what was confirmed; pid 0: nothing was */
	bool died;		 /* who waited for another one */
};

/* One whose process died is not to be confirmed any more: recovering undoes it. */
static int confirm_entry(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	struct confirming *c = opaque;
	int r;

	if (!e->committed || !e->unconfirmed)
		return 0;
	if (owner_look(s->undo.root, e) == PROCESS_DEAD) {
		c->died = true;
		return 0;
	}
	e->unconfirmed = false;
	r = entry_save(s->undo.dir, e);
	if (r < 0)
		return err_set(err, r, "cannot write the journal /" JOURNAL_DIR);
	c->owner = e->owner;
	audit_change(s->undo.root, e->command, "%zu change%s confirmed", e->count,
		     e->count == 1 ? "" : "s");
	return 0;
}

int journal_confirm(int root, unsigned lock_timeout_s, struct process_id *ret_owner,
		    struct err *err)
{
	_cleanup_(session_end) struct session s = SESSION_INIT;
	struct confirming c = { .died = false };
	int r = session_begin(&s, root, NULL, "confirm", lock_timeout_s, err);

	if (r == 0)
		r = each_entry(&s, confirm_entry, &c, err);
	if (r < 0)
		return r;
	if (!c.owner.pid && c.died) {
		err_plain(err, -ENOENT, "the process that waited for the confirmation was killed: whatever "
			  "changes this host next undoes the change first");
		return err_hint(err, "thruway host recover undoes it now; thruway host apply makes it anew");
	}
	if (!c.owner.pid) {
		err_plain(err, -ENOENT, "no change waits to be confirmed");
		return err_hint(err, "one that did may have been undone already: thruway host diff");
	}
	*ret_owner = c.owner;
	return 0;
}

struct forget {
	bool (*match)(const struct step *step, void *opaque);
	void *opaque;
};

static int forget_in(struct session *s, struct entry *e, void *opaque, struct err *err)
{
	struct forget *f = opaque;
	size_t kept = 0;
	int r;

	if (!e->committed)
		return 0;
	for (size_t i = 0; i < e->count; i++) {
		if (!f->match(&e->records[i].step, f->opaque))
			e->records[kept++] = e->records[i];
	}
	if (kept == e->count)
		return 0;
	e->count = kept;
	r = kept ? entry_save(s->undo.dir, e) : entry_remove(s->undo.dir, e->name);
	return r < 0 ? entry_stays(e, "done", r, err) : 0;
}

int journal_forget(int root, bool (*match)(const struct step *step, void *opaque), void *opaque,
		   unsigned lock_timeout_s, struct err *err)
{
	_cleanup_(session_end) struct session s = SESSION_INIT;
	struct forget f = { match, opaque };
	int r = session_begin(&s, root, NULL, "forget", lock_timeout_s, err);

	return r < 0 ? r : each_entry(&s, forget_in, &f, err);
}

/* --- without the lock: entries are replaced whole, so each is seen as one state of it --------- */

/* Call fn for each entry, oldest first, until it returns non-zero. */
static int each_unlocked(int root, int (*fn)(const struct entry *e, void *opaque), void *opaque)
{
	_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, JOURNAL_DIR);
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	size_t count = 0;
	int r = dir < 0 ? dir : entry_names(dir, &names, &count);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* nothing was ever changed */
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct entry e = { 0 };
		struct err err = ERR_INIT;

		if (entry_load(dir, names[i], &e, &err) < 0) {
			log_debug("%s", err.text);
			continue;
		}
		r = fn(&e, opaque);
		entry_fini(&e);
	}
	return r;
}

struct each_committed {
	int (*fn)(const struct entry *e, void *opaque);
	void *opaque;
};

static int pass_committed(const struct entry *e, void *opaque)
{
	struct each_committed *each = opaque;

	return e->committed ? each->fn(e, each->opaque) : 0;
}

static int each_committed(int root, int (*fn)(const struct entry *e, void *opaque), void *opaque)
{
	struct each_committed each = { fn, opaque };

	return each_unlocked(root, pass_committed, &each);
}

struct each_step {
	int (*fn)(const struct step *step, void *opaque);
	void *opaque;
};

static int pass_steps(const struct entry *e, void *opaque)
{
	struct each_step *each = opaque;
	int r = 0;

	for (size_t i = 0; r == 0 && i < e->count; i++)
		r = each->fn(&e->records[i].step, each->opaque);
	return r;
}

int journal_each(int root, int (*fn)(const struct step *step, void *opaque), void *opaque)
{
	struct each_step each = { fn, opaque };

	return each_committed(root, pass_steps, &each);
}

static int pass_unconfirmed(const struct entry *e, void *opaque)
{
	return e->unconfirmed ? pass_steps(e, opaque) : 0;
}

int journal_each_unconfirmed(int root, int (*fn)(const struct step *step, void *opaque),
			     void *opaque)
{
	struct each_step each = { fn, opaque };

	return each_committed(root, pass_unconfirmed, &each);
}

static bool entry_changed(const struct entry *e, const char *dev)
{
	for (size_t i = 0; i < e->count; i++) {
		if (e->records[i].mark != MARK_PLANNED && strcmp(e->records[i].step.dev, dev) == 0)
			return true;
	}
	return false;
}

int entry_refuse_unconfirmed(int root, const struct entry *e, const char *dev, struct err *err)
{
	if (!e->unconfirmed || !entry_changed(e, dev) || process_is_self(root, &e->owner) ||
	    owner_look(root, e) != PROCESS_ALIVE)
		return 0;
	err_plain(err, -EBUSY, "%s is part of '%s' (pid %d), which waits to be confirmed and may yet be "
		  "undone", dev, e->command, (int)e->owner.pid);
	return err_hint(err, "thruway host confirm, or wait until it is undone");
}

struct unconfirmed_search {
	int root;
	const char *dev;
	struct err *err;
};

static int match_unconfirmed(const struct entry *e, void *opaque)
{
	struct unconfirmed_search *s = opaque;

	return entry_refuse_unconfirmed(s->root, e, s->dev, s->err);
}

int journal_refuse_unconfirmed(int root, const char *dev, struct err *err)
{
	struct unconfirmed_search s = { root, dev, err };
	int r = each_committed(root, match_unconfirmed, &s);

	return r == -EBUSY ? r : 0; /* who changes something finds out what else is wrong with it */
}

int journal_check(int root, struct err *err)
{
	_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, JOURNAL_DIR);
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	size_t count = 0;
	int r = dir < 0 ? dir : entry_names(dir, &names, &count);

	if (r == -ENOENT || r == -EACCES || r == -EPERM)
		return 0;
	if (r < 0)
		return err_set(err, r, "cannot read the journal /" JOURNAL_DIR);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct entry e = { 0 };

		r = entry_load(dir, names[i], &e, err);
		entry_fini(&e);
		if (r == -ENOENT) /* restored meanwhile */
			r = 0;
	}
	return r;
}

struct holder_search {
	int root;
	const char *dev;
	struct process_id found;
};

/* Also a change that is being made: who looks now must not come between. */
static int match_holder(const struct entry *e, void *opaque)
{
	struct holder_search *s = opaque;
	bool about = false;

	for (size_t i = 0; i < e->count; i++)
		about |= strcmp(e->records[i].step.dev, s->dev) == 0;
	if (!about || !e->until_exit || owner_look(s->root, e) == PROCESS_DEAD)
		return 0;
	s->found = e->owner;
	return 1;
}

int journal_holder(int root, const char *dev, struct process_id *ret)
{
	struct holder_search s = { .root = root, .dev = dev };
	int r = each_unlocked(root, match_holder, &s);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = s.found;
	return 0;
}

struct identity_search {
	const char *dev;
	char found[STEP_VALUE_MAX];
};

static int match_identities(const struct entry *e, void *opaque)
{
	struct identity_search *s = opaque;

	for (size_t i = 0; i < e->count; i++) {
		const struct record *r = &e->records[i];

		if (r->identity[0] && strcmp(r->step.dev, s->dev) == 0)
			strcpy(s->found, r->identity);
	}
	return 0; /* on to newer entries */
}

int journal_identity(int root, const char *dev, char *buf, size_t size)
{
	struct identity_search s = { .dev = dev };
	int r = each_committed(root, match_identities, &s);

	if (r < 0 || !s.found[0])
		return r < 0 ? r : -ENOENT;
	snprintf(buf, size, "%s", s.found);
	return 0;
}

struct note_search {
	const char *dev, *key, *value; /* NULL: any */
	struct note found;
	bool any;
};

static int match_notes(const struct entry *e, void *opaque)
{
	struct note_search *s = opaque;

	for (size_t i = 0; i < e->note_count; i++) {
		const struct note *n = &e->notes[i];

		if (strcmp(n->key, s->key) != 0 || (s->dev && strcmp(n->dev, s->dev) != 0) ||
		    (s->value && strcmp(n->value, s->value) != 0))
			continue;
		s->found = *n;
		s->any = true;
	}
	return 0; /* on to newer entries */
}

int journal_note(int root, const char *dev, const char *key, char *buf, size_t size)
{
	struct note_search s = { .dev = dev, .key = key };
	int r = each_committed(root, match_notes, &s);

	if (r < 0 || !s.any)
		return r < 0 ? r : -ENOENT;
	snprintf(buf, size, "%s", s.found.value);
	return 0;
}

int journal_noted(int root, const char *key, const char *value, char *ret_dev, size_t size)
{
	struct note_search s = { .key = key, .value = value };
	int r = each_committed(root, match_notes, &s);

	if (r < 0 || !s.any)
		return r < 0 ? r : -ENOENT;
	snprintf(ret_dev, size, "%s", s.found.dev);
	return 0;
}
