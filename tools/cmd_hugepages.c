// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/size.h"
#include "host/change.h"
#include "host/hugepages.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/preview.h"

#define PAGE_DEFAULT_KB 2048

struct request {
	uint64_t page_kb;      /* 0: not said */
	struct cpulist nodes;
	bool nodes_said;
	struct hugepage_pools pools; /* all that the host has */
};

static void request_fini(struct request *q)
{
	hugepages_fini(&q->pools);
}

static bool wanted(const struct request *q, const struct hugepage_pool *p)
{
	return (!q->page_kb || q->page_kb == p->page_kb) &&
	       (!q->nodes_said || cpulist_has(&q->nodes, p->node));
}

/* --- show ------------------------------------------------------------------------------------- */

struct users {
	struct hugepage_user *list;
	size_t count;
};

static void users_fini(struct users *u)
{
	free(u->list);
}

static bool maps(const struct hugepage_user *u, const struct hugepage_pool *p)
{
	return u->node == p->node && u->page_kb == p->page_kb;
}

/* "qemu-system-x86 (pid 311) 512, …" */
static void users_text(const struct users *users, const struct hugepage_pool *p, char *buf,
		       size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < users->count && len < size; i++) {
		const struct hugepage_user *u = &users->list[i];

		if (maps(u, p))
			len += (size_t)snprintf(buf + len, size - len, "%s%s (pid %d) %" PRIu64,
						len ? ", " : "", u->comm, (int)u->pid, u->pages);
	}
}

static int show_row(struct table *t, const struct users *users, const struct hugepage_pool *p)
{
	char node[16], total[24], unused[24], surplus[24] = "", who[512];
	const char *cells[] = { node,	 SIZE_STR(p->page_kb * KiB), total, unused, surplus,
				SIZE_STR(p->total * p->page_kb * KiB), who };

	snprintf(node, sizeof(node), "%u", p->node);
	snprintf(total, sizeof(total), "%" PRIu64, p->total);
	snprintf(unused, sizeof(unused), "%" PRIu64, p->free);
	if (p->surplus)
		snprintf(surplus, sizeof(surplus), "%" PRIu64, p->surplus);
	users_text(users, p, who, sizeof(who));
	return table_row(t, cells);
}

static int show_text(struct ctx *ctx, const struct request *q, const struct users *users)
{
	static const char *const titles[] = { "NODE",	 "PAGE",   "PAGES",   "FREE",
					      "SURPLUS", "MEMORY", "USED BY", NULL };
	struct table *t = table_new(titles);
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < q->pools.count; i++) {
		if (wanted(q, &q->pools.pools[i]))
			r = show_row(t, users, &q->pools.pools[i]);
	}
	if (r == 0)
		table_print(t, ctx->out);
	table_free(t);
	return r;
}

static json_t *pool_json(const struct hugepage_pool *p, const struct users *users)
{
	json_t *who = json_array();

	for (size_t i = 0; i < users->count; i++) {
		const struct hugepage_user *u = &users->list[i];

		if (maps(u, p))
			json_array_append_new(who, json_pack("{s:i, s:s, s:I}", "pid", (int)u->pid,
							     "name", u->comm, "pages",
							     (json_int_t)u->pages));
	}
	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:o}", "node", (int)p->node, "page_bytes",
			 (json_int_t)(p->page_kb * KiB), "pages", (json_int_t)p->total, "free",
			 (json_int_t)p->free, "surplus", (json_int_t)p->surplus, "users", who);
}

static int show_json(struct ctx *ctx, const struct request *q, const struct users *users)
{
	json_t *pools = json_array();

	for (size_t i = 0; i < q->pools.count; i++) {
		if (wanted(q, &q->pools.pools[i]))
			json_array_append_new(pools, pool_json(&q->pools.pools[i], users));
	}
	return out_json(ctx->out, "thruway.hugepages/1", "pools", pools);
}

static int show(struct ctx *ctx, struct request *q, struct err *err)
{
	_cleanup_(users_fini) struct users users = { NULL, 0 };
	int r = hugepages_users(ctx->root, &users.list, &users.count);

	if (r == 0)
		r = ctx->json ? show_json(ctx, q, &users) : show_text(ctx, q, &users);
	return r < 0 ? err_set(err, r, "cannot show the hugepages") : 0;
}

/* The pools as they are now, after a change. */
static int show_again(struct ctx *ctx, struct request *q, struct err *err)
{
	hugepages_fini(&q->pools);
	if (hugepages_read(ctx->root, &q->pools) < 0)
		return err_set(err, -ENOMEM, "cannot read the hugepages");
	return ctx->quiet ? 0 : show(ctx, q, err);
}

static int show_plan(struct ctx *ctx, const struct plan *plan)
{
	struct preview preview = PREVIEW_INIT(ctx);

	return preview_print(&preview, plan);
}

/* --- reserve ---------------------------------------------------------------------------------- */

/* A bare number is pages, a size must be whole pages. */
static int parse_amount(const char *s, uint64_t page_kb, uint64_t *ret, struct err *err)
{
	uint64_t bytes, page = page_kb * KiB;

	if (uint_parse(s, UINT64_MAX / page, ret) == 0)
		return 0;
	if (size_parse(s, &bytes) < 0) {
		err_usage(err, "'%s' is neither a number of pages nor a size", s);
		return err_hint(err, "512 is pages, 1G is memory");
	}
	if (bytes % page)
		return err_usage(err, "%s is not a whole number of %s pages", SIZE_STR(bytes),
				 SIZE_STR(page));
	*ret = bytes / page;
	return 0;
}

/* Without --node: the only one there is. */
static int only_node(struct request *q, struct err *err)
{
	char text[16];

	for (size_t i = 1; i < q->pools.count; i++) {
		if (q->pools.pools[i].node == q->pools.pools[0].node)
			continue;
		err_usage(err, "--node is missing: this host has several NUMA nodes");
		return err_hint(err, "thruway show DEV tells the node of a device; --node 0,1 "
				     "reserves on each of both");
	}
	if (!q->pools.count)
		return err_plain(err, -EOPNOTSUPP, "this host has no hugepages");
	snprintf(text, sizeof(text), "%u", q->pools.pools[0].node);
	q->nodes_said = true;
	return cpulist_parse(text, &q->nodes);
}

/* What the host has beyond that is somebody's: a pool never gets smaller here. */
static int plan_node(struct ctx *ctx, const struct request *q, unsigned node, uint64_t pages,
		     struct plan *plan, struct err *err)
{
	struct hugepage_pool p;

	if (hugepages_read_pool(ctx->root, node, q->page_kb, &p) == 0 &&
	    p.total - p.surplus >= pages) {
		if (!ctx->quiet)
			fprintf(stderr, "node %u has %" PRIu64 " pages of %s already\n", node,
				p.total - p.surplus, SIZE_STR(q->page_kb * KiB));
		return 0;
	}
	return hugepages_plan(ctx->root, node, q->page_kb, pages, plan, err);
}

static int reserve(struct ctx *ctx, struct request *q, const char *amount, struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct journal_owner owner = { .until_exit = false };
	uint64_t pages = 0;
	int r;

	q->page_kb = q->page_kb ? q->page_kb : PAGE_DEFAULT_KB;
	r = parse_amount(amount, q->page_kb, &pages, err);
	if (r == 0 && !pages) {
		err_usage(err, "hugepages: reserve 0 reserves nothing");
		r = err_hint(err, "thruway hugepages release gives back what was reserved");
	}
	if (r == 0 && !q->nodes_said)
		r = only_node(q, err);
	for (unsigned n = 0; r == 0 && n < CPULIST_MAX; n++) {
		if (cpulist_has(&q->nodes, n))
			r = plan_node(ctx, q, n, pages, &plan, err);
	}
	if (r < 0)
		return r;
	snprintf(owner.command, sizeof(owner.command), "hugepages reserve %.40s", amount);
	if (!ctx->dry_run) {
		r = change_apply(ctx->root, &plan, &owner, ctx->lock_timeout_s, err);
		return r < 0 ? r : show_again(ctx, q, err);
	}
	r = change_preview(ctx->root, &plan, err);
	return r < 0 ? r : show_plan(ctx, &plan);
}

/* --- release ---------------------------------------------------------------------------------- */

static int release_pool(struct ctx *ctx, const char *dev, unsigned *count, struct plan *plan,
			struct err *err)
{
	unsigned undone = 0;
	int r;

	if (ctx->dry_run) {
		r = journal_plan_restore(ctx->root, change_ops, dev, plan, err);
		*count = (unsigned)plan->count;
		return r;
	}
	r = journal_restore(ctx->root, change_ops, dev, ctx->lock_timeout_s, &undone, err);
	*count += undone;
	return r;
}

static int release(struct ctx *ctx, struct request *q, struct err *err)
{
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	char dev[STEP_DEV_MAX];
	unsigned undone = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < q->pools.count; i++) {
		const struct hugepage_pool *p = &q->pools.pools[i];

		if (wanted(q, p))
			r = release_pool(ctx, hugepages_dev(p->node, p->page_kb, dev), &undone,
					 &plan, err);
	}
	if (r < 0)
		return r;
	if (!undone && !ctx->quiet && !ctx->json)
		fprintf(ctx->out, "nothing to release: thruway reserved none of these\n");
	if (ctx->dry_run)
		return plan.count || ctx->json ? show_plan(ctx, &plan) : 0;
	return undone || ctx->json ? show_again(ctx, q, err) : 0;
}

/* --- the command ------------------------------------------------------------------------------ */

enum { OPT_PAGE = 256, OPT_NODE };

static const struct option own[] = {
	{ "page", required_argument, NULL, OPT_PAGE },
	{ "node", required_argument, NULL, OPT_NODE },
	{ 0 },
};

static int take(struct request *q, int c, struct err *err)
{
	uint64_t bytes;

	if (c == OPT_NODE) {
		q->nodes_said = true;
		if (cpulist_parse(optarg, &q->nodes) == 0 && cpulist_count(&q->nodes) > 0)
			return 0;
		return err_usage(err, "--node takes NUMA nodes such as 0 or 0,1, not '%s'", optarg);
	}
	if (size_parse(optarg, &bytes) < 0 || bytes < KiB || bytes % KiB)
		return err_usage(err, "--page takes 2M or 1G, not '%s'", optarg);
	q->page_kb = bytes / KiB;
	return 0;
}

/* A node or size that was asked for and is not there is no empty table. */
static int refuse_unknown(const struct request *q, struct err *err)
{
	for (size_t i = 0; i < q->pools.count; i++) {
		if (wanted(q, &q->pools.pools[i]))
			return 0;
	}
	if (!q->page_kb && !q->nodes_said)
		return 0;
	if (q->page_kb)
		err_plain(err, -ENODEV, "there are no hugepages of %s%s", SIZE_STR(q->page_kb * KiB),
			  q->nodes_said ? " on that node" : " on this host");
	else
		err_plain(err, -ENODEV, "there are no hugepages on that node");
	return err_hint(err, "thruway hugepages shows the nodes and sizes there are");
}

static int run_words(struct ctx *ctx, struct request *q, const struct opts *o, struct err *err)
{
	const char *word = optind < o->argc ? o->argv[optind++] : "show";

	if (strcmp(word, "reserve") == 0) {
		int r = opts_operands(o, 1, 1, "COUNT or SIZE", err);

		return r < 0 ? r : reserve(ctx, q, o->argv[optind], err);
	}
	if (strcmp(word, "show") != 0 && strcmp(word, "release") != 0) {
		err_usage(err, "hugepages: '%s' is none of show, reserve, release", word);
		return err_hint(err, "thruway hugepages --help");
	}
	if (opts_operands(o, 0, 0, "nothing", err) < 0)
		return -EINVAL;
	if (refuse_unknown(q, err) < 0)
		return -ENODEV;
	return strcmp(word, "show") == 0 ? show(ctx, q, err) : release(ctx, q, err);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(request_fini) struct request q = { .page_kb = 0 };
	struct opts o;
	int c, r = 0;

	opts_init(&o, ctx, argc, argv, own);
	while (r == 0 && (c = opts_next(&o, err)) != 0)
		r = c < 0 ? c : take(&q, c, err);
	if (r == 0 && hugepages_read(ctx->root, &q.pools) < 0)
		r = err_set(err, -ENOMEM, "cannot read the hugepages");
	return r < 0 ? r : run_words(ctx, &q, &o, err);
}

const struct command cmd_hugepages = {
	.name = "hugepages",
	.synopsis = "[show | reserve COUNT|SIZE | release] [--page 2M|1G] [--node N,…]",
	.summary = "hugepages of each NUMA node: show, reserve, give back",
	.help = "Without a word: shows the pools of hugepages and who has pages of them mapped\n"
		"(of other users' processes only root is told).\n"
		"reserve makes a pool hold COUNT pages, or SIZE (K, M, G) of memory; one that has\n"
		"as many stays as it is. What the kernel does not find at once is tried again with\n"
		"memory compacted, for a minute at most; if it is short even then, what is missing\n"
		"is said and every pool is as before. release gives back what was reserved.\n"
		"\n"
		"      --page SIZE     of this size: 2M (which reserve takes otherwise) or 1G\n"
		"      --node N,...    on these NUMA nodes, on each as many; reserve needs it when\n"
		"                      the host has several",
	.takes = TAKES_JSON | TAKES_DRY_RUN | TAKES_LOCK,
	.run = run,
};
