/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --fs`: directories of this host that a process here serves (vhost-user-fs). */
#ifndef TOOLS_VM_FS_H
#define TOOLS_VM_FS_H

#include "base/err.h"
#include "tools/vm_backend.h"
#include "vmm/handover.h"

struct vm_opt_fs {
	char socket[VM_BACKEND_PATH];
	char tag[VMM_FS_TAG_MAX + 1];
};

/* "vhost-user:SOCK,tag=NAME". 0 or -EINVAL with err set. */
int vm_fs_parse(const char *text, struct vm_opt_fs *ret, struct err *err);

/* Connect to who serves it. As vm_backend_connect(). */
int vm_fs_open(const struct vm_opt_fs *opts, struct vmm_fs *ret, struct err *err);

#endif
