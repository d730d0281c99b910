/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A macvtap of the host behind a guest's network device. */
#ifndef TOOLS_VM_MACVTAP_H
#define TOOLS_VM_MACVTAP_H

#include "base/err.h"

struct vm_opt_nic;
struct vmm_nic;

/* Fills tap_fd of each pair, mac, host and mtu of ret. As vm_nic_open(). */
int vm_macvtap_open(int root, const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err);

#endif
