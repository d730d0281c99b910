/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --nic`: virtio network devices, and the taps of the host behind them. */
#ifndef TOOLS_VM_NIC_H
#define TOOLS_VM_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/handover.h"

struct vm_opt_nic {
	char bridge[IFNAMSIZ];
	bool has_mac;
	uint8_t mac[6];
};

/* "tap:BRIDGE[,mac=MAC]". 0 or -EINVAL with err set. */
int vm_nic_parse(const char *text, struct vm_opt_nic *ret, struct err *err);

/*
 * Make a tap on the bridge and open what serves it. It goes with its descriptor, so there is
 * nothing to put back. vm and index choose a MAC where none was said: the same at each start.
 * -ENODEV: no such bridge; -EPERM: not root; -ENOENT: no tun or vhost-net.
 */
int vm_nic_open(int root, const struct vm_opt_nic *nic, const char *vm, unsigned index,
		struct vmm_nic *ret, struct err *err);

#endif
