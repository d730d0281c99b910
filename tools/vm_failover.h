/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network devices with failover (`vm run --nic vf=…,standby=…`): a virtio device, and a VF with
 * the same MAC that the guest has as long as that is well. What is decided is failover_state's;
 * here is what happens on the host and in the VMM, and what is done.
 */
#ifndef TOOLS_VM_FAILOVER_H
#define TOOLS_VM_FAILOVER_H

#include <stdbool.h>

#include "base/err.h"
#include "vmm/handover.h"

struct loop;
struct vm_failover;
struct vm_opts;

/*
 * Choose the VFs: one that is named is taken now or refused, of a pool one that is free. The
 * MAC of a NIC without `mac=` becomes that of its VF, if that has one. *ret is NULL
 * without any such NIC. opts outlives it. 0, or -errno with err set and nothing taken.
 */
int vm_failover_new(int root, struct vm_opts *opts, unsigned force, unsigned lock_timeout_s,
		    struct vm_failover **ret, struct err *err);

/* The NICs are open and have their MACs, which the VFs get. NULL is fine. 0 or -errno. */
int vm_failover_claim(struct vm_failover *f, struct vmm_config *config, struct err *err);

/*
 * The guest runs: watch the host. vm is its name on the control socket, sock the VMM's.
 * NULL is fine. 0 or -errno, with which the guest keeps its virtio devices.
 */
int vm_failover_start(struct vm_failover *f, struct loop *loop, const char *vm, int sock,
		      struct err *err);

/* The VMM says of a NIC, and of a device; NULL is fine. Whether the device is the VF of one. */
void vm_failover_nic(struct vm_failover *f, unsigned nic, enum vm_nic_event event);
bool vm_failover_device(struct vm_failover *f, enum vm_device_event event, const char *device);

/* No longer watch; the VFs have their MACs, which the journal knows. NULL is fine. */
void vm_failover_stop(struct vm_failover *f);

/* The leases end. NULL is fine. */
struct vm_failover *vm_failover_free(struct vm_failover *f);

#endif
