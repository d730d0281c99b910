/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device of the host for a guest that runs: opened here, handed to its VMM. */
#ifndef TOOLS_VM_ATTACH_H
#define TOOLS_VM_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"

struct vm_client;
struct vm_opt_device;

/* A node of the guest's: the one that the device's node of the host is. */
#define VM_ATTACH_NEAR (-1)

struct vm_attach {
	struct bdf bdf;
	const char *token; /* VF token, NULL or "": none */
	int node;	   /* of the guest, or VM_ATTACH_NEAR; another one where no slot is empty there */
	bool only_node;	   /* but not another one */
	bool shared_intx;  /* also where others of the host use its line */
	unsigned nic;	   /* the network device whose primary it is, plus one; 0: none's */
	/* What the guest is to see of it; NULL, or nothing seen: what it saw the last time. */
	const struct vm_opt_device *words;
};

/* As words say it. They are lent. */
struct vm_attach vm_attach_by_words(struct bdf bdf, const struct vm_opt_device *words);

/*
 * The function must be bound to a VFIO driver. 0; -EBUSY: the display that this host's firmware started, with
 * its own ROM; what opening its group and its romfile and the VMM's
 * refusal give, in their words. That it is on another node than its own is warned of.
 */
int vm_attach_device(int root, struct vm_client *vm, const struct vm_attach *device,
		     struct err *err);

/*
 * Ask the guest to let go of it, or (now) take it away. 0: that was asked, or done, and who leaves
 * with it is told.
 */
int vm_detach_device(struct vm_client *vm, struct bdf bdf, bool now, struct err *err);

#endif
