/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that come and go while the machine runs, as methods of the control socket. */
#ifndef VMM_CONTROL_DEVICE_H
#define VMM_CONTROL_DEVICE_H

#include "vmm/jsonrpc.h"

/* See struct jsonrpc_method; opaque is the machine. */
extern const char *const control_attach_params[], *const control_detach_params[];
int control_attach(void *opaque, const json_t *params, json_t **ret, struct err *err);
int control_detach(void *opaque, const json_t *params, json_t **ret, struct err *err);

#endif
