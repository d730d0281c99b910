// SPDX-License-Identifier: GPL-2.0-or-later
#define ERR_C /* the definitions, not the analyzer's view of them */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* <linux/errno.h>, the kernel's own; both reach user space by a write to sysfs. */
#define EPROBE_DEFER 517
#define ENOTSUPP     524

/*
 * So that `return err_hint(…)` behind an err_…() hands on its code also when the
 * caller wants no words (err is NULL).
 */
static _Thread_local int last_code;

static void format(char *buf, size_t size, const char *fmt, va_list ap)
{
	vsnprintf(buf, size, fmt, ap);
}

/* Of what drivers give that the C library has no word for. */
static const char *word_of(int code)
{
	switch (code) {
	case ENOTSUPP: return "not supported by the driver (ENOTSUPP)";
	case EPROBE_DEFER: return "something it needs is not there yet (EPROBE_DEFER)";
	default: return strerror(code);
	}
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	last_code = code;
	if (!err || err->code)
		return code;
	err->code = code;
	va_start(ap, fmt);
	format(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", word_of(-code));
	return code;
}

int err_plain(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	last_code = code;
	if (!err || err->code)
		return code;
	err->code = code;
	va_start(ap, fmt);
	format(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int err_usage(struct err *err, const char *fmt, ...)
{
	va_list ap;

	last_code = -EINVAL;
	if (!err || err->code)
		return -EINVAL;
	err->code = -EINVAL;
	err->usage = true;
	va_start(ap, fmt);
	format(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return last_code;
	if (!err->hint[0]) {
		va_start(ap, fmt);
		format(err->hint, sizeof(err->hint), fmt, ap);
		va_end(ap);
	}
	return err->code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;
	size_t len;

	if (!err)
		return last_code;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	format(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	return err->code;
}

void err_print(const struct err *err, const char *program)
{
	char text[2 * sizeof(err->text)];

	fprintf(stderr, "%s: %s\n", program, log_harmless(err->text, text, sizeof(text)));
	if (err->hint[0])
		fprintf(stderr, "  hint: %s\n", log_harmless(err->hint, text, sizeof(text)));
}

int err_exit_status(const struct err *err)
{
	if (!err->code)
		return 0;
	return err->usage ? 2 : 1;
}
