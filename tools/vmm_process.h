/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMM as a child process: its own uid, no capability, no new privileges,
 * standard streams and one socket, and death when we die.
 */
#ifndef TOOLS_VMM_PROCESS_H
#define TOOLS_VMM_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "tools/vmm_limits.h"

/*
 * Every running VMM has a uid of its own out of this range, so that one guest's
 * VMM cannot signal or trace another's. It lies in 1879048192..2147483647, which
 * neither Debian policy nor systemd's uid tables give to anybody, and needs no
 * entry in /etc/passwd.
 */
#define VMM_UID_BASE  0x74570000u
#define VMM_UID_COUNT 4096u

struct vmm_process {
	pid_t pid;
	int pidfd;
	int sock;   /* SOCK_SEQPACKET, vmm/handover.h */
	int uid_fd; /* lock file that reserves uid; -1 when we are not root */
	uid_t uid;
};

#define VMM_PROCESS_INIT { .pid = -1, .pidfd = -1, .sock = -1, .uid_fd = -1 }

/*
 * Raise the limits (vmm_limits_raise()), fork and exec thruway-vmm. As root it
 * runs with a uid of its own; otherwise with ours. Where memory runs out, it is the one to be killed.
 */
int vmm_process_start(int root, const struct vmm_limits *limits, struct vmm_process *ret,
		      struct err *err);

/* Kill it if it still runs, reap it, close everything. Idempotent. */
void vmm_process_end(struct vmm_process *p);

#endif
