// SPDX-License-Identifier: GPL-2.0-or-later
/* Plans as data: what journal.h says of struct plan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"

int plan_add(struct plan *plan, const struct step *step)
{
	struct step *bigger = realloc(plan->steps, (plan->count + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	plan->steps = bigger;
	bigger[plan->count++] = *step;
	return 0;
}

int plan_note(struct plan *plan, const char *dev, const char *key, const char *value)
{
	struct note *bigger = realloc(plan->notes, (plan->note_count + 1) * sizeof(*bigger));
	struct note n = { "" };

	if (!bigger)
		return -ENOMEM;
	plan->notes = bigger;
	snprintf(n.dev, sizeof(n.dev), "%s", dev);
	snprintf(n.key, sizeof(n.key), "%s", key);
	snprintf(n.value, sizeof(n.value), "%s", value);
	bigger[plan->note_count++] = n;
	return 0;
}

void plan_fini(struct plan *plan)
{
	free(plan->steps);
	free(plan->notes);
	*plan = (struct plan)PLAN_INIT;
}

static const struct step *earlier(const struct plan *plan, size_t n, const struct step *step)
{
	while (n-- > 0) {
		const struct step *s = &plan->steps[n];

		if (strcmp(s->op, step->op) == 0 && strcmp(s->dev, step->dev) == 0 &&
		    strcmp(s->key, step->key) == 0)
			return s;
	}
	return NULL;
}

/* Fill in before. 1: it is not known, the device is still to be made. */
static int learn(int root, const struct step_ops *const *ops, const struct step *prev,
		 struct step *step)
{
	int r;

	if (prev && prev->remember)
		return 1;
	if (prev) {
		memcpy(step->before, prev->after, sizeof(step->before));
		return 0;
	}
	for (; *ops; ops++) {
		if (strcmp((*ops)->op, step->op) != 0)
			continue;
		r = (*ops)->read(root, step, step->before, sizeof(step->before));
		return r == -ENODEV ? 1 : r;
	}
	return -EINVAL;
}

int plan_prune(int root, const struct step_ops *const *ops, struct plan *plan, struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct step s = plan->steps[i];
		int r = s.before[0] ? 0 : learn(root, ops, earlier(plan, kept, &s), &s);

		if (r < 0 && !s.optional)
			return err_set(err, r, "cannot read %s of %s", s.op, s.dev);
		if (r == 0 && !s.remember && strcmp(s.before, s.after) == 0)
			continue;
		plan->steps[kept++] = s;
	}
	plan->count = kept;
	return 0;
}

char *plan_describe(const struct step_ops *const *ops, const struct step *step, char *buf,
		    size_t size)
{
	char what[320];

	snprintf(what, sizeof(what), "%s%s%s = '%s'", step->op, step->key[0] ? " " : "", step->key,
		 step->after);
	for (; *ops; ops++) {
		if (strcmp((*ops)->op, step->op) == 0 && (*ops)->describe)
			(*ops)->describe(step, what, sizeof(what));
	}
	snprintf(buf, size, "%s: %s", step->dev, what);
	return buf;
}
