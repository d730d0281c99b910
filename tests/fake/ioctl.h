/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_ioctl() as unit tests see it. Descriptors are real ones (of /dev/null, or
 * eventfds), so that closing and duplicating them works; what answers a request
 * is chosen by descriptor:
 *
 * - a handler set by fake_ioctl_handle(): a scripted device (tests/fake/kvm.h …);
 * - else the next row of the table given to fake_ioctl_expect(), which must match;
 * - else the request is unexpected: -ENOTTY, and fake_ioctl_done() tells of it.
 */
#ifndef TESTS_FAKE_IOCTL_H
#define TESTS_FAKE_IOCTL_H

typedef int (*fake_ioctl_fn)(void *opaque, int fd, unsigned long request, void *arg);

struct fake_ioctl_row {
	int fd; /* -1: any */
	unsigned long request;
	int result;          /* 0 and up, or -errno */
	fake_ioctl_fn check; /* looks at arg and fills it; its result replaces `result`; or NULL */
	void *opaque;
};

/* Forget handlers, table and counts. For a test's setup. */
void fake_ioctl_reset(void);

/* fn answers for fd (-1: every other one) from now on; NULL takes it back. */
void fake_ioctl_handle(int fd, fake_ioctl_fn fn, void *opaque);

/* Rows to come, in order, up to one with request 0. Borrowed. */
void fake_ioctl_expect(const struct fake_ioctl_row *rows);

/* Nothing unexpected came and no row is left. Says what did on stderr. */
int fake_ioctl_done(void);

#endif
