// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/ioctl.h"

/* A memory stream has no descriptor. */
static bool is_terminal(FILE *f)
{
	int fd = fileno(f);

	return fd >= 0 && isatty(fd);
}

unsigned term_columns(FILE *f)
{
	struct winsize size = { 0 };

	if (!is_terminal(f) || sys_ioctl(fileno(f), TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

bool term_moves(FILE *f)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb") != 0 && is_terminal(f);
}

bool term_colours(FILE *f)
{
	const char *no = getenv("NO_COLOR");

	return term_moves(f) && !(no && *no);
}
