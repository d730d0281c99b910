/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taps behind a guest's network device: made on a bridge, or there already. */
#ifndef TOOLS_VM_TAP_H
#define TOOLS_VM_TAP_H

#include "base/err.h"

struct vm_opt_nic;
struct vmm_nic;

/* There is such a bridge or tap. As vm_nic_open(). */
int vm_tap_check(int root, const struct vm_opt_nic *nic, struct err *err);

/* Fills tap_fd of each pair, host and mtu of ret. As vm_nic_open(). */
int vm_tap_open(int root, const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err);

#endif
