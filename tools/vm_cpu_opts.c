// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_cpu_opts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/size.h"

#define WORDS_HINT "sockets=, dies= (of a socket), cores= (of a die), threads= (of a core: 1 or 2)"

static int count_parse(const char *text, unsigned *ret, struct err *err)
{
	uint64_t n;
	int r = uint_parse(text, VMM_MAX_CPUS, &n);

	if (r == 0 && n > 0) {
		*ret = (unsigned)n;
		return 0;
	}
	err_usage(err, "--cpus: '%s' is not a number from 1 to %u", text, VMM_MAX_CPUS);
	if (r == -ERANGE)
		err_hint(err, "more than %u would need x2APIC ids in interrupts, which a guest "
			      "without an IOMMU of its own cannot use", VMM_MAX_CPUS);
	return -EINVAL;
}

static uint16_t *field(struct cpu_topology *t, const char *word, size_t len)
{
	static const char *const names[] = { "sockets", "dies", "cores", "threads" };
	uint16_t *const fields[] = { &t->sockets, &t->dies, &t->cores, &t->threads };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && memcmp(word, names[i], len) == 0)
			return fields[i];
	return NULL;
}

static int take_word(const char *word, struct cpu_topology *t, struct err *err)
{
	const char *equals = strchrnul(word, '=');
	uint16_t *f = field(t, word, (size_t)(equals - word));
	uint64_t n;

	if (!f || !*equals) {
		err_usage(err, "--cpus: '%s' is not among its words", word);
		return err_hint(err, WORDS_HINT);
	}
	if (*f)
		return err_usage(err, "--cpus: %.*s= is given twice", (int)(equals - word), word);
	if (uint_parse(equals + 1, f == &t->threads ? 2 : VMM_MAX_CPUS, &n) < 0 || n == 0) {
		err_usage(err, "--cpus: '%s' is not possible", word);
		return err_hint(err, WORDS_HINT);
	}
	*f = (uint16_t)n;
	return 0;
}

int vm_cpu_opts_parse(const char *text, struct vm_cpu_opts *ret, struct err *err)
{
	struct vm_cpu_opts o = { 0 };
	char copy[128], *rest = copy, *word;
	int r;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_usage(err, "--cpus: '%s' is too long", text);
	r = count_parse(strsep(&rest, ","), &o.count, err);
	while (r == 0 && (word = strsep(&rest, ",")))
		r = take_word(word, &o.topology, err);
	if (r == 0)
		*ret = o;
	return r;
}

/* --- what was not said -------------------------------------------------------------------------- */

/* The highest is that of the last CPU. */
static bool ids_suffice(const struct cpu_topology *t)
{
	return topology_apic_id(t, topology_cpus(t) - 1) <= TOPOLOGY_MAX_ID;
}

/* The first CPU on another node than others of its die; 0: there is none. */
static unsigned node_breaks(const struct cpu_topology *t, unsigned cpus, const uint8_t *cpu_node)
{
	unsigned n = topology_die_cpus(t);

	for (unsigned i = 0; i < cpus; i++)
		if (cpu_node[i] != cpu_node[i - i % n])
			return i;
	return 0;
}

/* As many as the first node has that follow each other, if all sockets can be so. */
static void socket_per_node(struct vm_cpu_opts *o, const uint8_t *cpu_node)
{
	unsigned n = 1;

	while (n < o->count && cpu_node[n] == cpu_node[0])
		n++;
	o->topology = (struct cpu_topology){ (uint16_t)(o->count / n), 1, (uint16_t)n, 1 };
	/* CPUs of two nodes with a cache in common are a broken machine to Linux. */
	if (o->count % n || node_breaks(&o->topology, o->count, cpu_node) ||
	    !ids_suffice(&o->topology))
		o->topology = (struct cpu_topology){ (uint16_t)o->count, 1, 1, 1 };
}

static void fill(struct vm_cpu_opts *o, unsigned nodes)
{
	struct cpu_topology *t = &o->topology;
	unsigned rest;

	if (!t->threads)
		t->threads = 1;
	if (!t->dies)
		t->dies = 1;
	rest = o->count / (t->threads * t->dies); /* sockets times cores */
	if (!t->sockets)
		t->sockets = (uint16_t)(t->cores ? rest / t->cores : nodes);
	if (!t->sockets)
		t->sockets = 1;
	if (!t->cores)
		t->cores = (uint16_t)(rest / t->sockets ? rest / t->sockets : 1);
}

static bool all_unsaid(const struct cpu_topology *t)
{
	return !t->sockets && !t->dies && !t->cores && !t->threads;
}

int vm_cpu_opts_resolve(struct vm_cpu_opts *o, unsigned nodes, const uint8_t *cpu_node,
			struct err *err)
{
	struct cpu_topology *t = &o->topology;
	unsigned alien;

	if (all_unsaid(t)) {
		socket_per_node(o, cpu_node);
		return 0;
	}
	fill(o, nodes);
	if (topology_cpus(t) != o->count) {
		err_usage(err, "--cpus: %u sockets of %u dies of %u cores of %u threads are %u CPUs, not %u",
			  t->sockets, t->dies, t->cores, t->threads, topology_cpus(t), o->count);
		return err_hint(err, "what is left out is 1, but sockets= and cores= what is left of the "
				     "number");
	}
	alien = node_breaks(t, o->count, cpu_node);
	if (alien) {
		err_usage(err, "--cpus: CPU %u is on guest node %u and shares a die with CPU %u, which is "
			       "on node %u", alien, cpu_node[alien], alien - alien % topology_die_cpus(t),
			  cpu_node[alien - alien % topology_die_cpus(t)]);
		return err_hint(err, "make the sockets or dies as large as the nodes, or give the nodes "
				     "other CPUs (--node N,cpus=LIST)");
	}
	if (!ids_suffice(t)) {
		err_usage(err, "--cpus: the last of these CPUs would have APIC id %u, and %u is the last "
			       "there is", topology_apic_id(t, o->count - 1), TOPOLOGY_MAX_ID);
		return err_hint(err, "each count takes whole bits of the id: powers of two waste none");
	}
	return 0;
}
