/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the VMM may lock and open, and how far its threads may go before others: it inherits ours. */
#ifndef TOOLS_VMM_LIMITS_H
#define TOOLS_VMM_LIMITS_H

#include <stdint.h>

#include "base/err.h"

struct vmm_limits {
	uint64_t memlock; /* bytes the VMM may pin */
	uint64_t memlock_later; /* and with a device that comes later: as far as we may, silently */
	uint64_t nofile; /* descriptors: as far as we may, and what is lacking is warned of */
	/*
	 * And with an eventfd for each vector that its devices could have at most: as far as we may,
	 * silently, since the VMM knows how many they have and tells what it lacks (irqfd_reserve()).
	 */
	uint64_t nofile_vectors;
	uint64_t rtprio; /* of SCHED_FIFO, until its CPUs run; 0: none */
};

/* Of this process. -EPERM with the number needed where memlock or rtprio cannot be raised. */
int vmm_limits_raise(const struct vmm_limits *limits, struct err *err);

#endif
