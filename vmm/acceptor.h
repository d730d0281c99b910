/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who connects to a listening socket, one at a time. Where this process or the host has no descriptor or
 * memory left for one, the connection waits with the kernel for a moment instead of keeping the event
 * loop busy.
 */
#ifndef VMM_ACCEPTOR_H
#define VMM_ACCEPTOR_H

#include <stdbool.h>

struct acceptor;
struct loop;

/*
 * fn gets each connection, which is its own then (nonblocking). listen_fd stays the caller's and must not
 * be in the loop. what: for a warning, "its control socket". 0 or -errno.
 */
int acceptor_new(struct loop *loop, int listen_fd, const char *what, void (*fn)(void *opaque, int fd),
		 void *opaque, struct acceptor **ret);
struct acceptor *acceptor_free(struct acceptor *a); /* NULL is fine */

/* Whether they are let in (as at first), or wait. Also within fn. */
void acceptor_listen(struct acceptor *a, bool on);

#endif
