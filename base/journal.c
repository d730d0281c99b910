// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/audit.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal_internal.h"
#include "base/log.h"
#include "base/process.h"

struct txn {
	int root; /* borrowed */
	const struct step_ops *const *ops;
	int lock, dir;
	bool forget, hung;
	struct entry entry; /* name "": nothing was written down yet */
};

static void txn_freep(struct txn **p)
{
	struct txn *txn = *p;

	if (!txn)
		return;
	entry_fini(&txn->entry);
	close_fdp(&txn->dir);
	if (txn->hung) /* its child goes on, and holds the lock under our name */
		close_fdp(&txn->lock);
	journal_unlock(&txn->lock);
	free(txn);
}

const struct step_ops *step_row(const struct step_ops *const *ops, const struct step *step,
				struct err *err)
{
	for (; *ops; ops++) {
		if (strcmp((*ops)->op, step->op) == 0)
			return *ops;
	}
	err_plain(err, -EINVAL, "this thruway does not know the change '%s' of %s", step->op,
		  step->dev);
	return NULL;
}

int journal_hint(int r, struct err *err)
{
	switch (r) {
	case -EACCES:
	case -EPERM: return err_hint(err, "run it as root");
	case -EROFS:
		return err_hint(err, "what is changed is written down in /run, which must be writable");
	case -ENOSPC:
	case -EDQUOT:
		return err_hint(err, "what is changed is written down in /run, which is full: "
				     "du -xsh /run/* says of what");
	case -ENOTDIR:
	case -EISDIR:
	case -ELOOP:
		return err_hint(err, "something else is where thruway keeps its files: look at "
				     "ls -ld /run/thruway /run/thruway/*, and move it away");
	default: return r;
	}
}

int journal_open_dir(int root, struct err *err)
{
	int made, fd;

	made = hostfs_mkdir(root, JOURNAL_DIR, 0700);
	fd = hostfs_open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, JOURNAL_DIR);
	if (fd >= 0)
		return fd;
	if (fd == -ENOENT && made < 0)
		fd = made; /* a full file system, not a missing folder */
	err_set(err, fd, "cannot open the journal /" JOURNAL_DIR);
	return journal_hint(fd, err);
}

/* --- the plan becomes an entry -------------------------------------------------------------- */

static bool same_attribute(const struct step *a, const struct step *b)
{
	return strcmp(a->op, b->op) == 0 && strcmp(a->dev, b->dev) == 0 &&
	       strcmp(a->key, b->key) == 0;
}

/* The last of the first n records about the same attribute, or NULL. */
static const struct record *earlier(const struct entry *e, size_t n, const struct step *step)
{
	while (n-- > 0) {
		if (same_attribute(&e->records[n].step, step))
			return &e->records[n];
	}
	return NULL;
}

/* The plan was made for another value: what it would do now, nobody asked for. */
static int refuse_changed(const struct step *step, const char *now, struct err *err)
{
	err_plain(err, -ESTALE, "%s of %s was '%s' a moment ago and is '%s' now", step->op,
		  step->dev, step->before, now);
	return err_hint(err, "somebody else changed it meanwhile: look again before repeating");
}

/*
 * Fill in what the record's attribute reads now, or will read by the earlier
 * steps. 0; -ENODEV while its device does not exist; other -errno, err set.
 */
static int learn(struct txn *txn, size_t n, struct record *r, struct err *err)
{
	const struct record *prev = earlier(&txn->entry, n, &r->step);
	const struct step_ops *row = step_row(txn->ops, &r->step, err);
	char now[STEP_VALUE_MAX];
	int got;

	if (!row)
		return -EINVAL;
	if (row->identity && row->identity(txn->root, &r->step, r->identity,
					   sizeof(r->identity)) < 0)
		r->identity[0] = '\0';
	if (prev && prev->step.remember) {
		/* What there was is gone by then; what there will be, nobody knows before. */
		if (prev->mark != MARK_DONE)
			return -ENODEV;
		prev = NULL;
	}
	if (prev) {
		if (!prev->known)
			return -ENODEV;
		snprintf(r->step.before, sizeof(r->step.before), "%s", prev->step.after);
	} else {
		got = row->read(txn->root, &r->step, now, sizeof(now));
		if (got == -ENODEV)
			return got;
		if (got < 0)
			return err_set(err, got, "cannot read %s of %s", r->step.op, r->step.dev);
		if (r->step.before[0] && strcmp(r->step.before, now) != 0)
			return refuse_changed(&r->step, now, err);
		snprintf(r->step.before, sizeof(r->step.before), "%s", now);
	}
	r->known = true;
	return 0;
}

/* Append one step, unless it is there already or (optional) cannot be had. */
static int enter_step(struct txn *txn, const struct step *step, struct err *err)
{
	struct entry *e = &txn->entry;
	struct record r = { .step = *step };
	struct err own = ERR_INIT;
	int got = learn(txn, e->count, &r, &own);

	if (got < 0 && got != -ENODEV) {
		if (step->optional) {
			log_warn("%s, continuing", own.text);
			return 0;
		}
		if (err && !err->code)
			*err = own;
		return got;
	}
	if (step->remember ? !r.known : r.known && strcmp(r.step.before, r.step.after) == 0)
		return 0;
	e->records[e->count++] = r;
	return 0;
}

static int enter_plan(struct txn *txn, const struct plan *plan, struct err *err)
{
	struct entry *e = &txn->entry;
	int r = 0;

	e->records = calloc(plan->count + 1, sizeof(*e->records));
	e->notes = calloc(plan->note_count + 1, sizeof(*e->notes));
	if (!e->records || !e->notes)
		return err_set(err, -ENOMEM, "cannot plan the change");
	for (size_t i = 0; r == 0 && i < plan->count; i++)
		r = enter_step(txn, &plan->steps[i], err);
	if (r == 0 && plan->note_count) {
		memcpy(e->notes, plan->notes, plan->note_count * sizeof(*e->notes));
		e->note_count = plan->note_count;
	}
	return r;
}

/* A name that sorts behind all others: age is the order of undoing. */
static int name_entry(struct txn *txn)
{
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	unsigned long last = 0;
	size_t count = 0;
	int r = entry_names(txn->dir, &names, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		unsigned long n = strtoul(names[i], NULL, 10);

		last = n > last ? n : last;
	}
	/* A number stays with who owned an entry until its end, also when that was restored. */
	do {
		snprintf(txn->entry.name, sizeof(txn->entry.name), "%010lu", ++last);
	} while (owner_held(txn->root, txn->entry.name));
	return txn->entry.until_exit || txn->entry.unconfirmed ?
		       owner_hold(txn->root, txn->entry.name) : 0;
}

static int save(struct txn *txn, struct err *err)
{
	int r = txn->entry.name[0] ? 0 : name_entry(txn);

	if (r == 0)
		r = entry_save(txn->dir, &txn->entry);
	if (r == 0)
		return 0;
	err_set(err, r, "cannot write the journal /" JOURNAL_DIR);
	return journal_hint(r, err);
}

static bool in_plan(const struct plan *plan, const char *dev)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (strcmp(plan->steps[i].dev, dev) == 0)
			return true;
	}
	return false;
}

/* A change to one of the plan's devices is still half done. 1, 0 or -errno. */
static int half_done(struct txn *txn, const struct plan *plan)
{
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	size_t count = 0;
	int r = entry_names(txn->dir, &names, &count);

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct entry e = { 0 };

		if (entry_load(txn->dir, names[i], &e, NULL) < 0)
			continue;
		for (size_t k = 0; !e.committed && k < e.count; k++)
			r |= in_plan(plan, e.records[k].step.dev);
		entry_fini(&e);
	}
	return r;
}

static bool change_same(const struct entry *a, const struct entry *b)
{
	for (size_t i = 0; i < a->count; i++) {
		for (size_t k = 0; a->records[i].mark != MARK_PLANNED && k < b->count; k++) {
			if (same_attribute(&a->records[i].step, &b->records[k].step))
				return true;
		}
	}
	return false;
}

/* Of a device that e is about, or of what comes and goes with one. */
static int refuse_beside(struct txn *txn, const struct entry *e, struct err *err)
{
	char parent[STEP_DEV_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < txn->entry.count; i++) {
		const struct step *s = &txn->entry.records[i].step;
		const struct step_ops *row = step_row(txn->ops, s, NULL);

		r = entry_refuse_unconfirmed(txn->root, e, s->dev, err);
		if (r == 0 && row && row->parent &&
		    row->parent(txn->root, s, parent, sizeof(parent)) == 0)
			r = entry_refuse_unconfirmed(txn->root, e, parent, err);
	}
	return r;
}

/*
 * What a living process has changed for itself alone is not changed by another, however
 * the plan came to be: it was made before we had the lock.
 */
static int refuse_owned(struct txn *txn, struct err *err)
{
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	size_t count = 0;
	int r = entry_names(txn->dir, &names, &count);

	if (r < 0)
		return err_set(err, r, "cannot read the journal /" JOURNAL_DIR);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct entry e = { 0 };

		if (entry_load(txn->dir, names[i], &e, NULL) < 0)
			continue;
		if (e.until_exit && !process_is_self(txn->root, &e.owner) &&
		    change_same(&e, &txn->entry) && owner_look(txn->root, &e) == PROCESS_ALIVE) {
			r = err_plain(err, -EBUSY, "'%s' (pid %d) has what this would change, for as "
				      "long as it runs", e.command, (int)e.owner.pid);
			err_hint(err, "end that first");
		}
		if (r == 0 && e.unconfirmed)
			r = refuse_beside(txn, &e, err);
		entry_fini(&e);
	}
	return r;
}

/*
 * What others left must not get in the way of devices it has nothing to do with;
 * but an entry that cannot even be read may be about any of them.
 */
static int recover_first(struct txn *txn, const struct plan *plan, struct err *err)
{
	struct undo u = { txn->root, txn->ops, txn->dir, 0 };
	struct err own = ERR_INIT;
	int r = recover_locked(&u, &own);

	if (r == 0)
		return 0;
	if (r != -EBADMSG && half_done(txn, plan) == 0) {
		log_warn("%s", own.text);
		return 0;
	}
	if (err && !err->code)
		*err = own;
	return r;
}

int txn_begin(int root, const struct step_ops *const *ops, const struct plan *plan,
	      const struct journal_owner *owner, unsigned lock_timeout_s, struct txn **ret,
	      struct err *err)
{
	_cleanup_(txn_freep) struct txn *txn = calloc(1, sizeof(*txn));
	int r;

	if (!txn)
		return err_set(err, -ENOMEM, "cannot begin the change");
	txn->root = root;
	txn->ops = ops;
	txn->forget = owner->forget;
	txn->dir = -1;
	txn->lock = -1;
	r = journal_lock(root, owner->command, lock_timeout_s, &txn->lock, err);
	if (r < 0)
		return r;
	txn->dir = journal_open_dir(root, err);
	r = txn->dir < 0 ? txn->dir : recover_first(txn, plan, err);
	if (r < 0)
		return r;
	snprintf(txn->entry.command, sizeof(txn->entry.command), "%s", owner->command);
	process_self(root, &txn->entry.owner);
	txn->entry.uid = process_login_uid(root);
	txn->entry.time = (uint64_t)time(NULL);
	txn->entry.until_exit = owner->until_exit;
	txn->entry.unconfirmed = owner->confirm;
	r = enter_plan(txn, plan, err);
	if (r == 0 && txn->entry.count)
		r = refuse_owned(txn, err);
	if (r == 0 && txn->entry.count)
		r = save(txn, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(txn);
	return 0;
}

/* --- apply ---------------------------------------------------------------------------------- */

/* At the first step whose device an earlier step made: learn about all that exist by now. */
static int learn_rest(struct txn *txn, struct err *err)
{
	for (size_t i = 0; i < txn->entry.count; i++) {
		struct record *r = &txn->entry.records[i];
		struct err own = ERR_INIT;
		int got = r->known ? 0 : learn(txn, i, r, &own);

		if (got == 0 || got == -ENODEV || r->step.optional)
			continue;
		if (err && !err->code)
			*err = own;
		return got;
	}
	return 0;
}

static int verify(struct txn *txn, const struct step_ops *row, const struct step *step,
		  struct err *err)
{
	char now[STEP_VALUE_MAX];
	int r = row->read(txn->root, step, now, sizeof(now));

	if (r < 0)
		return err_set(err, r, "cannot read %s of %s back", step->op, step->dev);
	if (strcmp(now, step->after) != 0)
		return err_plain(err, -EIO, "%s of %s should be '%s' and is '%s'", step->op,
				 step->dev, step->after, now);
	return 0;
}

static int write_step(struct txn *txn, const struct step_ops *row, struct record *r,
		      struct err *err)
{
	char now[STEP_VALUE_MAX];
	int got;

	if (!r->known)
		return err_set(err, -ENODEV, "cannot change %s of %s", r->step.op, r->step.dev);
	if (row->read(txn->root, &r->step, now, sizeof(now)) == 0 &&
	    strcmp(now, r->step.after) == 0)
		return 0;
	r->mark = MARK_DOING;
	got = save(txn, err);
	if (got < 0) {
		r->mark = MARK_PLANNED; /* not written down, so not begun */
		return got;
	}
	got = row->write(txn->root, &r->step, r->step.after, err);
	if (got < 0)
		return err_set(err, got, "cannot change %s of %s", r->step.op, r->step.dev);
	return verify(txn, row, &r->step, err);
}

/* The step failed, but the attribute is not what it was. */
static bool left_traces(struct txn *txn, const struct step_ops *row, const struct record *r)
{
	char now[STEP_VALUE_MAX];

	return r->known && row->read(txn->root, &r->step, now, sizeof(now)) == 0 &&
	       strcmp(now, r->step.before) != 0;
}

static int apply_step(struct txn *txn, size_t i, struct err *err)
{
	struct record *r = &txn->entry.records[i];
	const struct step_ops *row = step_row(txn->ops, &r->step, err);
	struct err own = ERR_INIT;
	int got;

	if (!row)
		return -EINVAL;
	if (r->step.remember) { /* on the disk with the next step's mark, before that begins */
		r->mark = MARK_DONE;
		return 0;
	}
	got = r->known ? 0 : learn_rest(txn, &own);
	if (got == 0)
		got = write_step(txn, row, r, &own);
	if (got == 0) {
		r->mark = MARK_DONE;
		return 0;
	}
	if (r->step.optional && got != -ETIMEDOUT) {
		log_warn("%s, continuing", own.text);
		if (!left_traces(txn, row, r))
			r->mark = MARK_PLANNED;
		return 0;
	}
	if (err && !err->code)
		*err = own;
	return got;
}

/* A signal that would have ended us is waiting. */
static bool interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) > 0 || sigismember(&pending, SIGQUIT) > 0 ||
		sigismember(&pending, SIGTERM) > 0 || sigismember(&pending, SIGHUP) > 0);
}

static int apply_all(struct txn *txn, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < txn->entry.count; i++) {
		if (interrupted())
			return err_plain(err, -EINTR, "interrupted: %s was undone",
					 txn->entry.command);
		r = apply_step(txn, i, err);
	}
	return r;
}

static void roll_back(struct txn *txn, struct err *err)
{
	struct undo u = { txn->root, txn->ops, txn->dir, 0 };
	struct err own = ERR_INIT;

	if (undo_entry(&u, &txn->entry, NULL, NULL, &own) == 0)
		return;
	txn->hung = own.code == -ETIMEDOUT;
	log_warn("%s", own.text);
	err_hint(err, "not everything could be put back: see above, then thruway restore DEV");
}

static bool is_transient(const struct record *r, const void *opaque)
{
	return r->step.transient;
}

/* Put transient steps back, then say in one rename that all the others stand. */
static int commit(struct txn *txn, struct err *err)
{
	struct undo u = { txn->root, txn->ops, txn->dir, 0 };
	struct entry *e = &txn->entry;
	struct err own = ERR_INIT;
	size_t kept = 0;
	int got;

	if (undo_entry(&u, e, is_transient, NULL, &own) < 0)
		log_warn("%s, continuing", own.text);
	for (size_t i = 0; i < e->count; i++) {
		struct record *r = &e->records[i];

		if (r->mark != MARK_PLANNED &&
		    (r->step.remember || strcmp(r->step.before, r->step.after) != 0))
			e->records[kept++] = *r;
	}
	e->count = kept;
	e->committed = true;
	if (!kept || txn->forget) {
		got = entry_remove(txn->dir, e->name);
		got = got < 0 ? err_set(err, got, "cannot write the journal /" JOURNAL_DIR) : 0;
	} else {
		got = save(txn, err);
	}
	if (got == 0)
		audit_change(txn->root, e->command, "%zu change%s made", kept,
			     kept == 1 ? "" : "s");
	else
		e->committed = false; /* as the file has it */
	return got;
}

int txn_apply(struct txn *txn, struct err *err)
{
	_cleanup_(txn_freep) struct txn *owned = txn;
	sigset_t held, saved;
	int r;

	if (!owned->entry.count)
		return 0;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGQUIT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &saved);
	r = apply_all(owned, err);
	if (r == 0)
		r = commit(owned, err);
	if (r < 0 && r != -ETIMEDOUT)
		roll_back(owned, err);
	else if (r < 0)
		err_hint(err, "a write hangs in the kernel; what is half done is undone by the next "
			      "thruway command once it has ended");
	owned->hung |= r == -ETIMEDOUT;
	sigprocmask(SIG_SETMASK, &saved, NULL);
	return r;
}
