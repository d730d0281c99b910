// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/progress.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/term.h"

#define ERASE	   "\r\033[K"
#define COLUMNS	   80 /* of a terminal that does not say */
#define PREFIX_LEN (sizeof("thruway: ") - 1)

static bool is_there; /* the line; a process has one terminal */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void put(const char *text)
{
	int saved = errno;

	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		errno = 0; /* nowhere left to show it */
	errno = saved;
}

/* The line goes away; the next step shows it again. */
static void hide(void)
{
	if (is_there)
		put(ERASE);
	is_there = false;
	log_set_before_line(NULL);
}

void progress_end(struct progress *p)
{
	hide();
	*p = (struct progress)PROGRESS_INIT;
}

/* A line that wraps could not be erased; the last column makes some terminals wrap. */
static void cut_to_terminal(char *text)
{
	unsigned columns = term_columns(stderr);
	size_t room = (columns ? columns : COLUMNS) - 1;

	if (room > PREFIX_LEN && strlen(text) > room - PREFIX_LEN)
		text[room - PREFIX_LEN] = '\0';
}

bool progress_show(struct progress *p, const char *fmt, ...)
{
	char text[512], harmless[512], line[sizeof(ERASE) + PREFIX_LEN + sizeof(harmless)];
	uint64_t now = now_ms();
	va_list ap;

	if (log_get_level() < LOG_WARN || !term_moves(stderr))
		return false;
	if (!p->began_ms)
		p->began_ms = now;
	if (now - p->began_ms < PROGRESS_AFTER_MS ||
	    (is_there && now - p->shown_ms < PROGRESS_EVERY_MS))
		return true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_harmless(text, harmless, sizeof(harmless));
	cut_to_terminal(harmless);
	snprintf(line, sizeof(line), ERASE "thruway: %s", harmless);
	put(line);
	p->shown_ms = now;
	is_there = true;
	log_set_before_line(hide);
	return true;
}
