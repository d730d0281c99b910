// SPDX-License-Identifier: GPL-2.0-or-later
/* What a restore would do, told without doing it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal_internal.h"

struct preview {
	int root;
	const struct step_ops *const *ops;
	const char *dev; /* NULL: every device */
	struct plan *plan;
};

/* What the attribute reads when the steps so far are done. */
static int read_then(const struct preview *p, const struct step_ops *row, struct step *step)
{
	const struct plan *plan = p->plan;

	for (size_t i = plan->count; i-- > 0;) {
		const struct step *s = &plan->steps[i];

		if (strcmp(s->op, step->op) != 0 || strcmp(s->dev, step->dev) != 0 ||
		    strcmp(s->key, step->key) != 0)
			continue;
		memcpy(step->before, s->after, sizeof(step->before));
		return 0;
	}
	return row->read(p->root, step, step->before, sizeof(step->before));
}

/* The device of the step is there, whether or not it has the attribute now. */
static bool has_device(const struct preview *p, const struct step_ops *row, const struct step *step)
{
	char now[STEP_VALUE_MAX];

	return !row->identity || row->identity(p->root, step, now, sizeof(now)) == 0;
}

/* One undo as a step: from what it reads to what it read. */
static int add_undo(const struct preview *p, const struct record *r, struct err *err)
{
	const struct step_ops *row = step_row(p->ops, &r->step, err);
	struct step step = r->step;
	int got;

	if (!row)
		return -EINVAL;
	if (!r->known || r->mark == MARK_PLANNED || undo_other_device(p->root, row, r))
		return 0;
	memcpy(step.after, r->step.before, sizeof(step.after));
	step.before[0] = '\0';
	step.remember = false;
	got = read_then(p, row, &step);
	/* Its device is made again by an earlier undo, or is gone for good. */
	if (got == -ENODEV && (!r->step.remember || !has_device(p, row, &step)))
		return 0;
	if (got < 0 && got != -ENODEV)
		return err_set(err, got, "cannot read %s of %s", step.op, step.dev);
	if (got == 0 && strcmp(step.before, step.after) == 0)
		return 0;
	return plan_add(p->plan, &step);
}

/* As recover_entry() judges it. */
static bool is_recovered(const struct preview *p, const struct entry *e, const struct record *r)
{
	if (!e->committed) /* one that is not being made now */
		return owner_look(p->root, e) != PROCESS_ALIVE;
	if ((e->until_exit || e->unconfirmed) && owner_look(p->root, e) == PROCESS_DEAD)
		return true;
	return r->mark == MARK_UNDOING;
}

static int preview_entry(const struct preview *p, const struct entry *e, bool recover,
			 struct err *err)
{
	int r = 0;

	if (process_of_other_boot(p->root, &e->owner))
		return 0;
	for (size_t i = e->count; r == 0 && i-- > 0;) {
		const struct record *rec = &e->records[i];

		if (is_recovered(p, e, rec) != recover)
			continue;
		if (!recover && (!e->committed || (p->dev && strcmp(rec->step.dev, p->dev) != 0)))
			continue;
		r = add_undo(p, rec, err);
	}
	return r;
}

static int preview_all(const struct preview *p, int dir, bool recover, struct err *err)
{
	_cleanup_free_ char(*names)[JOURNAL_NAME_MAX] = NULL;
	size_t count = 0;
	int r = entry_names(dir, &names, &count);

	if (r < 0)
		return err_set(err, r, "cannot read the journal /" JOURNAL_DIR);
	while (r == 0 && count-- > 0) {
		struct entry e = { 0 };

		r = entry_load(dir, names[count], &e, err);
		if (r == -ENOENT) /* somebody restored it meanwhile */
			r = 0;
		else if (r == 0)
			r = preview_entry(p, &e, recover, err);
		entry_fini(&e);
	}
	return r;
}

/* What the attribute of this step is in the end. */
static const char *comes_to(const struct plan *plan, const struct step *step)
{
	const char *value = step->after;

	for (size_t i = 0; i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		if (strcmp(s->op, step->op) == 0 && strcmp(s->dev, step->dev) == 0 &&
		    strcmp(s->key, step->key) == 0)
			value = s->after;
	}
	return value;
}

static bool goes_last(const struct preview *p, const struct step *step)
{
	const struct step_ops *row = step_row(p->ops, step, NULL);

	return row && row->last && row->last(comes_to(p->plan, step));
}

/* From `first` on: those that go behind all others. 0 or -ENOMEM. */
static int put_last(const struct preview *p, size_t first)
{
	_cleanup_(plan_fini) struct plan sorted = PLAN_INIT;
	struct plan *plan = p->plan;
	int r = 0;

	for (unsigned last = 0; last < 2; last++) {
		for (size_t i = first; r == 0 && i < plan->count; i++) {
			if (goes_last(p, &plan->steps[i]) == (bool)last)
				r = plan_add(&sorted, &plan->steps[i]);
		}
	}
	if (r == 0 && sorted.count)
		memcpy(plan->steps + first, sorted.steps, sorted.count * sizeof(*sorted.steps));
	return r;
}

int journal_plan_restore(int root, const struct step_ops *const *ops, const char *dev,
			 struct plan *plan, struct err *err)
{
	_cleanup_close_ int dir = hostfs_open(root, O_RDONLY | O_DIRECTORY, JOURNAL_DIR);
	struct preview p = { root, ops, dev, plan };
	size_t first;
	int r;

	if (dir == -ENOENT) /* nothing was ever changed */
		return 0;
	if (dir < 0) {
		err_set(err, dir, "cannot open the journal /" JOURNAL_DIR);
		return dir == -EACCES ? err_hint(err, "run it as root") : dir;
	}
	r = preview_all(&p, dir, true, err);
	first = plan->count;
	if (r == 0)
		r = preview_all(&p, dir, false, err);
	if (r == 0 && put_last(&p, first) < 0)
		r = err_set(err, -ENOMEM, "cannot plan");
	return r;
}
