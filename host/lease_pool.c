// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools of /etc/thruway as the devices of this host that are in them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "host/lease.h"
#include "host/spec.h"
#include "host/spec_facts.h"
#include "host/spec_plan.h"

struct pool {
	const char *name;
	struct bdf *bdfs;
	size_t count;
	char others[256]; /* the names of pools that have members */
	size_t others_len;
};

static void note_other(struct pool *pool, const char *name)
{
	size_t left = sizeof(pool->others) - pool->others_len, len = strlen(name);
	const char *at = strstr(pool->others, name);
	int n;

	if (at && (at == pool->others || at[-1] == ' ') && (at[len] == ',' || !at[len]))
		return;
	n = snprintf(pool->others + pool->others_len, left, "%s%s", pool->others_len ? ", " : "",
		     name);
	if (n > 0 && (size_t)n < left)
		pool->others_len += (size_t)n;
	else
		pool->others[pool->others_len] = '\0';
}

static int add(struct pool *pool, const char *name, struct bdf bdf)
{
	struct bdf *bigger;

	if (strcmp(name, pool->name) != 0) {
		note_other(pool, name);
		return 0;
	}
	for (size_t i = 0; i < pool->count; i++) {
		if (bdf_eq(pool->bdfs[i], bdf))
			return 0;
	}
	bigger = reallocarray(pool->bdfs, pool->count + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	pool->bdfs = bigger;
	bigger[pool->count++] = bdf;
	return 0;
}

static int add_devices(const struct spec *spec, const struct spec_fact *fact, struct pool *pool)
{
	const char *name = NULL;

	/* As everywhere in a spec, what comes later goes before. */
	for (size_t i = 0; i < spec->device_count; i++) {
		const struct spec_device *d = &spec->devices[i];

		if (d->set[SPEC_DEVICE_POOL].text && spec_fits(&d->target, fact))
			name = d->set[SPEC_DEVICE_POOL].text;
	}
	return name ? add(pool, name, fact->dev->bdf) : 0;
}

/* The pool of one VF: of the last range that has it and names one. */
static const char *vf_pool(const struct spec *spec, const struct spec_fact *fact, unsigned vf)
{
	const char *name = NULL;
	struct cpulist range;

	for (size_t i = 0; i < spec->pf_count; i++) {
		const struct spec_pf *pf = &spec->pfs[i];

		for (size_t k = 0; spec_fits(&pf->target, fact) && k < pf->vfs_count; k++) {
			const struct spec_vfs *v = &pf->vfs[k];

			if (v->set[SPEC_VF_POOL].text && cpulist_parse(v->range.text, &range) == 0 &&
			    cpulist_has(&range, vf))
				name = v->set[SPEC_VF_POOL].text;
		}
	}
	return name;
}

static int add_vfs(int root, const struct spec *spec, const struct spec_fact *fact,
		   struct pool *pool)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && fact->sriov && i < fact->sriov->pf.numvfs; i++) {
		const char *name = vf_pool(spec, fact, i);
		struct bdf bdf;

		if (name && pf_vf_here(root, &fact->sriov->pf, i, &bdf) == 0)
			r = add(pool, name, bdf);
	}
	return r;
}

static bool names(const struct spec_setting *s, const char *pool)
{
	return s->text && strcmp(s->text, pool) == 0;
}

static bool may_belong(const struct spec *spec, const struct spec_fact *fact, const char *pool)
{
	for (size_t i = 0; i < spec->device_count; i++) {
		if (names(&spec->devices[i].set[SPEC_DEVICE_POOL], pool) &&
		    spec_fit(&spec->devices[i].target, fact) != SPEC_FITS_NOT)
			return true;
	}
	for (size_t i = 0; fact->is_pf && i < spec->pf_count; i++) {
		const struct spec_pf *pf = &spec->pfs[i];

		for (size_t k = 0; k < pf->vfs_count; k++) {
			if (names(&pf->vfs[k].set[SPEC_VF_POOL], pool) &&
			    spec_fit(&pf->target, fact) != SPEC_FITS_NOT)
				return true;
		}
	}
	return false;
}

/* A busy device that is a member, or whose VFs are, as far as can be told. */
static const struct spec_fact *find_busy(const struct spec *spec, const struct spec_facts *facts,
					 const char *pool)
{
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->devs[i].busy && may_belong(spec, &facts->devs[i], pool))
			return &facts->devs[i];
	}
	return NULL;
}

static int nobody(const struct pool *pool, const struct spec *spec, const struct spec_facts *facts,
		  struct err *err)
{
	const struct spec_fact *busy = find_busy(spec, facts, pool->name);
	char bdf[BDF_STRLEN];

	err_plain(err, -ENOENT, "no device of this host is in the pool '%s'", pool->name);
	if (busy) {
		bdf_str(busy->dev->bdf, bdf);
		return err_hint(err, "%s is busy, and its VFs or itself are to be in it: thruway "
				"show %s says who is at work on it", bdf, bdf);
	}
	if (pool->others_len)
		return err_hint(err, "there are members of %s", pool->others);
	return err_hint(err, "/etc/thruway/host.yaml names pools; thruway host apply makes VFs");
}

int lease_pool(int root, const char *name, struct bdf **ret, size_t *ret_count, struct err *err)
{
	_cleanup_(spec_facts_fini) struct spec_facts facts = SPEC_FACTS_INIT;
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;
	struct pool pool = { .name = name };
	int r = spec_load(root, &spec, err);

	if (r == 0)
		r = spec_facts_read(root, &facts, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < facts.count; i++) {
		r = add_devices(&spec, &facts.devs[i], &pool);
		if (r == 0)
			r = add_vfs(root, &spec, &facts.devs[i], &pool);
	}
	if (r < 0)
		err_set(err, r, "cannot look at the pool '%s'", name);
	else if (!pool.count)
		r = nobody(&pool, &spec, &facts, err);
	if (r < 0) {
		free(pool.bdfs);
		return r;
	}
	*ret = pool.bdfs;
	*ret_count = pool.count;
	return 0;
}
