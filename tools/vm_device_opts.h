/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --device` and `vm attach`, DEV[,WORD=VALUE]…: one device and what the guest is to see of it. */
#ifndef TOOLS_VM_DEVICE_OPTS_H
#define TOOLS_VM_DEVICE_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/handover.h"

struct vm_opt_device {
	char name[64];	/* as the user wrote it: BDF, netdev, eth0/vf3 */
	char token[40]; /* VF token, a UUID; "": none */
	enum vmm_rom rom;
	const char *romfile; /* of VMM_ROM_FILE; borrowed from the text */
	uint32_t clique;     /* as in struct vmm_device, and so the next */
	bool move_msix;
	bool shared_intx; /* also where others of the host use its line */
	unsigned node;	  /* of the guest, plus one; 0: that of its host's */
	bool seen;	  /* rom, clique or move_msix was said */
};

/* what begins messages: "--device". 0 or -EINVAL (usage) with err set. */
int vm_device_opts_parse(const char *what, const char *text, struct vm_opt_device *ret,
			 struct err *err);

#endif
