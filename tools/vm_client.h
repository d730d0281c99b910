/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other side of a VM's control socket: one question at a time, answered in bounded time. */
#ifndef TOOLS_VM_CLIENT_H
#define TOOLS_VM_CLIENT_H

#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

struct vm_client {
	const char *name; /* borrowed */
	int fd;
	pid_t supervisor; /* the `vm run` that bound the socket */
	unsigned answer_ms; /* what is waited for an answer; 0: vm_client_answer_ms */
	char *buf;	  /* what came and was not taken yet */
	size_t len;
};

#define VM_CLIENT_INIT { .fd = -1 }

/* err has a sentence and a hint for a VM that is not there, is dead, or another user's. */
int vm_client_open(int root, const char *name, struct vm_client *ret, struct err *err);
void vm_client_close(struct vm_client *c);

/* For what pins or lets go of a guest's RAM: of a terabyte that takes minutes. */
#define VM_CLIENT_RAM_MS 300000u

/*
 * Ask, and wait 10 s at most for the answer, or answer_ms. *ret_result, if not NULL, is the
 * caller's. -ETIMEDOUT: it does not answer; -EPIPE: it ended; -EPROTO; what the VMM
 * refused, in its own words.
 */
int vm_client_call(struct vm_client *c, const char *method, json_t **ret_result, struct err *err);

/* What vm_client_call() waits for an answer. Tests have less time. */
extern unsigned vm_client_answer_ms;

/*
 * For who has other things to wait for: ask, and when there is something to read of the descriptor,
 * see whether that was the answer. *ret_answer has "result" or "error", and is the caller's.
 * -ETIMEDOUT: not all of it was there within ms; it is not asked again, the answer comes when the
 * VM gets to it. Else as vm_client_call().
 */
int vm_client_ask(struct vm_client *c, const char *method, struct err *err);
int vm_client_answer(struct vm_client *c, unsigned ms, json_t **ret_answer, struct err *err);

/*
 * vm_client_call() with parameters, which are consumed (NULL: none), and up to VM_CLIENT_FDS descriptors
 * that go along and stay the caller's.
 */
#define VM_CLIENT_FDS 3
int vm_client_call_with(struct vm_client *c, const char *method, json_t *params, const int *fds,
			unsigned nfds, json_t **ret_result, struct err *err);

/* The next notification, however long that takes. -EPIPE: the VM ended. */
int vm_client_next(struct vm_client *c, json_t **ret, struct err *err);

/* Wait until `vm run` is gone, which puts the host back at its end. 0 or -ETIMEDOUT. */
int vm_client_wait_end(const struct vm_client *c, unsigned ms);

/* Call fn for each VM that has a socket, in order of names; stops at what is not 0. */
int vm_each(int root, int (*fn)(const char *name, void *opaque), void *opaque);

#endif
