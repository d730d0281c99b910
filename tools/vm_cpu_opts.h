/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vm run --cpus` says: how many, and how they are made up. */
#ifndef TOOLS_VM_CPU_OPTS_H
#define TOOLS_VM_CPU_OPTS_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/layout.h"
#include "vmm/topology.h"

struct vm_cpu_opts {
	unsigned count;
	struct cpu_topology topology; /* as said, 0: not; whole after vm_cpu_opts_resolve() */
};

#define VM_CPU_OPTS_INIT { .count = 1 }

/* "N[,sockets=S][,dies=D][,cores=C][,threads=T]". -EINVAL with err set (usage). */
int vm_cpu_opts_parse(const char *text, struct vm_cpu_opts *ret, struct err *err);

/*
 * What was not said: one die, one thread, and a socket for each guest node. -EINVAL (usage)
 * when that is not the number of CPUs, when CPUs of two nodes would share a die, and when APIC
 * ids do not suffice. cpu_node: the guest node of each CPU.
 */
int vm_cpu_opts_resolve(struct vm_cpu_opts *o, unsigned nodes, const uint8_t *cpu_node,
			struct err *err);

#endif
