/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests link with --wrap=sys_ioctl: every ioctl of the code under test comes here. */
#ifndef TESTS_FAKE_IOCTL_H
#define TESTS_FAKE_IOCTL_H

/* Returns what the kernel would: 0 and up, or -errno. */
typedef int (*fake_ioctl_fn)(void *opaque, int fd, unsigned long request, void *arg);

/* Answer ioctls by fn from now on; NULL: the kernel's again. */
void fake_ioctl(fake_ioctl_fn fn, void *opaque);

#endif
