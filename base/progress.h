/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What long work is at, on one line of the terminal that changes and is gone in the end.
 * Nothing of it is shown where stderr is no terminal (or a dumb one), or with -q.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fd.h"

/* Work that is over sooner shows nothing. */
#define PROGRESS_AFTER_MS 700
#define PROGRESS_EVERY_MS 200

/* Declare it before the work with _cleanup_(progress_end). */
struct progress {
	uint64_t began_ms, shown_ms; /* 0: not yet */
};

#define PROGRESS_INIT { 0 }

/*
 * Call it as often as there is something new: it shows what is worth showing. False where
 * nobody can see it, and what must be said is to be logged.
 */
bool progress_show(struct progress *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Take the line away. */
void progress_end(struct progress *p);
#endif
