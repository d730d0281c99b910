// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/spec_apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"
#include "host/change.h"
#include "host/udev_rules.h"

#define LOOKS_MAX 5 /* at a host that others change meanwhile */

static int read_all(int root, const char *file, const struct bdf *only, unsigned force,
		    struct host_spec *ret, struct err *err)
{
	int r;

	ret->force = force;
	r = file ? spec_load_file(AT_FDCWD, file, &ret->spec, err)
		     : spec_load(root, &ret->spec, err);

	if (r == 0)
		r = spec_facts_read(root, &ret->facts, err);
	return r < 0 ? r : spec_plan_of(&ret->facts, &ret->spec, force, only, &ret->plan, err);
}

int host_spec_read(int root, const char *file, unsigned force, struct host_spec *ret,
		   struct err *err)
{
	int r = read_all(root, file, NULL, force, ret, err);

	if (r < 0 || file || !udev_rules_wanted(root))
		return r;
	r = udev_rules_compile(&ret->facts, &ret->spec, &ret->plan, &ret->rules, err);
	return r < 0 ? r : udev_rules_plan(root, ret->rules, &ret->plan.plan, err);
}

int host_spec_read_one(int root, struct bdf only, unsigned force, struct host_spec *ret,
		       struct err *err)
{
	return read_all(root, NULL, &only, force, ret, err);
}

void host_spec_fini(struct host_spec *hs)
{
	spec_plan_fini(&hs->plan);
	spec_facts_fini(&hs->facts);
	spec_fini(&hs->spec);
	free(hs->rules);
	hs->rules = NULL;
}

int host_spec_preview(int root, struct host_spec *hs,
		      void (*say)(const char *line, void *opaque), void *opaque, struct err *err)
{
	int r = change_preview(root, &hs->plan.plan, err);

	return r < 0 ? r : change_preview_evict(root, &hs->plan.plan, hs->force, say, opaque, err);
}

int host_spec_apply(int root, const struct host_spec *hs, const struct journal_owner *owner,
		    unsigned lock_timeout_s, struct err *err)
{
	int r = change_load_drivers(root, &hs->plan.plan, err);

	if (r == 0 && hs->rules && hs->plan.plan.count)
		r = udev_rules_stage(root, hs->rules, err);
	if (r == 0)
		r = change_evict(root, &hs->plan.plan, hs->force, err);
	return r < 0 ? r : change_apply(root, &hs->plan.plan, owner, lock_timeout_s, err);
}

int host_spec_look_again(int (*fn)(struct host_spec *hs, void *opaque, struct err *err),
			 void *opaque, struct host_spec *hs, struct err *err)
{
	struct err past = ERR_INIT;
	int r = fn(hs, opaque, &past);

	for (unsigned i = 1; r == -ESTALE && i < LOOKS_MAX; i++) {
		log_note("%s; looking again", past.text);
		host_spec_fini(hs);
		*hs = (struct host_spec)HOST_SPEC_INIT;
		past = (struct err)ERR_INIT;
		r = fn(hs, opaque, &past);
	}
	if (r < 0 && !err->code)
		*err = past;
	return r;
}
