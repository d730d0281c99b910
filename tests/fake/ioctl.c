// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/ioctl.h"

#include "base/ioctl.h"

int __real_sys_ioctl(int fd, unsigned long request, void *arg);
int __wrap_sys_ioctl(int fd, unsigned long request, void *arg);

static fake_ioctl_fn handler;
static void *handler_opaque;

void fake_ioctl(fake_ioctl_fn fn, void *opaque)
{
	handler = fn;
	handler_opaque = opaque;
}

int __wrap_sys_ioctl(int fd, unsigned long request, void *arg)
{
	if (handler)
		return handler(handler_opaque, fd, request, arg);
	return __real_sys_ioctl(fd, request, arg);
}
