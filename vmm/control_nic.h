/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network devices of a running machine, as a method of the control socket. */
#ifndef VMM_CONTROL_NIC_H
#define VMM_CONTROL_NIC_H

#include "vmm/jsonrpc.h"

struct machine;

/* See struct jsonrpc_method; opaque is the machine. */
extern const char *const control_nic_params[];
/* A number of a network device that is none: -EINVAL with err set. */
int control_nic_refuse(const struct machine *m, const json_t *value, struct err *err);

int control_nic(void *opaque, const json_t *params, json_t **ret, struct err *err);

#endif
