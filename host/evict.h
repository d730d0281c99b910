/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending who holds a device through VFIO. Its driver's remove() waits for them, for
 * ever with a VM that is stopped, and while it waits the kernel holds the device's
 * lock: so they are ended first, in a stated time.
 */
#ifndef HOST_EVICT_H
#define HOST_EVICT_H

#include "base/err.h"
#include "vfio/in_use.h"
#include "vfio/pci_function.h"

/* How long SIGTERM may take before SIGKILL, and that. Tests lower it. */
extern unsigned evict_wait_ms;

/*
 * End the VMs and processes that hold dev's VFIO node, as far as `force` (bits 1 <<
 * enum in_use_reason) allows: SIGTERM (to the supervisor, when it is a VM of ours),
 * after evict_wait_ms SIGKILL; one that is stopped gets SIGKILL at once. Each is
 * announced before it is done. A device of the host's drivers is left alone.
 * -ETIMEDOUT with err set for one that does not end even so.
 */
int evict_holders(int root, const struct pci_function *dev, unsigned force, struct err *err);

/* The same of every VF that pf has now. */
int evict_vf_holders(int root, struct bdf pf, unsigned force, struct err *err);

/* Those reasons together, for who accepts the loss of a PF's VFs (IN_USE_VF_IN_USE). */
#define EVICT_ANY (1u << IN_USE_VM | 1u << IN_USE_PROCESS)

/* Call fn with a line for each that evict_holders() would end; for --dry-run. 0 or -errno. */
int evict_preview(int root, const struct pci_function *dev, unsigned force,
		  void (*fn)(const char *line, void *opaque), void *opaque, struct err *err);

int evict_vf_preview(int root, struct bdf pf, unsigned force, void (*fn)(const char *line, void *opaque),
		     void *opaque, struct err *err);

#endif
