/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of `thruway vm run`, as data. */
#ifndef TOOLS_VM_OPTS_H
#define TOOLS_VM_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "host/vm_file.h"
#include "tools/irq_keeper.h"
#include "tools/vm_alarm.h"
#include "tools/vm_cpu_opts.h"
#include "tools/vm_device_opts.h"
#include "tools/vm_mem_opts.h"
#include "tools/vm_disk.h"
#include "tools/vm_fs.h"
#include "tools/vm_nic.h"
#include "tools/vm_pin.h"
#include "tools/vm_port.h"
#include "tools/vm_scsi.h"
#include "tools/vm_slot_opts.h"
#include "tools/vm_vsock.h"
#include "vmm/cpu_model.h"
#include "vmm/handover.h"
#include "vmm/idle.h"

struct vm_opts {
	struct vm_file file; /* of the VM; no words: none */
	const char *kernel; /* this and the next four borrowed from argv, or the file */
	const char *initrd;
	const char *cmdline;
	const char *name;  /* of its control socket; NULL: its pid */
	const char *stats; /* file that receives counts as JSON at the end */
	struct vm_opt_device devices[HANDOVER_MAX_DEVICES];
	unsigned device_count;
	struct vm_opt_nic nics[HANDOVER_MAX_NICS]; /* --nic */
	unsigned nic_count;
	struct vm_opt_disk disks[HANDOVER_MAX_DISKS]; /* --disk */
	unsigned disk_count;
	struct vm_opt_fs fs[HANDOVER_MAX_FS]; /* --fs */
	unsigned fs_count;
	struct vm_opt_scsi scsi[HANDOVER_MAX_SCSI]; /* --scsi */
	unsigned scsi_count;
	struct vm_opt_vsock vsock; /* --vsock */
	struct vm_opt_port ports[HANDOVER_MAX_PORTS]; /* --port */
	unsigned port_count;
	enum vm_switch packed; /* --rings: of devices of which nothing is said */
	bool virtio_console; /* --console virtio */
	struct vm_mem_opts memory; /* --memory */
	struct vm_mem_opts node[VMM_MAX_NODES]; /* --node */
	struct vm_cpu_opts cpus; /* --cpus */
	struct cpu_model cpu; /* --cpu */
	struct vm_pin pin; /* --pin, --sched */
	struct vm_idle idle; /* --halt-poll, --no-exits */
	bool low_latency; /* --latency low */
	struct irq_place irq; /* --irq */
	unsigned nodes; /* guest NUMA nodes */
	struct vm_slot_opts slots; /* --hotplug-slots */
	bool bind;	/* bind to a vfio driver first, put back at exit */
	bool no_reboot;
	bool rng; /* an entropy device */
	bool balloon; /* a memory balloon */
	struct vm_alarm alarm; /* --on-panic, --watchdog */
};

struct ctx;

/*
 * Parse and check everything that needs no look at the host; the common options
 * (--force, --lock-timeout, -v, --help) go to ctx. argv[0] is "run"; an operand is a VM's
 * file (host/vm_file.h). 0, to be ended by vm_opts_fini(); -EINVAL with err saying which option,
 * or place in the file, and value (usage: exit 2); -ECANCELED after --help; -errno of the file.
 */
int vm_opts_parse(struct ctx *ctx, int argc, char **argv, struct vm_opts *ret, struct err *err);

void vm_opts_fini(struct vm_opts *o);

#define VM_DEFAULT_MEMORY (512ull << 20)

/* What they say of RAM and nodes, for vm_mem_opts_resolve(); borrows from o. */
void vm_opts_mem(const struct vm_opts *o, struct vm_mem_request *ret);

/* Of network devices those that are vDPA devices of the host: each may pin all RAM. */
unsigned vm_opts_vdpas(const struct vm_opts *o);

/* The command's own part of --help. */
extern const char vm_run_help[];

#endif
