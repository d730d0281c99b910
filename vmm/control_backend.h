/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that serve devices (vhost-user): who hears that one is gone, and how another comes. */
#ifndef VMM_CONTROL_BACKEND_H
#define VMM_CONTROL_BACKEND_H

#include <stdbool.h>

#include <jansson.h>

#include "vmm/vm.h"

struct machine;
struct vmm_backend;

/* vm->on_backend: the supervisor, who brings another, and those who watch. */
void control_backend_event(void *opaque, enum vm_backend_device what, unsigned index, bool there);

/* The supervisor brings one; fd is taken. */
void control_backend_arrived(struct machine *m, const struct vmm_backend *backend, int fd);

/* Of the file systems, for a report. */
json_t *control_backend_fs(const struct machine *m);

#endif
