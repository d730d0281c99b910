/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of the host's CPU while the guest's has nothing to do. */
#ifndef VMM_IDLE_H
#define VMM_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Instructions that stay in the guest instead of giving the host its CPU. */
enum { IDLE_KEEP_HLT = 1, IDLE_KEEP_PAUSE = 2, IDLE_KEEP_MWAIT = 4 };

struct vm_idle {
	bool poll;	  /* poll_ns was said */
	uint32_t poll_ns; /* how long KVM looks for an interrupt before the thread sleeps */
	uint32_t keep;	  /* IDLE_KEEP_… */
};

struct vm;

/* Between vm_new() and vcpus_new(). Costs nothing where nothing is said. 0 or -errno, err set. */
int vm_set_idle(struct vm *vm, const struct vm_idle *idle, struct err *err);

#endif
