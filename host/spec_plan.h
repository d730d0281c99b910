/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it takes to make a host what its spec says: steps, as data. The same facts and
 * the same spec give the same plan; nothing is written.
 *
 * What cannot be done, or must not (VFs that are in use are never destroyed), does not
 * keep the rest from being planned: it is a remark that something was left.
 */
#ifndef HOST_SPEC_PLAN_H
#define HOST_SPEC_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/journal.h"
#include "host/spec.h"
#include "host/spec_facts.h"

struct spec_remark {
	bool left; /* differs and stays so; else only worth saying */
	struct bdf bdf;
	bool about_device; /* bdf has one */
	struct spec_place at;
	char text[800];
};

/* A device that is to have a driver whenever it appears, or a PF that is to have its VFs. */
struct spec_claim {
	struct bdf bdf;
	bool is_pf;
	char driver[PCI_DRIVER_MAX]; /* "": none, and of a PF */
	struct spec_place at;
};

struct spec_absent {
	const struct spec_target *target; /* of the spec */
	bool is_pf;
};

struct spec_plan {
	struct plan plan;
	struct spec_claim *claims; /* malloced; what could not be bound is not claimed */
	size_t claim_count;
	struct spec_absent *absent; /* malloced: entries that fit no device of this host */
	size_t absent_count;
	struct spec_remark *remarks; /* malloced */
	size_t remark_count;
	size_t left;
};

#define SPEC_PLAN_INIT { .plan = PLAN_INIT }

/*
 * force: bits 1 << enum in_use_reason, for binding. 0; -EINVAL when the spec contradicts
 * itself on this host (two entries for one device), err naming both places. *ret is
 * freed by spec_plan_fini(), also after a failure.
 */
int spec_plan(const struct spec_facts *facts, const struct spec *spec, unsigned force,
	      struct spec_plan *ret, struct err *err);

/* Only what is about this device (NULL: any), which brings its IOMMU group. */
int spec_plan_of(const struct spec_facts *facts, const struct spec *spec, unsigned force,
		 const struct bdf *only, struct spec_plan *ret, struct err *err);
void spec_plan_fini(struct spec_plan *plan);

enum spec_fit {
	SPEC_FITS_NOT,
	SPEC_MAY_FIT, /* what is known of it fits, and it is too busy to tell the rest */
	SPEC_FITS,    /* all that are given fit */
};

enum spec_fit spec_fit(const struct spec_target *target, const struct spec_fact *fact);
bool spec_fits(const struct spec_target *target, const struct spec_fact *fact);

#endif
