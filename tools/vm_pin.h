/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On which CPUs of the host the guest's run: --pin and --sched, and what speaks against them. */
#ifndef TOOLS_VM_PIN_H
#define TOOLS_VM_PIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"
#include "vmm/handover.h"

struct vm_pin {
	unsigned count; /* 0: not pinned */
	uint16_t cpu[VMM_MAX_CPUS]; /* of the host, for CPU 0, 1, … of the guest */
	unsigned fifo; /* priority of SCHED_FIFO; 0: the scheduler of everybody */
};

/* "4,6,8-11": a host CPU for each of the guest's, in this order. -EINVAL with err set (usage). */
int vm_pin_parse(const char *text, struct vm_pin *ret, struct err *err);

/* "fifo[:PRIO]". -EINVAL with err set (usage). */
int vm_pin_sched_parse(const char *text, struct vm_pin *ret, struct err *err);

/*
 * Whether the host has these CPUs and lets us run there; what makes them slow is a warning each, but how
 * deeply they sleep if they will be kept awake. Reads only. -ENODEV, -EBUSY (offline) or -EPERM
 * (cpuset) with err set.
 */
int vm_pin_check(int root, const struct vm_pin *pin, const struct bdf *devices, unsigned count,
		 bool awake, struct err *err);

/*
 * This process, and what it starts, leaves these CPUs to the guest. -EINVAL (usage) when it would
 * have none left.
 */
int vm_pin_keep_off(const struct vm_pin *pin, struct err *err);

#endif
