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

/* Every 64-bit processor has it and its guests need it, so that it cannot be taken away. */
bool cpu_feature_is_baseline(const char *name);

/* A flag of Linux's all the same, and no word that is written wrong. */
bool cpu_feature_is_fixed(const char *name);

/* Add all bits that tell of it. */
void cpu_feature_hide(const struct cpu_feature *f, uint32_t hidden[CPU_WORDS]);

bool cpu_feature_in(const struct cpu_feature *f, const uint32_t words[CPU_WORDS]);

/* Add to these features all that need one of them. */
void cpu_features_take_along(uint32_t hidden[CPU_WORDS]);

#endif
