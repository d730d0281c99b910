/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The failover of a running machine's network devices, as far as the control socket and the supervisor go. */
#ifndef VMM_CONTROL_FAILOVER_H
#define VMM_CONTROL_FAILOVER_H

#include <jansson.h>

#include "base/err.h"

struct machine;
struct vmm_nic_state;

/* Of network device i; json_null() for one without. */
json_t *control_failover_report(const struct machine *m, unsigned i);

/* Asked for: "standby" or "primary", of the device that params names, or of the only one. */
int control_failover_use(struct machine *m, const json_t *params, const char *use, struct err *err);

/* The supervisor, who does it, says of one; checked by handover_next_command(). */
void control_failover_told(struct machine *m, const struct vmm_nic_state *state);

void control_failover_fini(struct machine *m);

#endif
