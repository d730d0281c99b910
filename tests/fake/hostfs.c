// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/hostfs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hostfs.h"

int __real_hostfs_write(int root, const char *value, unsigned deadline_ms, pid_t *ret_hung,
			const char *fmt, ...) __attribute__((format(printf, 5, 6)));
int __wrap_hostfs_write(int root, const char *value, unsigned deadline_ms, pid_t *ret_hung,
			const char *fmt, ...) __attribute__((format(printf, 5, 6)));

unsigned fake_hostfs_deadline_ms;
static fake_hostfs_fn handler;
static void *handler_opaque;

void fake_hostfs(fake_hostfs_fn fn, void *opaque)
{
	handler = fn;
	handler_opaque = opaque;
}

int __wrap_hostfs_write(int root, const char *value, unsigned deadline_ms, pid_t *ret_hung,
			const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX];
	va_list ap;
	int r = FAKE_HOSTFS_PASS;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (handler)
		r = handler(handler_opaque, root, path, value);
	if (r != FAKE_HOSTFS_PASS)
		return r;
	if (fake_hostfs_deadline_ms)
		deadline_ms = fake_hostfs_deadline_ms;
	return __real_hostfs_write(root, value, deadline_ms, ret_hung, "%s", path);
}
