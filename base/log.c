// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level max_level = LOG_WARN;
static const char *program_name = "thruway";
static void (*before_line)(void);

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

void log_set_before_line(void (*fn)(void))
{
	before_line = fn;
}

/* Of C0 and DEL a byte; C1 in UTF-8 is two, of which the second counts. */
static bool controls_terminal(const char *s, const char *begin)
{
	unsigned char c = (unsigned char)*s;

	if (c >= 0x80 && c < 0xa0)
		return s == begin || (unsigned char)s[-1] == 0xc2 || (unsigned char)s[-1] < 0x80;
	return (c < 0x20 && c != '\n') || c == 0x7f;
}

char *log_harmless(const char *s, char *buf, size_t size)
{
	size_t n = 0;

	for (const char *p = s; *p && n + 5 <= size; p++) {
		if (controls_terminal(p, s))
			n += (size_t)snprintf(buf + n, size - n, "\\x%02x", (unsigned char)*p);
		else
			buf[n++] = *p;
	}
	buf[n] = '\0';
	return buf;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char text[1000], line[1024];
	int saved = errno;
	va_list ap;
	int len;

	if (level > max_level)
		return;
	len = snprintf(line, sizeof(line), "%s: ", program_name);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_harmless(text, line + len, sizeof(line) - (size_t)len - 1);
	len = (int)strlen(line);
	line[len++] = '\n';
	if (before_line)
		before_line();
	/* One write per line, so that threads and processes do not mix within one. */
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		errno = 0; /* nowhere left to say it */
	errno = saved;
}
