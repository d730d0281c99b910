/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --nic vdpa:DEV`: a vDPA device of this host. */
#ifndef TOOLS_VM_VDPA_H
#define TOOLS_VM_VDPA_H

#include "base/err.h"
#include "tools/vm_nic.h"

/* Its name, as `vdpa dev show` has it, or its node's: vhost-vdpa-N, /dev/vhost-vdpa-N. 0 or -EINVAL. */
int vm_vdpa_parse(const char *name, char ret[VM_NIC_VDPA_MAX], struct err *err);

/*
 * Open its node, which one process at a time can. -ENODEV: there is none, or it is not vhost-vdpa's;
 * -EBUSY: something else has it; -EINVAL: it is no network device; -EACCES.
 */
int vm_vdpa_open(int root, const char *name, struct vmm_nic *ret, struct err *err);

#endif
