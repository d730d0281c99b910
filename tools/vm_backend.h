/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `vm run`: processes of this host that serve a guest's devices (vhost-user). The VMM may reach no path,
 * so we connect to them, at the start and whenever one was gone.
 */
#ifndef TOOLS_VM_BACKEND_H
#define TOOLS_VM_BACKEND_H

#include <stdbool.h>

#include "base/err.h"
#include "vmm/handover.h"

#define VM_BACKEND_WORD "vhost-user:"
#define VM_BACKEND_PATH 108 /* of struct sockaddr_un */

struct loop;

/* "vhost-user:SOCK", as the first word of what an option says. */
bool vm_backend_is(const char *text);
/* Its SOCK, to the end of text. 0 or -EINVAL with err set. */
int vm_backend_parse(const char *option, const char *text, char ret[VM_BACKEND_PATH], struct err *err);

/* -ENOENT, -ECONNREFUSED: nobody listens; -ENOTSOCK; -EACCES; err is set. */
int vm_backend_connect(const char *option, const char *path, int *ret_fd, struct err *err);

#define VM_BACKENDS_MAX (HANDOVER_MAX_NICS + HANDOVER_MAX_DISKS + HANDOVER_MAX_FS)

struct vm_backend {
	struct vmm_backend device;
	const char *option; /* that it came by */
	const char *path;   /* borrowed */
	struct vm_backends *of;
	int timer; /* -1: none yet */
	uint64_t delay_ms, given_ms;
};

struct vm_backends {
	struct vm_backend backend[VM_BACKENDS_MAX];
	unsigned count;
	struct loop *loop;
	int vmm; /* borrowed */
};

/* One more; path is borrowed. */
void vm_backends_add(struct vm_backends *b, enum vm_backend_device what, unsigned index,
		     const char *option, const char *path);

/* VMM_EVENT_BACKEND: look for another one from now on, or not any more. loop and vmm are borrowed. */
void vm_backends_event(struct vm_backends *b, struct loop *loop, int vmm, const struct vmm_event *e);
void vm_backends_stop(struct vm_backends *b);

#endif
