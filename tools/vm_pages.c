// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_pages.h"

#include <errno.h>
#include <stdbool.h>

#include "base/log.h"
#include "base/size.h"
#include "tools/vm_memory.h"

/* Who wants small pages in spite of --latency low says so. */
#define OR_SMALL "--memory SIZE,backend=anon (memfd with vhost-user) takes small pages"

static void set_kind(struct mem_node *nodes, unsigned count, uint32_t mask, enum mem_kind kind)
{
	for (unsigned i = 0; i < count; i++)
		if (mask >> i & 1)
			nodes[i].kind = kind;
}

static bool whole(const struct mem_node *nodes, unsigned count, uint32_t mask, uint64_t page)
{
	bool yes = true;

	for (unsigned i = 0; i < count; i++)
		yes &= !(mask >> i & 1) || nodes[i].size % page == 0;
	return yes;
}

/* All of them, or none: 0, or -ENOMEM with err set. */
static int try(int root, struct mem_node *nodes, unsigned count, uint32_t mask, enum mem_kind kind,
	       struct err *err)
{
	int r;

	set_kind(nodes, count, mask, kind);
	r = vm_memory_check_pool(root, nodes, count, kind == MEM_HUGETLB_1G ? GiB : 2 * MiB, err);
	if (r < 0)
		set_kind(nodes, count, mask, MEM_ANON);
	return r;
}

static int refuse(const struct err *of_1g, const struct err *of_2m, struct err *err)
{
	const struct err *first = of_1g->code ? of_1g : of_2m;

	if (!first->code) {
		err_plain(err, -EOPNOTSUPP, "--latency low: this host's kernel has no hugepages for the "
					    "guest's RAM");
		return err_hint(err, OR_SMALL);
	}
	err_plain(err, first->code, "--latency low: %s", first->text);
	if (of_1g->code && of_2m->code)
		return err_hint(err, "%s; or %s; " OR_SMALL, of_1g->hint, of_2m->hint);
	return err_hint(err, "%s; " OR_SMALL, first->hint);
}

/* Not the best there is: a miss of the TLB reads one more table. */
static void tell_2m(const struct err *of_1g, bool fits)
{
	if (of_1g->code)
		log_warn("--latency low: RAM is in pages of 2M: %s (%s)", of_1g->text, of_1g->hint);
	else if (!fits)
		log_note("--latency low: RAM is in pages of 2M; whole GiB for each node could have pages "
			 "of 1G");
}

int vm_pages_choose(int root, struct mem_node *nodes, unsigned count, uint32_t mask, struct err *err)
{
	struct err of_1g = ERR_INIT, of_2m = ERR_INIT;
	bool fits = whole(nodes, count, mask, GiB);

	if (!mask)
		return 0;
	if (fits && vm_memory_has_pool(root, GiB) &&
	    try(root, nodes, count, mask, MEM_HUGETLB_1G, &of_1g) == 0)
		return 0;
	if (!vm_memory_has_pool(root, 2 * MiB) ||
	    try(root, nodes, count, mask, MEM_HUGETLB_2M, &of_2m) < 0)
		return refuse(&of_1g, &of_2m, err);
	tell_2m(&of_1g, fits);
	return 0;
}
