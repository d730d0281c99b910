// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static enum log_level max_level = LOG_WARN;
static const char *program_name = "thruway";

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_get_level(void)
{
	return max_level;
}

void log_set_program(const char *program)
{
	program_name = program;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	int saved = errno;
	va_list ap;
	int len;

	if (level > max_level)
		return;
	len = snprintf(line, sizeof(line), "%s: ", program_name);
	va_start(ap, fmt);
	len += vsnprintf(line + len, sizeof(line) - (size_t)len - 1, fmt, ap);
	va_end(ap);
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* One write per line, so that threads and processes do not mix within one. */
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		errno = 0; /* nowhere left to say it */
	errno = saved;
}
