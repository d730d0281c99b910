/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests link with --wrap=hostfs_write: a test can play the kernel behind a sysfs file. */
#ifndef TESTS_FAKE_HOSTFS_H
#define TESTS_FAKE_HOSTFS_H

/*
 * What the write does instead: 0 or -errno, or FAKE_HOSTFS_PASS to write the file
 * after all.
 */
typedef int (*fake_hostfs_fn)(void *opaque, int root, const char *path, const char *value);

#define FAKE_HOSTFS_PASS 1

/* Real writes wait so long instead of as long as they are told; 0: as told. */
extern unsigned fake_hostfs_deadline_ms;

/* Answer writes by fn from now on; NULL: the files' again. */
void fake_hostfs(fake_hostfs_fn fn, void *opaque);

#endif
