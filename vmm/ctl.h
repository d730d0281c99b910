/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket of a running machine: newline-delimited JSON-RPC over a unix
 * stream socket that the supervisor bound. What may be asked is a table of the
 * caller's; here are the clients: who may, how much of their input and of our
 * output is kept, and that none of them can hold the machine up.
 *
 * Everything runs on the event loop's thread.
 */
#ifndef VMM_CTL_H
#define VMM_CTL_H

#include <sys/types.h>

#include "vmm/jsonrpc.h"

struct ctl;
struct loop;

/* More than these are turned away, and so is a longer request. */
#define CTL_CLIENTS_MAX 16
#define CTL_REQUEST_MAX 65536u
/* A client that leaves so much unread is cut off. */
#define CTL_OUTPUT_MAX	(1u << 20)
/* Descriptors that may come with a request (SCM_RIGHTS); more than these are closed. */
#define CTL_FDS_MAX	3

struct ctl_config {
	struct loop *loop; /* borrowed, as the rest */
	int listen_fd;	   /* taken over, also on failure */
	uid_t uid;	   /* may ask, beside root */
	const struct jsonrpc_method *methods;
	void *opaque; /* the methods' */
};

/* 0 or -errno. */
int ctl_new(const struct ctl_config *config, struct ctl **ret);
struct ctl *ctl_free(struct ctl *ctl); /* NULL is fine; returns NULL */

/* Within a method: its caller gets notifications from now on. */
void ctl_subscribe(struct ctl *ctl);

/*
 * Within a method: a descriptor that came with its request or with one before it of the same
 * client's and was not taken, in the order they were sent; the caller's then. -1: none left.
 */
int ctl_take_fd(struct ctl *ctl);

/* To all who subscribed. params is consumed. NULL ctl is fine. */
void ctl_notify(struct ctl *ctl, const char *event, json_t *params);

#endif
