/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of the host (sys/…, proc/…, dev/…, run/thruway/…), always reached from a
 * directory descriptor `root` and never from a literal "/sys": a test's fake
 * machine is then just another descriptor. Paths are relative, printf-style.
 *
 * Everything returns 0 or a length, or -errno, and is silent.
 */
#ifndef BASE_HOSTFS_H
#define BASE_HOSTFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HOSTFS_PATH_MAX 512

/* Open "/" (or the directory `path`) as a root. The caller closes it. */
int hostfs_root(const char *path);

/*
 * A path that means the same file to a library which takes no descriptors, for
 * as long as root is open in this process. 0 or -ENAMETOOLONG.
 */
int hostfs_path(int root, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* openat(2) with O_CLOEXEC added. -ENAMETOOLONG for paths over HOSTFS_PATH_MAX. */
int hostfs_open(int root, int flags, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

bool hostfs_exists(int root, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The file's text without trailing newlines and blanks, NUL-terminated; its length, or -errno. */
ssize_t hostfs_read(int root, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A number, decimal or 0x-hexadecimal, alone in its file. -EINVAL when it is not one. */
int hostfs_read_u64(int root, uint64_t *ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As above for signed decimals such as numa_node (-1). */
int hostfs_read_s64(int root, int64_t *ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The whole target of a symbolic link. Its length, or -errno (-ENAMETOOLONG if cut). */
ssize_t hostfs_readlink(int root, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The last component of a symbolic link's target: a driver's name, a group's number. */
ssize_t hostfs_link_name(int root, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Call fn for each entry but "." and "..", in byte order of the names. Stops at
 * the first non-zero return and hands it on.
 */
int hostfs_list(int root, int (*fn)(const char *name, void *opaque), void *opaque,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Make a directory of this mode, whatever the umask. 0, also when it is there, or -errno. */
int hostfs_mkdir(int root, const char *path, mode_t mode);

/*
 * Write value in one write(2) to a file that exists, in a child process, and
 * wait at most deadline_ms for it: a driver may hang for ever in unbind or
 * sriov_numvfs, and the caller must not. The child inherits every lock held by
 * open descriptors and goes on after we gave up, so the lock stays taken.
 *
 * 0; -errno of open or write; -ETIMEDOUT when the outcome is unknown, with the
 * child's pid in *ret_hung if that is not NULL.
 */
int hostfs_write(int root, const char *value, unsigned deadline_ms, pid_t *ret_hung,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* What a sysfs write may take before it counts as hung. numvfs: 125 mlx5 VFs took 65 s. */
#define HOSTFS_DEADLINE_MS 120000u

#endif
