// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/spec_apply.h"

#include <fcntl.h>

#include "host/change.h"

int host_spec_read(int root, const char *file, unsigned force, struct host_spec *ret,
		   struct err *err)
{
	int r;

	ret->force = force;
	r = file ? spec_load_file(AT_FDCWD, file, &ret->spec, err)
		     : spec_load(root, &ret->spec, err);

	if (r == 0)
		r = spec_facts_read(root, &ret->facts, err);
	return r < 0 ? r : spec_plan(&ret->facts, &ret->spec, force, &ret->plan, err);
}

void host_spec_fini(struct host_spec *hs)
{
	spec_plan_fini(&hs->plan);
	spec_facts_fini(&hs->facts);
	spec_fini(&hs->spec);
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

	if (r == 0)
		r = change_evict(root, &hs->plan.plan, hs->force, err);
	return r < 0 ? r : change_apply(root, &hs->plan.plan, owner, lock_timeout_s, err);
}
