/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket's place in the file system: /run/thruway/vm/NAME.sock, for its
 * owner alone. `vm run` binds it and removes it; its VMM serves it (vmm/ctl.h), and
 * the commands that name a VM find it there (tools/vm_client.h).
 *
 * Whether a socket's VM still lives, the kernel says: nobody listens to a dead one's.
 */
#ifndef TOOLS_VM_SOCKET_H
#define TOOLS_VM_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

#define VM_NAME_MAX 64 /* with the NUL */
#define VM_SOCKETS  "run/thruway/vm"

struct vm_socket {
	char name[VM_NAME_MAX]; /* "": it gets our pid */
	int fd;	     /* listening; -1: not yet, or handed over */
	bool bound;  /* it is there, and is this one: an inode's number may be used again */
	uint64_t ino;
	struct timespec made;
};

#define VM_SOCKET_INIT { .fd = -1 }

/* A letter, then letters, digits, '-', '_' and '.'. What a VM gets by itself is its pid. */
bool vm_name_valid(const char *name);

/*
 * Bind s->name, in place of a dead VM's, and listen. -EADDRINUSE: a VM of that name
 * runs; -EACCES and -EPERM: not for this user; other -errno; err is set.
 */
int vm_socket_open(int root, struct vm_socket *s, struct err *err);

/* Off the file system, if it is still ours; closes fd. */
void vm_socket_remove(int root, struct vm_socket *s);

/* A socket connected to NAME's VM: >= 0; -ENOENT; -ECONNREFUSED: it is dead; other -errno. */
int vm_socket_connect(int root, const char *name);

#endif
