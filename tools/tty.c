// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/tty.h"

#include <unistd.h>

void tty_raw(struct tty *tty)
{
	struct termios raw;

	if (tty->raw || tcgetattr(STDIN_FILENO, &tty->saved) < 0)
		return;
	raw = tty->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own messages still end their lines properly */
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0)
		tty->raw = true;
}

void tty_restore(struct tty *tty)
{
	if (tty->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &tty->saved);
	tty->raw = false;
}
