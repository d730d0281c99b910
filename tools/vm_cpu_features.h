/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Features of processors by name, and which is nothing without which. */
#ifndef TOOLS_VM_CPU_FEATURES_H
#define TOOLS_VM_CPU_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/cpu_model.h"

struct cpu_feature {
	const char *name; /* as in /proc/cpuinfo */
	enum cpu_word word;
	unsigned bit;
};

/* All of them, by name. */
const struct cpu_feature *cpu_features(size_t *ret_count);

/* NULL: none of that name. */
const struct cpu_feature *cpu_feature_find(const char *name);

bool cpu_feature_in(const struct cpu_feature *f, const uint32_t words[CPU_WORDS]);

/* Add to these features all that need one of them. */
void cpu_features_take_along(uint32_t hidden[CPU_WORDS]);

#endif
