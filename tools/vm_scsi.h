/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --scsi`: targets of this host's kernel (LIO) that its vhost-scsi gives to the guest. */
#ifndef TOOLS_VM_SCSI_H
#define TOOLS_VM_SCSI_H

#include "base/err.h"
#include "vmm/handover.h"

struct vm_opt_scsi {
	char wwpn[VMM_WWPN_MAX + 1];
	unsigned queues; /* 1 to VMM_SCSI_QUEUES_MAX */
};

/* That no second guest takes one while ours has no driver for it: locks, by descriptors. */
struct vm_scsi_locks {
	unsigned count;
	int fd[HANDOVER_MAX_SCSI];
};

#define VM_SCSI_LOCKS_INIT { 0 }

/* "wwpn=WWPN[,queues=N]". 0 or -EINVAL with err set. */
int vm_scsi_parse(const char *text, struct vm_opt_scsi *ret, struct err *err);

/*
 * See that each target is there, has something to give and is nobody's, and open /dev/vhost-scsi for it.
 * What was locked and opened before a failure is ret's and config's. -ENOENT: no vhost-scsi; -ENODEV: no
 * such target, or it cannot serve; -EBUSY: something else has it; -EPROTO: the kernel's is another one.
 */
int vm_scsi_open(int root, const struct vm_opt_scsi *opts, unsigned count, struct vmm_config *config,
		 struct vm_scsi_locks *ret, struct err *err);
void vm_scsi_unlock(struct vm_scsi_locks *locks);

#endif
