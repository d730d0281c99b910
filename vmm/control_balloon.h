/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory balloon of a running machine, as a method of the control socket. */
#ifndef VMM_CONTROL_BALLOON_H
#define VMM_CONTROL_BALLOON_H

#include <stdbool.h>

#include "vmm/jsonrpc.h"

struct machine;

/* See struct jsonrpc_method; opaque is the machine. */
extern const char *const control_balloon_params[];
int control_balloon(void *opaque, const json_t *params, json_t **ret, struct err *err);

/* What keeps a page that the guest gives back from being taken, in words for a user; 0: nothing. */
int control_balloon_refuse(const struct machine *m, struct err *err);

/* Whether RAM of this kind can be taken page by page at all. */
bool control_balloon_reporting(const struct machine *m);

/* What "balloon" answers; json_null(): the guest has none. NULL: out of memory. */
json_t *control_balloon_report(const struct machine *m);

#endif
