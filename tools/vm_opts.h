/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of `thruway vm run`, as data. */
#ifndef TOOLS_VM_OPTS_H
#define TOOLS_VM_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/handover.h"
#include "vmm/mem.h"

/* A guest this small boots no Linux; one this large is a typing error. */
#define VM_MIN_MEMORY (16ull << 20)
#define VM_MAX_MEMORY (16ull << 40)

struct vm_opt_device {
	char name[64];	/* as the user wrote it: BDF, netdev, eth0/vf3 */
	char token[40]; /* VF token, a UUID; "": none */
};

struct vm_opts {
	const char *kernel; /* this and the next three borrowed from argv */
	const char *initrd;
	const char *cmdline;
	const char *stats; /* file that receives counts as JSON at the end */
	struct vm_opt_device devices[HANDOVER_MAX_DEVICES];
	unsigned device_count;
	uint64_t memory; /* bytes */
	enum mem_kind mem_kind;
	unsigned cpus;
	unsigned nodes; /* guest NUMA nodes */
	unsigned hotplug_slots;
	uint64_t hotplug_pref; /* bytes; 0: the VMM's choice */
	bool bind;	/* bind to a vfio driver first, put back at exit */
	bool no_reboot;
};

struct ctx;

/*
 * Parse and check everything that needs no look at the host; the common options
 * (--force, --lock-timeout, -v, --help) go to ctx. argv[0] is "run". 0; -EINVAL
 * with err saying which option and value (usage: exit 2); -ECANCELED after --help.
 */
int vm_opts_parse(struct ctx *ctx, int argc, char **argv, struct vm_opts *ret, struct err *err);

/* As many as there are 32-bit windows for, with room left for devices. */
#define VM_MAX_HOTPLUG_SLOTS 16
/* More than any BAR there is. */
#define VM_MAX_WINDOW (1ull << 40)

/*
 * "SIZE[,backend=anon|memfd|hugetlb-2M|hugetlb-1G]". -EINVAL for what is no size,
 * 0, outside VM_MIN..VM_MAX_MEMORY, or no multiple of the backend's page size.
 */
int vm_opts_memory(const char *text, uint64_t *ret_bytes, enum mem_kind *ret_kind,
		   struct err *err);

/* The command's own part of --help. */
extern const char vm_run_help[];

#endif
