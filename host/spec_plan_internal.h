/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What spec_plan.c (devices and the whole) and spec_plan_pf.c (PFs and VFs) share. */
#ifndef HOST_SPEC_PLAN_INTERNAL_H
#define HOST_SPEC_PLAN_INTERNAL_H

#include "host/spec_plan.h"

/* What an entry of `devices` wants of one of facts->devs. */
struct spec_bound {
	struct spec_place at; /* line 0: none does */
	const char *driver; /* NULL: the VFIO driver made for it */
};

struct spec_planner {
	const struct spec_facts *facts;
	const struct spec *spec;
	unsigned force;
	const struct bdf *only; /* NULL: all devices */
	struct spec_bound *bound; /* facts->count of them */
	struct spec_plan *out;
	struct err *err;
};

/* Say that something is left as it is; at.line 0: nowhere in particular. 0 or -ENOMEM. */
int spec_left(struct spec_planner *p, const struct spec_fact *about, struct spec_place at,
	      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same in an error's words, with its hint behind. */
int spec_left_err(struct spec_planner *p, const struct spec_fact *about, struct spec_place at,
		  const struct err *why);
int spec_warn(struct spec_planner *p, struct spec_place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Mark in fits[] (of facts->count) the devices a target means; only_pfs: among PFs. When
 * they are not as many as it says, that is remarked and none is marked. Of a busy one
 * nobody knows what it lacks: it is remarked, and not marked. 0 or -errno.
 */
int spec_find(struct spec_planner *p, const struct spec_target *target, bool only_pfs,
	      bool *fits);

/*
 * Let `from` go before what `to` has. Both in one file: -EINVAL; in two: the later file's,
 * and a warning. what: "vlan of vf2".
 */
int spec_overlay(struct spec_planner *p, const struct spec_fact *about, const char *what,
		 struct spec_setting *to, const struct spec_setting *from);

/* Append what binds these to a driver (NULL: the VFIO driver), or remark why not. */
int spec_plan_bind(struct spec_planner *p, const struct spec_fact *about, struct spec_place at,
		   const struct bdf *devs, size_t n, const char *driver, bool group);

/* The plan is to be about it: p->only, or of its IOMMU group. */
bool spec_in_scope(const struct spec_planner *p, const struct spec_fact *fact);

/* Note a device for udev; driver "" or a name. 0 or -ENOMEM, err set. */
int spec_claim(struct spec_planner *p, struct bdf bdf, const char *driver, bool is_pf,
	       struct spec_place at);

/* Note an entry whose device may yet come. 0 or -ENOMEM, err set. */
int spec_absent(struct spec_planner *p, const struct spec_target *target, bool is_pf);

int spec_plan_pfs(struct spec_planner *p);

#endif
