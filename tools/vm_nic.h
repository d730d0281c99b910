/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --nic`: virtio network devices, and the interfaces of the host behind them. */
#ifndef TOOLS_VM_NIC_H
#define TOOLS_VM_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "tools/vm_backend.h"
#include "tools/vm_mem_opts.h"
#include "vmm/handover.h"

/* Of a tap: what fits a packet of 64 KiB with its Ethernet header. */
#define VM_NIC_MTU_MAX 65521
#define VM_NIC_VF_MAX 64
#define VM_NIC_VDPA_MAX 64

struct vm_opt_nic {
	char bridge[IFNAMSIZ];	/* or a tap that is there; "" with macvtap and a backend */
	char socket[VM_BACKEND_PATH]; /* of a backend; else "" */
	char macvtap[IFNAMSIZ]; /* one that is there; "" with a tap */
	char vdpa[VM_NIC_VDPA_MAX]; /* a vDPA device (tools/vm_vdpa.h); else "" */
	bool no_vhost;
	enum vm_switch packed; /* rings */
	bool has_mac;
	uint8_t mac[6];
	unsigned queues; /* pairs; 1 to VMM_NIC_PAIRS_MAX */
	unsigned mtu;	 /* 0: not said */
	char vf[VM_NIC_VF_MAX]; /* for which it stands by (tools/failover_opts.h); "": for none */
};

/* "tap:BRIDGE|TAP", "macvtap:DEV", "vhost-user:SOCK" or "vdpa:DEV", and words behind a comma each. 0 or -EINVAL with err set. */
int vm_nic_parse(const char *text, struct vm_opt_nic *ret, struct err *err);

/* Six bytes in hexadecimal, of one device, and not all zero. */
bool vm_nic_parse_mac(const char *text, uint8_t ret[6]);

/* One that owns no descriptor yet. */
void vm_nic_init(struct vmm_nic *nic);

/*
 * Make a tap on the bridge, or take the tap or macvtap that is there, and open what serves it. All goes
 * with the descriptors, so there is nothing to put back. vm and index choose a MAC where none was said:
 * the same at each start. What was opened is ret's, also on failure.
 * To a backend a connection is made, as vm_backend_connect() does; vm_vdpa_open() opens a vDPA device.
 * -ENODEV: no such interface; -EPERM: not root; -EBUSY: somebody has it; -ENOENT: no tun or vhost-net.
 */
int vm_nic_open(int root, const struct vm_opt_nic *nic, const char *vm, unsigned index,
		struct vmm_nic *ret, struct err *err);

#endif
