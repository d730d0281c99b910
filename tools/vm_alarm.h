/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done about a guest that panicked (--on-panic), or does not feed its watchdog (--watchdog). */
#ifndef TOOLS_VM_ALARM_H
#define TOOLS_VM_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct vmm_config;

struct vm_alarm {
	bool panic_said; /* --on-panic was given */
	uint32_t on_panic; /* enum vmm_action, as the next */
	bool watchdog;
	uint32_t watchdog_action;
};

int vm_alarm_panic_parse(const char *text, struct vm_alarm *ret, struct err *err);
int vm_alarm_watchdog_parse(const char *text, struct vm_alarm *ret, struct err *err);

/* A guest that is not to see a hypervisor does not see the port either, unless asked for. */
void vm_alarm_fill(const struct vm_alarm *a, bool hide_hypervisor, struct vmm_config *config);

#endif
