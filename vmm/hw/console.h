/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's console on our stdin and stdout. Output goes by an outlet (outlet.h). */
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

/* Write what is left of the output, within a second, and free: the result of outlet_close(). NULL is fine. */
int console_close(struct console *console);

/*
 * Somebody else sits at it, too, at the other end of fd, a stream socket that is taken over in any
 * case: gets all output from now on, and what comes from there is input. One at a time: -EBUSY.
 * -ENOTSOCK, -ENOMEM. Under vm_lock(), as what follows.
 */
int console_attach(struct console *console, int fd);

/* Output of the guest. Waits at most for a reader that is slow (outlet_write()). */
void console_write(struct console *console, const uint8_t *data, size_t len);

/* The receiver has room again: input() may be called from within. */
void console_more_input(struct console *console);

#endif
