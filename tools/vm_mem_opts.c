// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_mem_opts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/size.h"
#include "vmm/mem_populate.h"

static const struct {
	const char *name;
	uint64_t page; /* sizes are multiples of it */
} kinds[] = {
	[MEM_ANON] = { "anon", 2 * MiB },
	[MEM_MEMFD] = { "memfd", 2 * MiB },
	[MEM_MEMFD_THP] = { "memfd-thp", 2 * MiB },
	[MEM_HUGETLB_2M] = { "hugetlb-2M", 2 * MiB },
	[MEM_HUGETLB_1G] = { "hugetlb-1G", GiB },
};

static const char *const policies[] = {
	[MEM_STRICT] = "strict",
	[MEM_PREFERRED] = "preferred",
	[MEM_INTERLEAVE] = "interleave",
};

const char *vm_mem_kind_name(enum mem_kind kind)
{
	return kinds[kind].name;
}

/* --- one KEY=VALUE each ------------------------------------------------------------------------ */

struct word {
	const char *option; /* "--memory", for messages */
	const char *key, *value;
};

static int bad_value(const struct word *w, const char *hint, struct err *err)
{
	err_usage(err, "%s: '%s=%s' is not possible", w->option, w->key, w->value);
	return err_hint(err, "%s", hint);
}

static int take_backend(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(w->value, kinds[i].name) == 0) {
			o->kind = (enum mem_kind)i;
			return 0;
		}
	}
	err_usage(err, "%s: unknown backend '%s'", w->option, w->value);
	return err_hint(err, "one of anon, memfd, memfd-thp, hugetlb-2M, hugetlb-1G");
}

static int take_list(const struct word *w, uint64_t *words, unsigned count, unsigned max,
		     const char *hint, struct err *err)
{
	struct cpulist list;

	if (cpulist_parse(w->value, &list) < 0 || cpulist_count(&list) == 0 ||
	    cpulist_words(&list, words, count) < 0)
		return bad_value(w, hint, err);
	for (unsigned i = max; i < count * 64; i++)
		if (cpulist_has(&list, i))
			return bad_value(w, hint, err);
	return 0;
}

static int take_host_node(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	if (strcmp(w->value, "none") == 0) {
		o->host = VM_HOST_NONE;
		return 0;
	}
	o->host = VM_HOST_LIST;
	return take_list(w, o->host_nodes, MEM_NODE_WORDS, MEM_NODE_WORDS * 64,
			 "nodes of the host, 0 or 0-1 or 0,2, or none", err);
}

static int take_policy(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	for (unsigned i = MEM_STRICT; i < ARRAY_SIZE(policies); i++) {
		if (strcmp(w->value, policies[i]) == 0) {
			o->policy = (enum mem_policy)i;
			return 0;
		}
	}
	return bad_value(w, "one of strict, preferred, interleave", err);
}

static int take_threads(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	uint64_t n;

	if (uint_parse(w->value, MEM_MAX_THREADS, &n) < 0 || n == 0)
		return bad_value(w, "1 to 64 threads populate the memory of a node", err);
	o->threads = (unsigned)n;
	return 0;
}

static int take_size(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	if (size_parse(w->value, &o->size) < 0)
		return bad_value(w, "write 512M, 2G or a number of MiB", err);
	if (o->size < VM_MIN_NODE || o->size > VM_MAX_MEMORY)
		return bad_value(w, "a node has 16 MiB of RAM at least", err);
	return 0;
}

static int take_cpus(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	return take_list(w, o->cpus, VM_CPU_WORDS, VMM_MAX_CPUS,
			 "CPUs of the guest, counted from 0: 0-3 or 0,2", err);
}

static int take_switch(const struct word *w, enum vm_switch *ret, struct err *err)
{
	if (strcmp(w->value, "on") != 0 && strcmp(w->value, "off") != 0)
		return bad_value(w, "on or off", err);
	*ret = strcmp(w->value, "on") == 0 ? VM_ON : VM_OFF;
	return 0;
}

static int take_thp(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	return take_switch(w, &o->thp, err);
}

static int take_merge(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	return take_switch(w, &o->merge, err);
}

static int take_lock(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	return take_switch(w, &o->lock, err);
}

static int take_dump(const struct word *w, struct vm_mem_opts *o, struct err *err)
{
	return take_switch(w, &o->dump, err);
}

static const struct key {
	const char *name;
	int (*take)(const struct word *w, struct vm_mem_opts *o, struct err *err);
	bool of_node; /* --memory does not have it */
} keys[] = {
	{ "backend", take_backend },	{ "host-node", take_host_node }, { "policy", take_policy },
	{ "threads", take_threads },	{ "thp", take_thp },		 { "merge", take_merge },
	{ "lock", take_lock },		{ "dump", take_dump },		 { "memory", take_size, true },
	{ "cpus", take_cpus, true },
};

static int unknown_key(const struct word *w, bool of_node, struct err *err)
{
	err_usage(err, "%s: '%s' is not among its words", w->option, w->key);
	return err_hint(err, "these are: %sbackend= host-node= policy= threads= thp= merge= lock= dump=",
			of_node ? "memory= cpus= " : "");
}

static int take(struct word *w, bool of_node, uint32_t *seen, struct vm_mem_opts *o, struct err *err)
{
	char *equals = strchr(w->key, '=');

	if (equals) {
		*equals = '\0';
		w->value = equals + 1;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(keys) && equals; i++) {
		if (strcmp(w->key, keys[i].name) != 0 || (keys[i].of_node && !of_node))
			continue;
		if (*seen & 1u << i)
			return err_usage(err, "%s: %s= is given twice", w->option, w->key);
		*seen |= 1u << i;
		return keys[i].take(w, o, err);
	}
	return unknown_key(w, of_node, err);
}

/* Where a word ends: at a comma, but "0,2" goes on with its list. */
static char *end_of_word(char *s)
{
	char *comma = strchr(s, ',');

	while (comma && strchr(s, '=') && isdigit((unsigned char)comma[1])) {
		size_t len = strspn(comma + 1, "0123456789-");

		if (comma[1 + len] && comma[1 + len] != ',')
			break;
		comma = strchr(comma + 1, ',');
	}
	return comma;
}

/* All words behind the first one, which ends at `rest`. */
static int take_words(const char *option, const char *rest, bool of_node, struct vm_mem_opts *o,
		      struct err *err)
{
	char copy[512], *at = copy;
	uint32_t seen = 0;
	int r = 0;

	if (!*rest)
		return 0;
	if (snprintf(copy, sizeof(copy), "%s", rest + 1) >= (int)sizeof(copy))
		return err_usage(err, "%s: more words than there are", option);
	while (at && r == 0) {
		struct word w = { option, at, "" };
		char *end = end_of_word(at);

		if (end)
			*end++ = '\0';
		r = take(&w, of_node, &seen, o, err);
		at = end;
	}
	return r;
}

int vm_mem_opts_memory(const char *text, struct vm_mem_opts *ret, struct err *err)
{
	struct vm_mem_opts o = VM_MEM_OPTS_INIT;
	const char *comma = strchrnul(text, ',');
	char size[32];
	int r;

	snprintf(size, sizeof(size), "%.*s", (int)(comma - text), text);
	if ((size_t)(comma - text) >= sizeof(size) || size_parse(size, &o.size) < 0) {
		err_usage(err, "--memory: '%s' is not a size", text);
		return err_hint(err, "write 512M, 2G or a number of MiB");
	}
	if (o.size < VM_MIN_MEMORY || o.size > VM_MAX_MEMORY) {
		err_usage(err, "--memory: a guest with %s of RAM cannot run", SIZE_STR(o.size));
		return err_hint(err, "give it between %s and %s", SIZE_STR(VM_MIN_MEMORY),
				SIZE_STR(VM_MAX_MEMORY));
	}
	r = take_words("--memory", comma, false, &o, err);
	if (r < 0)
		return r;
	o.said = true;
	*ret = o;
	return 0;
}

int vm_mem_opts_node(const char *text, struct vm_mem_opts nodes[VMM_MAX_NODES], struct err *err)
{
	struct vm_mem_opts o = VM_MEM_OPTS_INIT;
	const char *comma = strchrnul(text, ',');
	char number[8];
	uint64_t n;
	int r;

	snprintf(number, sizeof(number), "%.*s", (int)(comma - text), text);
	if ((size_t)(comma - text) >= sizeof(number) || uint_parse(number, VMM_MAX_NODES - 1, &n) < 0) {
		err_usage(err, "--node: '%s' does not begin with a node's number", text);
		return err_hint(err, "--node 0,memory=2G,cpus=0-1,host-node=0: guest nodes are 0 to %u",
				VMM_MAX_NODES - 1);
	}
	if (nodes[n].said)
		return err_usage(err, "--node: node %u is given twice", (unsigned)n);
	r = take_words("--node", comma, true, &o, err);
	if (r < 0)
		return r;
	o.said = true;
	nodes[n] = o;
	return 0;
}

/* --- all of them together ----------------------------------------------------------------------- */

/* What --node leaves unsaid is as --memory says. */
static struct vm_mem_opts of_node(const struct vm_mem_request *q, unsigned i)
{
	struct vm_mem_opts o = q->node[i];
	const struct vm_mem_opts *m = q->memory;

	if (o.kind == VM_KIND_UNSAID)
		o.kind = m->kind != VM_KIND_UNSAID ? m->kind :
			 q->shared || q->reached	     ? MEM_MEMFD :
							       MEM_ANON;
	if (!o.threads)
		o.threads = m->threads;
	o.thp = o.thp ? o.thp : m->thp;
	o.merge = o.merge ? o.merge : m->merge;
	o.lock = o.lock ? o.lock : m->lock;
	o.dump = o.dump ? o.dump : m->dump;
	if (o.policy == MEM_UNBOUND)
		o.policy = m->policy;
	return o;
}

static int check_merge(const struct vm_mem_request *q, const struct vm_mem_opts *o, struct err *err)
{
	if (o->merge != VM_ON)
		return 0;
	if (o->kind != MEM_ANON) {
		err_usage(err, "merge=on: KSM merges private memory alone, and backend=%s is shared",
			  kinds[o->kind].name);
		return err_hint(err, "leave it out, or choose backend=anon");
	}
	if (!q->devices && !q->reached)
		return 0;
	err_usage(err, "merge=on: with a device all of the guest's RAM is pinned, and KSM merges no "
		       "pinned page");
	return err_hint(err, "leave it out, or pass no device");
}

static int check_shared(const struct vm_mem_request *q, const struct vm_mem_opts *o, struct err *err)
{
	if (!q->shared || o->kind != MEM_ANON)
		return 0;
	err_usage(err, "backend=anon: this memory is private, and with %s vhost-user another process "
		       "has it, too", q->shared);
	return err_hint(err, "leave it out, or choose memfd, memfd-thp, hugetlb-2M or hugetlb-1G");
}

static int check_thp(const struct vm_mem_opts *o, struct err *err)
{
	const char *name = kinds[o->kind].name;

	if (o->thp == VM_UNSAID || o->kind == MEM_ANON || (o->kind == MEM_MEMFD && o->thp == VM_OFF) ||
	    (o->kind == MEM_MEMFD_THP && o->thp == VM_ON))
		return 0;
	if (o->kind == MEM_MEMFD) {
		err_usage(err, "thp=on: whether backend=memfd gets huge pages is the kernel's to say");
		return err_hint(err, "backend=memfd-thp has them or is refused");
	}
	err_usage(err, "thp=%s: pages of backend=%s have their size", o->thp == VM_ON ? "on" : "off",
		  name);
	return err_hint(err, "leave it out; thp= is backend=anon's");
}

static int check_node(const struct vm_mem_request *q, const struct vm_mem_opts *o, struct err *err)
{
	int r = check_shared(q, o, err);

	if (r == 0)
		r = check_merge(q, o, err);
	if (r == 0)
		r = check_thp(o, err);
	if (r < 0)
		return r;
	if (o->policy == MEM_INTERLEAVE && o->kind == MEM_MEMFD_THP) {
		err_usage(err, "policy=interleave: the kernel makes each huge page of backend=memfd-thp "
			       "on one node, whatever the policy");
		return err_hint(err, "backend=hugetlb-2M is interleaved page by page");
	}
	return 0;
}

static int fill_node(const struct vm_mem_request *q, unsigned i, struct mem_node *ret,
		     struct err *err)
{
	const struct vm_mem_opts o = of_node(q, i);
	int r = check_node(q, &o, err);

	*ret = (struct mem_node){
		.size = o.size,
		.kind = o.kind,
		.threads = o.threads,
		.small_pages = o.thp == VM_OFF,
		.merge = o.merge == VM_ON,
		.lock = o.lock == VM_ON,
		.dump = o.dump == VM_ON,
	};
	return r;
}

/* What the nodes that say no size share, and how many they are. */
static int rest_of_memory(const struct vm_mem_request *q, uint64_t *ret_rest, unsigned *ret_takers,
			  struct err *err)
{
	uint64_t said = 0;
	unsigned takers = 0;

	for (unsigned i = 0; i < q->nodes; i++) {
		said += q->node[i].size;
		takers += q->node[i].size == 0;
	}
	*ret_takers = takers;
	*ret_rest = q->memory->size > said ? q->memory->size - said : 0;
	if (takers == 0 && q->memory->said && q->memory->size != said)
		return err_usage(err, "--memory: %s, and the nodes have %s together",
				 SIZE_STR(q->memory->size), SIZE_STR(said));
	if (said > VM_MAX_MEMORY)
		return err_usage(err, "--node: a guest with %s of RAM cannot run", SIZE_STR(said));
	return 0;
}

static int check_size(const struct mem_node *n, unsigned i, unsigned nodes, struct err *err)
{
	const char *option = nodes > 1 ? "--node" : "--memory";

	if (n->size < VM_MIN_NODE) {
		err_usage(err, "--nodes: %u nodes leave less than %s of RAM to node %u", nodes,
			  SIZE_STR(VM_MIN_NODE), i);
		return err_hint(err, "a larger --memory, or --node %u,memory=SIZE", i);
	}
	if (n->size % kinds[n->kind].page)
		return err_usage(err, "%s: %s is no multiple of %s, the page size of %s", option,
				 SIZE_STR(n->size), SIZE_STR(kinds[n->kind].page), kinds[n->kind].name);
	return 0;
}

/* Equal shares in whole pages; the last has what is left over. */
static int share_memory(const struct vm_mem_request *q, struct mem_node *mem, struct err *err)
{
	unsigned takers;
	uint64_t rest;
	int r = rest_of_memory(q, &rest, &takers, err);

	for (unsigned i = 0; i < q->nodes && r == 0; i++) {
		if (mem[i].size == 0) {
			mem[i].size = takers > 1 ?
					      align_down(rest / takers, kinds[mem[i].kind].page) :
					      rest;
			rest -= mem[i].size;
			takers--;
		}
		r = check_size(&mem[i], i, q->nodes, err);
	}
	return r;
}

static bool in(const uint64_t *words, unsigned n)
{
	return words[n / 64] >> (n % 64) & 1;
}

static bool has_cpus(const struct vm_mem_opts *o)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < VM_CPU_WORDS; i++)
		any |= o->cpus[i];
	return any != 0;
}

/* The CPUs that --node names, each once; NO_NODE for the others. */
#define NO_NODE 0xff

static int said_cpus(const struct vm_mem_request *q, uint8_t *cpu_node, struct err *err)
{
	memset(cpu_node, NO_NODE, VMM_MAX_CPUS);
	for (unsigned i = 0; i < q->nodes; i++) {
		for (unsigned n = 0; n < VMM_MAX_CPUS; n++) {
			if (!in(q->node[i].cpus, n))
				continue;
			if (n >= q->cpus)
				return err_usage(err, "--node %u: CPU %u is not there, the guest has %u "
						      "(--cpus)", i, n, q->cpus);
			if (cpu_node[n] != NO_NODE)
				return err_usage(err, "--node %u: CPU %u belongs to node %u already", i,
						 n, cpu_node[n]);
			cpu_node[n] = (uint8_t)i;
		}
	}
	return 0;
}

static int share_cpus(const struct vm_mem_request *q, uint8_t *cpu_node, struct err *err)
{
	unsigned takers = 0, left = 0, next = 0, done = 0;
	uint8_t taker[VMM_MAX_NODES] = { 0 };
	int r = said_cpus(q, cpu_node, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < q->nodes; i++)
		if (!has_cpus(&q->node[i]))
			taker[takers++] = (uint8_t)i;
	for (unsigned n = 0; n < q->cpus; n++)
		left += cpu_node[n] == NO_NODE;
	if (left < takers)
		return err_usage(err, "--nodes: %u nodes need at least as many CPUs (--cpus %u)",
				 q->nodes, q->cpus + takers - left);
	for (; next < q->cpus; next++) {
		if (cpu_node[next] != NO_NODE)
			continue;
		if (!takers)
			return err_usage(err, "--node: CPU %u belongs to no node", next);
		cpu_node[next] = taker[done++ * takers / left];
	}
	memset(cpu_node + q->cpus, 0, VMM_MAX_CPUS - q->cpus);
	return 0;
}

int vm_mem_opts_resolve(const struct vm_mem_request *q, struct mem_node mem[VMM_MAX_NODES],
			uint8_t cpu_node[VMM_MAX_CPUS], struct err *err)
{
	int r = 0;

	for (unsigned i = 0; i < q->nodes && r == 0; i++)
		r = fill_node(q, i, &mem[i], err);
	if (r == 0)
		r = share_memory(q, mem, err);
	return r < 0 ? r : share_cpus(q, cpu_node, err);
}

uint32_t vm_mem_opts_any_pages(const struct vm_mem_request *q)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < q->nodes; i++) {
		const struct vm_mem_opts *o = &q->node[i], *m = q->memory;

		if (o->kind == VM_KIND_UNSAID && m->kind == VM_KIND_UNSAID && !o->thp && !m->thp &&
		    !o->merge && !m->merge)
			mask |= 1u << i;
	}
	return mask;
}
