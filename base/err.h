/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An error as the user will read it: one sentence and, where there is one, a hint.
 *
 * Helpers return -errno and are silent. The function that knows what the user
 * asked for fills a struct err; the tool prints it as
 *
 *	thruway: cannot bind 0000:3b:02.1: group 42 also holds …: Device or resource busy
 *	  hint: …
 *
 * The first error stands: setting an err that is already set changes nothing,
 * so an unwinding path cannot hide the cause. A NULL err is allowed everywhere.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

struct err {
	int code;	/* -errno; 0: not set */
	bool usage;	/* the command line was wrong: exit 2 rather than 1 */
	char text[768];
	char hint[512];
};

#define ERR_INIT { .code = 0 }

/*
 * Set text and ": " + strerror(-code); returns code, so callers write
 * `return err_set(err, -errno, "cannot open %s", path)`. code must be negative.
 */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, without the kernel's word: for causes no system call reported. */
int err_plain(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_plain with -EINVAL, and the exit status will be 2. */
int err_usage(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Add what the user can do about it; the first hint stands. Returns err's code, or
 * with a NULL err that of this thread's latest error.
 */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#if defined(__clang_analyzer__) && !defined(ERR_C)
/*
 * The static analyzer sees one file at a time and would follow failures that
 * return 0. What it must know of this one: codes are negative and come back.
 */
#define err_negative_(r)                         \
	({                                       \
		int negative_ = (r);             \
		if (negative_ >= 0)              \
			__builtin_unreachable(); \
		negative_;                       \
	})
#define err_set(err, code, ...)                                            \
	({                                                                 \
		int code_ = err_negative_(code);                           \
		(void)err_set((err), code_, __VA_ARGS__);                  \
		code_;                                                     \
	})
#define err_plain(err, code, ...)                                          \
	({                                                                 \
		int code_ = err_negative_(code);                           \
		(void)err_plain((err), code_, __VA_ARGS__);                \
		code_;                                                     \
	})
#define err_usage(err, ...) err_negative_(err_usage((err), __VA_ARGS__))
#define err_hint(err, ...)  err_negative_(err_hint((err), __VA_ARGS__))
#endif

/* Put "prefix: " in front of a set error. Returns as err_hint() does. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print "PROGRAM: text" and the hint line to stderr. */
void err_print(const struct err *err, const char *program);

/* The exit status for err: 0 when not set, 2 for usage, else 1. */
int err_exit_status(const struct err *err);

#endif
