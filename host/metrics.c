// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/size.h"
#include "host/metrics_internal.h"

/* --- reading ---------------------------------------------------------------------------------- */

static int add_pf(const struct pf *pf, void *opaque)
{
	struct metrics *m = opaque;
	struct metrics_pf *bigger = reallocarray(m->pfs, m->pf_count + 1, sizeof(*bigger)), *p;

	if (!bigger)
		return -ENOMEM;
	m->pfs = bigger;
	p = &bigger[m->pf_count++];
	*p = (struct metrics_pf){ .pf = *pf };
	/* A busy one's driver may hold locks that the answer takes. */
	if (!pf->numvfs || pf->netdevs != 1 || pf->busy)
		return 0;
	p->stats = calloc(pf->numvfs, sizeof(*p->stats));
	if (!p->stats)
		return -ENOMEM;
	if (vf_link_read_stats(m->root, pf, p->stats, pf->numvfs) != (int)pf->numvfs) {
		free(p->stats);
		p->stats = NULL;
	}
	return 0;
}

int metrics_read(int root, struct metrics *ret, struct err *err)
{
	int r;

	*ret = (struct metrics){ .root = root, .topo = TOPO_INIT };
	r = topo_scan(root, &ret->topo, err);
	if (r == 0)
		r = pf_each(root, add_pf, ret);
	if (r == 0)
		r = hugepages_read(root, &ret->pools);
	if (r == 0)
		r = klog_read(root, &ret->log);
	return r < 0 ? err_set(err, r, "cannot read the host's devices") : 0;
}

void metrics_fini(struct metrics *m)
{
	for (size_t i = 0; i < m->pf_count; i++)
		free(m->pfs[i].stats);
	free(m->pfs);
	hugepages_fini(&m->pools);
	klog_fini(&m->log);
	topo_fini(&m->topo);
	*m = (struct metrics){ .root = -1, .topo = TOPO_INIT };
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Of what is no UTF-8 Prometheus would take nothing at all, so it gets plain text. */
static void put_value(FILE *out, const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s > 0x7e)
			fputc('?', out);
		else if (*s == '\\' || *s == '"')
			fprintf(out, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", out);
		else
			fputc(*s, out);
	}
}

void metrics_sample(const struct family *f, FILE *out, uint64_t value, ...)
{
	const char *label, *text, *before = "{";
	va_list ap;

	fputs(f->name, out);
	va_start(ap, value);
	while ((label = va_arg(ap, const char *))) {
		text = va_arg(ap, const char *);
		if (!*text)
			continue;
		fprintf(out, "%s%s=\"", before, label);
		put_value(out, text);
		fputc('"', out);
		before = ",";
	}
	va_end(ap);
	fprintf(out, "%s %" PRIu64 "\n", *before == ',' ? "}" : "", value);
}

/* --- the host as a whole ---------------------------------------------------------------------- */

static void build(const struct family *f, const struct metrics *m, FILE *out)
{
	metrics_sample(f, out, 1, "version", THRUWAY_VERSION, NULL);
}

static void group_viable(const struct family *f, const struct metrics *m, FILE *out)
{
	for (size_t i = 0; i < m->topo.count; i++) {
		const struct pci_function *d = &m->topo.devs[i];
		char group[16];

		if (d->group < 0 || topo_group_next(&m->topo, d->group, NULL) != d)
			continue;
		snprintf(group, sizeof(group), "%d", d->group);
		metrics_sample(f, out, topo_group_viable(&m->topo, d->group), "group", group, NULL);
	}
}

enum { POOL_TOTAL, POOL_FREE, POOL_SURPLUS };

static void hugepages(const struct family *f, const struct metrics *m, FILE *out)
{
	for (size_t i = 0; i < m->pools.count; i++) {
		const struct hugepage_pool *p = &m->pools.pools[i];
		uint64_t pages = f->which == POOL_TOTAL ? p->total :
				 f->which == POOL_FREE	? p->free : p->surplus;
		char node[16], page[24];

		snprintf(node, sizeof(node), "%u", p->node);
		snprintf(page, sizeof(page), "%llu", p->page_kb * KiB);
		metrics_sample(f, out, pages * p->page_kb * KiB, "node", node, "page_bytes", page,
			       NULL);
	}
}

static const struct family host_families[] = {
	{ "thruway_build_info", "gauge", "The version of thruway that wrote this.", build },
	{ "thruway_iommu_group_viable", "gauge",
	  "1 if each endpoint of the IOMMU group is bound to a VFIO driver, to pci-stub, or to none.",
	  group_viable },
	{ "thruway_hugepages_bytes", "gauge", "Memory in a pool of hugepages.", hugepages,
	  POOL_TOTAL },
	{ "thruway_hugepages_free_bytes", "gauge", "Of it, what nobody uses.", hugepages, POOL_FREE },
	{ "thruway_hugepages_surplus_bytes", "gauge", "Of it, what leaves when it is free.",
	  hugepages, POOL_SURPLUS },
	{ 0 },
};

/* HELP and TYPE stand once, before the first sample, and not at all where there is none. */
static void print_family(const struct family *f, const struct metrics *m, FILE *out)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *samples = open_memstream(&text, &size);

	if (!samples)
		return;
	f->samples(f, m, samples);
	if (fclose(samples) != 0 || !size)
		return;
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s", f->name, f->help, f->name, f->type, text);
}

void metrics_print(const struct metrics *m, FILE *out)
{
	static const struct family *const all[] = { host_families, metrics_device_families,
						    metrics_vf_families };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (const struct family *f = all[i]; f->name; f++)
			print_family(f, m, out);
	}
}
