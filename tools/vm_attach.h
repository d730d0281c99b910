/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device of the host for a guest that runs: opened here, handed to its VMM. */
#ifndef TOOLS_VM_ATTACH_H
#define TOOLS_VM_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"

struct vm_client;

struct vm_attach {
	struct bdf bdf;
	const char *token; /* VF token, NULL or "": none */
	uint32_t node;	   /* of the guest */
	bool shared_intx;  /* also where others of the host use its line */
	unsigned nic;	   /* the network device whose primary it is, plus one; 0: none's */
};

/*
 * The function must be bound to a VFIO driver. 0; what opening its group and the VMM's
 * refusal give, in their words.
 */
int vm_attach_device(int root, struct vm_client *vm, const struct vm_attach *device,
		     struct err *err);

/* Ask the guest to let go of it, or (now) take it away. 0: that was asked, or done. */
int vm_detach_device(struct vm_client *vm, struct bdf bdf, bool now, struct err *err);

#endif
