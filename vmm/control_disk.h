/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio disks of a running machine, as a method of the control socket. */
#ifndef VMM_CONTROL_DISK_H
#define VMM_CONTROL_DISK_H

#include "vmm/jsonrpc.h"

/* See struct jsonrpc_method; opaque is the machine. */
extern const char *const control_disk_params[];
int control_disk(void *opaque, const json_t *params, json_t **ret, struct err *err);

#endif
