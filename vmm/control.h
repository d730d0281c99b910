/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be asked of a running machine: the methods of its control socket (docs/control.md). */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <jansson.h>

struct machine;

/* Serve the machine on a listening socket, which is taken over. 0 or -errno. */
int control_start(struct machine *m, int listen_fd);
void control_stop(struct machine *m);

/* Tell whoever wants to hear of it; params is consumed, NULL: none. */
void control_event(struct machine *m, const char *event, json_t *params);

#endif
