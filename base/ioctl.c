// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/ioctl.h"

#include <errno.h>

int sys_ioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}
