/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --vsock`: sockets between this host and the guest, and the guest's address. */
#ifndef TOOLS_VM_VSOCK_H
#define TOOLS_VM_VSOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct vmm_config;

struct vm_opt_vsock {
	bool wanted;
	uint32_t cid; /* 0: any that is free */
};

/* "cid=N" or "cid=auto". 0 or -EINVAL with err set. */
int vm_vsock_parse(const char *text, struct vm_opt_vsock *ret, struct err *err);

/*
 * Open /dev/vhost-vsock and take the address, both into config. It is free again when the last
 * descriptor is closed, so there is nothing to put back. -EADDRINUSE: another guest has it;
 * -ENOENT: no vhost-vsock; -EACCES.
 */
int vm_vsock_open(int root, const struct vm_opt_vsock *opts, struct vmm_config *config,
		  struct err *err);

#endif
