/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be asked of a running machine: the methods of its control socket (docs/control.md). */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <jansson.h>

#include "vmm/jsonrpc.h"

struct machine;

/* What who subscribed is told of. */
enum control_event_type {
	CONTROL_PAUSED,
	CONTROL_RESUMED,
	CONTROL_REBOOT,
	CONTROL_DEVICE_ERROR,
	CONTROL_DEVICE_REQUEST,
	CONTROL_DEVICE_RESET,
	CONTROL_DEVICE_REMOVED,
	CONTROL_DEVICE_ADDED,
	CONTROL_NIC_MAC,
	CONTROL_NIC_LINK,
	CONTROL_BACKEND,
	CONTROL_NIC_FAILOVER,
	CONTROL_GUEST_PANICKED,
	CONTROL_WATCHDOG,
	CONTROL_END,
	CONTROL_EVENTS,
};

/* Both are in docs/control.schema.json, to which a test holds them. */
extern const struct jsonrpc_method control_methods[]; /* ends with an empty row */
extern const char *const control_event_names[CONTROL_EVENTS];

/* Serve the machine on a listening socket, which is taken over. 0 or -errno. */
int control_start(struct machine *m, int listen_fd);
void control_stop(struct machine *m);

/* The CPUs stand, until "resume": said so, unless it was before. Under vm_lock(). */
void control_paused(struct machine *m);

/* Tell whoever wants to hear of it; params is consumed, NULL: none. Under vm_lock(), or alone. */
void control_event(struct machine *m, enum control_event_type event, json_t *params);

#endif
