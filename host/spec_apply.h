/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The spec of a host, the host, and what lies between them. */
#ifndef HOST_SPEC_APPLY_H
#define HOST_SPEC_APPLY_H

#include "base/err.h"
#include "base/journal.h"
#include "host/spec.h"
#include "host/spec_facts.h"
#include "host/spec_plan.h"

struct host_spec {
	struct spec spec;
	struct spec_facts facts;
	struct spec_plan plan;
	unsigned force; /* what the plan was made with */
	char *rules;	/* for udev, malloced: host/udev_rules.h; NULL: they are left alone */
};

#define HOST_SPEC_INIT { SPEC_INIT, SPEC_FACTS_INIT, SPEC_PLAN_INIT, 0, NULL }

/*
 * Read the spec (file: only this one; NULL: host.yaml and drop-ins), look at the host,
 * plan. force: in_use reasons, for binding. host_spec_fini() frees *ret, also after a
 * failure. What is read from /etc/thruway is also to be udev's to know; another file is
 * for now. 0 or -errno, err set.
 */
int host_spec_read(int root, const char *file, unsigned force, struct host_spec *ret,
		   struct err *err);

/* Of /etc/thruway only what it says of this device and its IOMMU group. */
int host_spec_read_one(int root, struct bdf only, unsigned force, struct host_spec *ret,
		       struct err *err);
void host_spec_fini(struct host_spec *hs);

/*
 * What host_spec_apply() would refuse before it writes, and, one line to `say` each, whom
 * it would end. 0 or -errno, err set.
 */
int host_spec_preview(int root, struct host_spec *hs,
		      void (*say)(const char *line, void *opaque), void *opaque, struct err *err);

/* Carry the plan out as one change. */
int host_spec_apply(int root, const struct host_spec *hs, const struct journal_owner *owner,
		    unsigned lock_timeout_s, struct err *err);

/*
 * Look at the host and make it so, by fn, and again while that fails with -ESTALE: another
 * apply, or whoever had the lock, was first, and what is left to do is seen anew. fn gets *hs
 * empty each time. Returns what its last call did, err as that left it.
 */
int host_spec_look_again(int (*fn)(struct host_spec *hs, void *opaque, struct err *err),
			 void *opaque, struct host_spec *hs, struct err *err);

#endif
