/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the guest's CPUs are made up: threads in a core, cores in a die (which share its last
 * cache), dies in a socket. CPUs are numbered through, innermost first; an APIC id has a field
 * of whole bits for each of these, so ids have gaps where a count is no power of two.
 */
#ifndef VMM_TOPOLOGY_H
#define VMM_TOPOLOGY_H

#include <stdint.h>

/* 255 is broadcast, and more than eight bits need an IOMMU of the guest's own. */
#define TOPOLOGY_MAX_ID 254u

struct cpu_topology {
	uint16_t sockets, dies, cores, threads; /* dies of a socket, cores of a die, … */
};

/* Bits of an APIC id that number what is inside each. */
struct topology_shifts {
	unsigned core, die, socket;
};

static inline unsigned topology_bits(unsigned n)
{
	return n <= 1 ? 0 : 32 - (unsigned)__builtin_clz(n - 1);
}

static inline struct topology_shifts topology_shifts(const struct cpu_topology *t)
{
	struct topology_shifts s;

	s.core = topology_bits(t->threads);
	s.die = s.core + topology_bits(t->cores);
	s.socket = s.die + topology_bits(t->dies);
	return s;
}

static inline unsigned topology_cpus(const struct cpu_topology *t)
{
	return (unsigned)t->sockets * t->dies * t->cores * t->threads;
}

/* CPUs that share the last cache. */
static inline unsigned topology_die_cpus(const struct cpu_topology *t)
{
	return (unsigned)t->cores * t->threads;
}

static inline unsigned topology_apic_id(const struct cpu_topology *t, unsigned cpu)
{
	struct topology_shifts s = topology_shifts(t);
	unsigned thread, core, die;

	if (!t->threads) /* nothing said: as they are counted */
		return cpu;
	thread = cpu % t->threads;
	cpu /= t->threads;
	core = cpu % t->cores;
	cpu /= t->cores;
	die = cpu % t->dies;
	return cpu / t->dies << s.socket | die << s.die | core << s.core | thread;
}

#endif
