/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run --port`: streams between processes of the guest and of this host, with names. */
#ifndef TOOLS_VM_PORT_H
#define TOOLS_VM_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>
#include <time.h>

#include "base/err.h"
#include "vmm/handover.h"

struct vm_opt_port {
	char name[VMM_PORT_NAME_MAX + 1];
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of its socket; "": a terminal */
};

/* What is to be put back: sockets that are still ours, and the terminals' other ends. */
struct vm_ports {
	unsigned count;
	struct vm_port_made {
		const char *path; /* borrowed */
		int keep_fd;	  /* -1: none */
		uint64_t ino, dev;
		struct timespec made;
	} made[HANDOVER_MAX_PORTS];
};

#define VM_PORTS_INIT { 0 }

/* "name=NAME,socket=PATH" or "name=NAME,pty". 0 or -EINVAL with err set. */
int vm_port_parse(const char *text, struct vm_opt_port *ret, struct err *err);

/*
 * Make the sockets, for their owner alone, and the terminals, whose names are said. On failure what was
 * made is for vm_ports_remove() all the same. -EADDRINUSE: somebody listens there already; -EEXIST: it
 * is another kind of file; of bind().
 */
int vm_ports_open(int root, const struct vm_opt_port *opts, unsigned count,
		  struct vmm_config *config, struct vm_ports *ret, struct err *err);
void vm_ports_remove(struct vm_ports *ports);

#endif
