/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --disk`: files and block devices of this host as virtio disks. */
#ifndef TOOLS_VM_DISK_H
#define TOOLS_VM_DISK_H

#include <stdbool.h>

#include "base/err.h"
#include "tools/vm_mem_opts.h"
#include "vmm/handover.h"

enum vm_disk_direct { VM_DISK_DIRECT_AUTO, VM_DISK_DIRECT_ON, VM_DISK_DIRECT_OFF };

struct vm_opt_disk {
	char path[1024];
	bool vhost_user; /* path is a socket of who serves it */
	bool readonly, no_discard, thread, iothread;
	enum vm_switch packed; /* rings */
	enum vm_disk_direct direct; /* past the host's page cache; auto: where the file can */
	unsigned queues;	    /* 1 to 8 */
	char serial[VMM_DISK_SERIAL_MAX + 1];
};

/*
 * "FILE[,readonly][,serial=TEXT][,direct=on|off][,discard=on|off][,io=thread][,iothread=on|off]
 * [,queues=N][,packed=on|off]", or "vhost-user:SOCK[,queues=N]". 0 or -EINVAL with err set.
 */
int vm_disk_parse(const char *text, struct vm_opt_disk *ret, struct err *err);

/*
 * Open and lock it (or connect to who serves it, as vm_backend_connect()), for as long as the descriptor is open: two guests would destroy what is on it.
 * -EBUSY: another has it, or the host (a mounted block device); -EINVAL: neither file nor block
 * device, too short, or O_DIRECT asked of what has none; of open().
 */
int vm_disk_open(const struct vm_opt_disk *opts, struct vmm_disk *ret, struct err *err);

#endif
