/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that panicked, or feeds its watchdog no more: who is told, and what is done about it. */
#ifndef VMM_CONTROL_ALARM_H
#define VMM_CONTROL_ALARM_H

#include <stdbool.h>

#include <jansson.h>

struct machine;

/* struct pvpanic_owner's and struct watchdog_owner's; opaque is the machine. */
void control_alarm_panicked(void *opaque, bool crash_kernel);
void control_alarm_watchdog(void *opaque);

/* Of the watchdog, for "status"; json_null(): there is none. */
json_t *control_alarm_report(const struct machine *m);

#endif
