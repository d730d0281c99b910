/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's terminal while it is the guest's console. */
#ifndef TOOLS_TTY_H
#define TOOLS_TTY_H

#include <stdbool.h>
#include <termios.h>

struct tty {
	bool raw;
	struct termios saved;
};

/* stdin to raw mode, if it is a terminal; remembers what it was. */
void tty_raw(struct tty *tty);

/* Back to what it was; does nothing when it is not raw. */
void tty_restore(struct tty *tty);

#endif
