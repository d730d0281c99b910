/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's console on our stdin and stdout.
 *
 * Output goes through a ring and a thread of its own, so that a terminal that
 * does not read stops neither the guest nor its devices, and so that bytes that
 * come one exit at a time leave in few writes.
 */
#ifndef VMM_HW_CONSOLE_H
#define VMM_HW_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct console;
struct loop;

struct console_ops {
	/* Input from the user; takes at most len bytes, returns how many. Main thread, locked. */
	size_t (*input)(void *opaque, const uint8_t *data, size_t len);
	/* The escape sequence Ctrl-A x. Main thread, locked. */
	void (*quit)(void *opaque);
};

/*
 * out_fd is written to. in_fd, unless -1, is read from in the loop; Ctrl-A is an
 * escape when escapes is set. All borrowed.
 */
int console_new(struct loop *loop, int in_fd, int out_fd, bool escapes,
		const struct console_ops *ops, void *opaque, struct console **ret,
		struct err *err);

/*
 * Write what the ring holds, within a second; then give up and free. NULL is fine.
 * The first -errno that lost output, 0 when none did or its reader has gone (EPIPE).
 */
int console_close(struct console *console);

/*
 * A full ring makes the guest as slow as whoever reads, but only as long as
 * somebody does: after a second without progress bytes are lost instead.
 */
void console_put(struct console *console, uint8_t byte);

/* The receiver has room again: input() may be called from within. Under vm_lock(). */
void console_more_input(struct console *console);

#endif
