/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vm run --memory` says of RAM, and `--node` of one guest node's: parsed, and resolved. */
#ifndef TOOLS_VM_MEM_OPTS_H
#define TOOLS_VM_MEM_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/layout.h"
#include "vmm/mem.h"

/* A guest this small boots no Linux; one this large is a typing error. */
#define VM_MIN_MEMORY (16ull << 20)
#define VM_MAX_MEMORY (16ull << 40)
/* Of --node: a whole guest's least is more than one of its nodes needs. */
#define VM_MIN_NODE   (16ull << 20)

enum vm_host_node {
	VM_HOST_UNSAID, /* chosen: the devices' node, or one node each */
	VM_HOST_NONE,
	VM_HOST_LIST,
};

enum vm_switch { VM_UNSAID, VM_ON, VM_OFF };

#define VM_KIND_UNSAID ((enum mem_kind)-1)
#define VM_CPU_WORDS   ((VMM_MAX_CPUS + 63) / 64)

/* One option's words. What it leaves unsaid has a value for that. */
struct vm_mem_opts {
	bool said; /* the option was given */
	uint64_t size; /* bytes; 0 */
	enum mem_kind kind; /* VM_KIND_UNSAID */
	enum vm_host_node host;
	uint64_t host_nodes[MEM_NODE_WORDS];
	enum mem_policy policy; /* MEM_UNBOUND */
	unsigned threads; /* 0: chosen */
	enum vm_switch thp, merge, lock, dump;
	uint64_t cpus[VM_CPU_WORDS]; /* of --node: guest CPUs; empty */
};

#define VM_MEM_OPTS_INIT { .kind = VM_KIND_UNSAID }

/*
 * "SIZE[,KEY=VALUE]…" of --memory. -EINVAL with err set (usage) for what is no size, one out of
 * VM_MIN..VM_MAX_MEMORY, an unknown word, or words that contradict each other.
 */
int vm_mem_opts_memory(const char *text, struct vm_mem_opts *ret, struct err *err);

/* "N[,KEY=VALUE]…" of --node, into nodes[N]; -EINVAL also when that was given before. */
int vm_mem_opts_node(const char *text, struct vm_mem_opts nodes[VMM_MAX_NODES], struct err *err);

/* The word for a kind: "hugetlb-2M". */
const char *vm_mem_kind_name(enum mem_kind kind);

/* How the guest's RAM and CPUs are shared out, but for what the host has to say about it. */
struct vm_mem_request {
	unsigned nodes, cpus;
	unsigned devices;
	const char *shared; /* the option for which other processes have it, too; NULL: none */
	const struct vm_mem_opts *memory;
	const struct vm_mem_opts *node; /* VMM_MAX_NODES of them */
	bool reached; /* by devices that may be another process's, or simulated: these reach no private memory */
};

/*
 * Sizes, kinds, switches and threads of all nodes (host nodes and CPUs are left to
 * vm_nodes_place()), and which node has which CPU. Sizes not said are equal shares of the
 * rest. -EINVAL (usage) for sums that do not agree and combinations that cannot work.
 */
int vm_mem_opts_resolve(const struct vm_mem_request *q, struct mem_node mem[VMM_MAX_NODES],
			uint8_t cpu_node[VMM_MAX_CPUS], struct err *err);

/* Of which nodes nothing is said that decides the kind of pages: backend=, thp=, merge=. A bit each. */
uint32_t vm_mem_opts_any_pages(const struct vm_mem_request *q);

#endif
