/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages beside the result: warnings, notes (-v) and debug (-vv), on stderr.
 *
 * Library code logs at debug only and returns errors; words for the user are
 * struct err's business. Lines about a device begin with its BDF.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_QUIET, LOG_WARN, LOG_NOTE, LOG_TRACE };

/* What is printed from now on; LOG_WARN at start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* The word in front of every line, "thruway" at start. Borrowed, must outlive its use. */
void log_set_program(const char *program);

/* Called before a line is written: what stands where it goes is taken away. NULL: nothing. */
void log_set_before_line(void (*fn)(void));

/*
 * s as a terminal may have it, in buf: what controls one (escape sequences in an argument)
 * is \xNN. Line ends stay. Returns buf.
 */
char *log_harmless(const char *s, char *buf, size_t size);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_note(...)  log_at(LOG_NOTE, __VA_ARGS__)
#define log_debug(...) log_at(LOG_TRACE, __VA_ARGS__)

/*
 * For what a guest can provoke at will: prints the first ten occurrences at
 * this place, says that it falls silent, and goes on counting in silence.
 */
#define log_warn_limited(...)                                                    \
	do {                                                                     \
		static unsigned seen_;                                           \
		unsigned n_ = __atomic_add_fetch(&seen_, 1, __ATOMIC_RELAXED);   \
		if (n_ <= 10)                                                    \
			log_warn(__VA_ARGS__);                                   \
		if (n_ == 10)                                                    \
			log_warn("further messages of this kind are suppressed"); \
	} while (0)

#endif
