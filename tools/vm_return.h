/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that an error took out of a guest, and how they come back: nobody tells a
 * VMM that the host's recovery has ended, so `vm run` looks.
 */
#ifndef TOOLS_VM_RETURN_H
#define TOOLS_VM_RETURN_H

#include <sys/types.h>

#include "base/bdf.h"
#include "base/err.h"
#include "vmm/handover.h"

struct loop;
struct vm_return;

struct vm_return_config {
	int root;
	struct loop *loop;
	const char *vm; /* its name: who is asked to take them back */
	pid_t vmm;
	const struct vmm_device *devices; /* of the guest, as it started */
	unsigned count;
};

/* config's name is borrowed and outlives it. 0 or -errno with err set. */
int vm_return_new(const struct vm_return_config *config, struct vm_return **ret, struct err *err);
struct vm_return *vm_return_free(struct vm_return *r); /* NULL is fine */

/* The VMM says of a device; r NULL is fine. */
void vm_return_event(struct vm_return *r, enum vm_device_event event, const char *device);

/*
 * And that it has one, which is watched from now on: its name, token, node and whether it may share
 * its interrupt line are as the VMM says they were given. One whose group the VMM does not have is not, and said.
 */
void vm_return_added(struct vm_return *r, const struct vmm_device *device);

#endif
