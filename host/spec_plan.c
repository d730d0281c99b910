// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/spec_plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/size.h"
#include "host/change.h"
#include "host/hugepages.h"
#include "host/spec_plan_internal.h"
#include "vfio/modules.h"

void spec_plan_fini(struct spec_plan *plan)
{
	plan_fini(&plan->plan);
	free(plan->claims);
	free(plan->absent);
	free(plan->remarks);
	*plan = (struct spec_plan)SPEC_PLAN_INIT;
}

static int add_remark(struct spec_planner *p, const struct spec_remark *remark)
{
	struct spec_plan *out = p->out;
	struct spec_remark *bigger = reallocarray(out->remarks, out->remark_count + 1,
						  sizeof(*bigger));

	if (!bigger)
		return err_set(p->err, -ENOMEM, "cannot plan");
	out->remarks = bigger;
	bigger[out->remark_count++] = *remark;
	out->left += remark->left;
	return 0;
}

int spec_left(struct spec_planner *p, const struct spec_fact *about, struct spec_place at,
	      const char *fmt, ...)
{
	struct spec_remark r = { .left = true, .at = at, .about_device = about };
	va_list args;

	if (about)
		r.bdf = about->dev->bdf;
	va_start(args, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, args);
	va_end(args);
	return add_remark(p, &r);
}

int spec_left_err(struct spec_planner *p, const struct spec_fact *about, struct spec_place at,
		  const struct err *why)
{
	return why->hint[0] ? spec_left(p, about, at, "%s; %s", why->text, why->hint) :
			      spec_left(p, about, at, "%s", why->text);
}

int spec_warn(struct spec_planner *p, struct spec_place at, const char *fmt, ...)
{
	struct spec_remark r = { .at = at };
	va_list args;

	va_start(args, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, args);
	va_end(args);
	return add_remark(p, &r);
}

bool spec_in_scope(const struct spec_planner *p, const struct spec_fact *fact)
{
	const struct pci_function *only = p->only ? topo_find(&p->facts->topo, *p->only) : NULL;

	if (!p->only)
		return true;
	return only && (only == fact->dev || (only->group >= 0 && only->group == fact->dev->group));
}

int spec_claim(struct spec_planner *p, struct bdf bdf, const char *driver, bool is_pf,
	       struct spec_place at)
{
	struct spec_plan *out = p->out;
	struct spec_claim *bigger;

	for (size_t i = 0; i < out->claim_count; i++) {
		if (bdf_eq(out->claims[i].bdf, bdf) && out->claims[i].is_pf == is_pf)
			return 0; /* its group's other function brought it */
	}
	bigger = reallocarray(out->claims, out->claim_count + 1, sizeof(*bigger));
	if (!bigger)
		return err_set(p->err, -ENOMEM, "cannot plan");
	out->claims = bigger;
	bigger[out->claim_count] = (struct spec_claim){ .bdf = bdf, .is_pf = is_pf, .at = at };
	snprintf(bigger[out->claim_count++].driver, sizeof(bigger->driver), "%s", driver);
	return 0;
}

int spec_absent(struct spec_planner *p, const struct spec_target *target, bool is_pf)
{
	struct spec_plan *out = p->out;
	struct spec_absent *bigger = reallocarray(out->absent, out->absent_count + 1,
						  sizeof(*bigger));

	if (!bigger)
		return err_set(p->err, -ENOMEM, "cannot plan");
	out->absent = bigger;
	bigger[out->absent_count++] = (struct spec_absent){ target, is_pf };
	return 0;
}

int spec_overlay(struct spec_planner *p, const struct spec_fact *about, const char *what,
		 struct spec_setting *to, const struct spec_setting *from)
{
	char dev[BDF_STRLEN] = "";
	int r = 0;

	if (!from->text)
		return 0;
	if (about)
		bdf_str(about->dev->bdf, dev);
	if (to->text && strcmp(to->text, from->text) != 0) {
		if (to->at.file == from->at.file)
			return err_plain(p->err, -EINVAL, "%s: %s%s%s is %s here and %s at %s",
					 SPEC_PLACE_STR(p->spec, from->at), dev, *dev ? ": " : "",
					 what, from->text, to->text,
					 SPEC_PLACE_STR(p->spec, to->at));
		r = spec_warn(p, from->at, "%s%s%s is %s here, which goes before %s at %s", dev,
			      *dev ? ": " : "", what, from->text, to->text,
			      SPEC_PLACE_STR(p->spec, to->at));
	}
	*to = *from;
	return r;
}

/* --- binding ---------------------------------------------------------------------------------- */

int spec_plan_bind(struct spec_planner *p, const struct spec_fact *about, struct spec_place at,
		   const struct bdf *devs, size_t n, const char *driver, bool group)
{
	struct bind_request req = { .devs = devs, .count = n, .driver = driver,
				    .whole_group = group, .force = p->force };
	struct plan *plan = &p->out->plan;
	size_t steps = plan->count, notes = plan->note_count;
	struct err own = ERR_INIT;
	int r = bind_plan(p->facts->root, &p->facts->topo, p->facts->host, &req, plan, &own);

	if (r == 0)
		return 0;
	plan->count = steps; /* none of the group, rather than half of it */
	plan->note_count = notes;
	if (r == -ENOMEM)
		return err_set(p->err, r, "cannot plan");
	return spec_left_err(p, about, at, &own);
}

struct want_device {
	const struct spec_fact *fact; /* NULL: nothing is wanted of this one */
	struct spec_setting set[SPEC_DEVICE_COUNT];
	struct spec_place at;
	size_t request; /* the first of those it is bound with, counted from 1; 0: not yet */
};

static int merge_device(struct spec_planner *p, const struct spec_device *d, bool *fits,
			struct want_device *want)
{
	static const char *const words[SPEC_DEVICE_COUNT] = { "driver", "group", "pool" };
	int r = spec_find(p, &d->target, false, fits);

	for (size_t i = 0; r == 0 && i < p->facts->count; i++) {
		if (!fits[i])
			continue;
		want[i].fact = &p->facts->devs[i];
		want[i].at = d->target.at;
		for (unsigned k = 0; r == 0 && k < SPEC_DEVICE_COUNT; k++)
			r = spec_overlay(p, want[i].fact, words[k], &want[i].set[k], &d->set[k]);
	}
	return r;
}

static bool wants_group(const struct want_device *w)
{
	const char *text = w->set[SPEC_DEVICE_GROUP].text;

	return text && strcmp(text, "on") == 0;
}

static bool same_driver(const struct want_device *a, const struct want_device *b)
{
	const char *x = a->set[SPEC_DEVICE_DRIVER].text, *y = b->set[SPEC_DEVICE_DRIVER].text;

	return x && y ? strcmp(x, y) == 0 : x == y;
}

/* It has the driver already, by whatever means: an override matters only to the next probe. */
static bool bound_so(const struct pci_function *d, const char *driver)
{
	if (!driver)
		return d->driver[0] && pci_function_driver_is_vfio(d->driver);
	return strcmp(d->driver, strcmp(driver, "none") == 0 ? "" : driver) == 0;
}

/* Which driver of VFIO it has, or would be given. */
static const char *driver_for(struct spec_planner *p, const struct pci_function *dev,
			      const char *driver, char *buf, size_t size)
{
	if (driver)
		return strcmp(driver, "none") == 0 ? "" : driver;
	return bound_so(dev, NULL) ? dev->driver
				   : modules_vfio_driver(p->facts->root, dev->bdf, buf, size);
}

/* That device, and with `group` who follows it. */
static int claim_device(struct spec_planner *p, const struct want_device *w, bool group)
{
	const char *driver = w->set[SPEC_DEVICE_DRIVER].text;
	const struct pci_function *d = w->fact->dev, *other = NULL;
	char buf[PCI_DRIVER_MAX];
	int r = spec_claim(p, d->bdf, driver_for(p, d, driver, buf, sizeof(buf)), false, w->at);

	while (r == 0 && group && d->group >= 0 &&
	       (other = topo_group_next(&p->facts->topo, d->group, other))) {
		if (other != d && pci_function_is_assignable(other))
			r = spec_claim(p, other->bdf,
				       driver_for(p, other, driver, buf, sizeof(buf)), false, w->at);
	}
	return r;
}

/* Those of them that are bound so, or will be. */
static int claim_group(struct spec_planner *p, const struct want_device *want, size_t first,
		       bool group, bool left)
{
	const char *driver = want[first].set[SPEC_DEVICE_DRIVER].text;
	int r = 0;

	for (size_t i = first; r == 0 && i < p->facts->count; i++) {
		const struct want_device *w = &want[i];

		if (!w->fact || w->request != first + 1 || (left && !bound_so(w->fact->dev, driver)))
			continue;
		r = claim_device(p, w, group && !left);
		group = false; /* once for all of them */
	}
	return r;
}

/* One request for all devices of an IOMMU group that are to have the same driver. */
static int plan_with_group(struct spec_planner *p, struct want_device *want, size_t first)
{
	_cleanup_free_ struct bdf *devs = calloc(p->facts->count, sizeof(*devs));
	struct want_device *w = &want[first];
	size_t n = 0, left = p->out->left;
	bool group = false;
	int r = 0;

	if (!devs)
		return err_set(p->err, -ENOMEM, "cannot plan");
	for (size_t i = first; i < p->facts->count; i++) {
		struct want_device *other = &want[i];

		if (!other->fact || other->request || !same_driver(w, other) ||
		    (i != first && (w->fact->dev->group < 0 ||
				    other->fact->dev->group != w->fact->dev->group)))
			continue;
		other->request = first + 1;
		group |= wants_group(other);
		if (wants_group(other) || !bound_so(other->fact->dev, w->set[SPEC_DEVICE_DRIVER].text))
			devs[n++] = other->fact->dev->bdf;
	}
	if (n)
		r = spec_plan_bind(p, w->fact, w->at, devs, n, w->set[SPEC_DEVICE_DRIVER].text,
				   group);
	return r < 0 ? r : claim_group(p, want, first, group, p->out->left > left);
}

static int plan_devices(struct spec_planner *p)
{
	_cleanup_free_ struct want_device *want = calloc(p->facts->count + 1, sizeof(*want));
	_cleanup_free_ bool *fits = calloc(p->facts->count + 1, sizeof(*fits));
	int r = 0;

	if (!want || !fits)
		return err_set(p->err, -ENOMEM, "cannot plan");
	for (size_t i = 0; r == 0 && i < p->spec->device_count; i++)
		r = merge_device(p, &p->spec->devices[i], fits, want);
	for (size_t i = 0; i < p->facts->count; i++)
		p->bound[i] = (struct spec_bound){ want[i].at,
						   want[i].set[SPEC_DEVICE_DRIVER].text };
	for (size_t i = 0; r == 0 && i < p->facts->count; i++) {
		if (want[i].fact && !want[i].request && spec_in_scope(p, want[i].fact))
			r = plan_with_group(p, want, i);
	}
	return r;
}

/* --- hugepages -------------------------------------------------------------------------------- */

static bool same_pool(const struct spec_hugepages *a, const struct spec_hugepages *b)
{
	return strcmp(a->node.text, b->node.text) == 0 && strcmp(a->size.text, b->size.text) == 0;
}

/* Every entry of one pool, laid over each other. */
static int merge_pool(struct spec_planner *p, size_t first, struct spec_setting *ret)
{
	const struct spec_hugepages *h = p->spec->hugepages;
	char what[80];
	int r = 0;

	snprintf(what, sizeof(what), "the number of %.16s pages of node %.8s", h[first].size.text,
		 h[first].node.text);
	for (size_t i = first; r == 0 && i < p->spec->hugepages_count; i++) {
		if (same_pool(&h[i], &h[first]))
			r = spec_overlay(p, NULL, what, ret, &h[i].count);
	}
	return r;
}

static int plan_pool(struct spec_planner *p, size_t i)
{
	const struct spec_hugepages *h = p->spec->hugepages;
	struct spec_setting count = { 0 };
	struct err own = ERR_INIT;
	uint64_t bytes;
	int r;

	for (size_t k = 0; k < i; k++) {
		if (same_pool(&h[k], &h[i]))
			return 0; /* done with the first of them */
	}
	r = merge_pool(p, i, &count);
	if (r < 0 || !count.text)
		return r;
	r = size_parse(h[i].size.text, &bytes);
	if (r == 0)
		r = hugepages_plan(p->facts->root, (unsigned)strtoul(h[i].node.text, NULL, 10),
				   bytes / KiB, strtoull(count.text, NULL, 10), &p->out->plan, &own);
	if (r == 0 || r == -ENOMEM)
		return r == 0 ? 0 : err_set(p->err, r, "cannot plan");
	return spec_left_err(p, NULL, h[i].at, &own);
}

static int plan_hugepages(struct spec_planner *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->spec->hugepages_count; i++)
		r = plan_pool(p, i);
	return r;
}

int spec_plan(const struct spec_facts *facts, const struct spec *spec, unsigned force,
	      struct spec_plan *ret, struct err *err)
{
	return spec_plan_of(facts, spec, force, NULL, ret, err);
}

int spec_plan_of(const struct spec_facts *facts, const struct spec *spec, unsigned force,
		 const struct bdf *only, struct spec_plan *ret, struct err *err)
{
	_cleanup_free_ struct spec_bound *bound = calloc(facts->count + 1, sizeof(*bound));
	struct spec_planner p = { facts, spec, force, only, bound, ret, err };
	int r = bound ? 0 : err_set(err, -ENOMEM, "cannot plan");

	if (r == 0 && spec->passed_over)
		r = spec_warn(&p, (struct spec_place){ 0 }, SPEC_DROP_INS "/%s is not read: the names "
			      "of drop-ins end in .yaml", spec->passed_over);
	if (r == 0)
		r = plan_devices(&p);
	if (r == 0 && !only)
		r = plan_hugepages(&p);
	if (r == 0)
		r = spec_plan_pfs(&p);
	return r < 0 ? r : plan_prune(facts->root, change_ops, &ret->plan, err);
}
