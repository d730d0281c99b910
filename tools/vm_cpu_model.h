/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vm run --cpu` says of the guest's processor. */
#ifndef TOOLS_VM_CPU_MODEL_H
#define TOOLS_VM_CPU_MODEL_H

#include "base/err.h"
#include "vmm/cpu_model.h"

/*
 * "host[,-FEATURE]…[,+nested][,realtime][,hide-hypervisor][,vendor-id=ID]"; features by their names in
 * /proc/cpuinfo. -EINVAL with err set (usage).
 */
int vm_cpu_model_parse(const char *text, struct cpu_model *ret, struct err *err);

/*
 * Whether the host can, and what else goes with the features that are taken away: it is added, and what
 * the host has of it is warned of. Looks only where something was asked for. -EOPNOTSUPP with err
 * set, and m as it was.
 */
int vm_cpu_model_resolve(int root, struct cpu_model *m, struct err *err);

#endif
