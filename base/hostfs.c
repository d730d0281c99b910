// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/hostfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

/* Declares `path` from the caller's format, or returns -ENAMETOOLONG. */
#define FORMAT_PATH(path, fmt)                                         \
	char path[HOSTFS_PATH_MAX];                                    \
	do {                                                           \
		va_list ap_;                                           \
		int n_;                                                \
		va_start(ap_, fmt);                                    \
		n_ = vsnprintf(path, sizeof(path), fmt, ap_);          \
		va_end(ap_);                                           \
		if (n_ < 0 || (size_t)n_ >= sizeof(path))              \
			return -ENAMETOOLONG;                          \
	} while (0)

int hostfs_root(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int hostfs_path(int root, char *buf, size_t size, const char *fmt, ...)
{
	int n;

	FORMAT_PATH(path, fmt);
	n = snprintf(buf, size, "/proc/self/fd/%d/%s", root, path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int open_at(int root, const char *path, int flags)
{
	int fd = openat(root, path, flags | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

int hostfs_open(int root, int flags, const char *fmt, ...)
{
	FORMAT_PATH(path, fmt);
	return open_at(root, path, flags);
}

bool hostfs_exists(int root, const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX];
	struct stat st;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof(path) && fstatat(root, path, &st, 0) == 0;
}

static ssize_t read_text(int root, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open_at(root, path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = fd_read_all(fd, buf, size);
	while (len > 0 && strchr(" \t\r\n", buf[len - 1]))
		buf[--len] = '\0';
	return len;
}

ssize_t hostfs_read(int root, char *buf, size_t size, const char *fmt, ...)
{
	FORMAT_PATH(path, fmt);
	return read_text(root, path, buf, size);
}

int hostfs_read_u64(int root, uint64_t *ret, const char *fmt, ...)
{
	char text[64], *end;
	uint64_t v;
	ssize_t len;

	FORMAT_PATH(path, fmt);
	len = read_text(root, path, text, sizeof(text));
	if (len < 0)
		return (int)len;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	if (errno)
		return -errno;
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int hostfs_read_s64(int root, int64_t *ret, const char *fmt, ...)
{
	char text[64], *end;
	int64_t v;
	ssize_t len;

	FORMAT_PATH(path, fmt);
	len = read_text(root, path, text, sizeof(text));
	if (len < 0)
		return (int)len;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno)
		return -errno;
	if (end == text || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}

static ssize_t read_link(int root, const char *path, char *buf, size_t size)
{
	ssize_t len = readlinkat(root, path, buf, size);

	if (len < 0)
		return -errno;
	if ((size_t)len >= size)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	return len;
}

ssize_t hostfs_readlink(int root, char *buf, size_t size, const char *fmt, ...)
{
	FORMAT_PATH(path, fmt);
	return read_link(root, path, buf, size);
}

ssize_t hostfs_link_name(int root, char *buf, size_t size, const char *fmt, ...)
{
	char target[HOSTFS_PATH_MAX];
	const char *name;
	ssize_t len;

	FORMAT_PATH(path, fmt);
	len = read_link(root, path, target, sizeof(target));
	if (len < 0)
		return len;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, name);
	return (ssize_t)strlen(name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **list;
	size_t count;
};

static int keep_name(struct names *n, const char *name)
{
	char **bigger;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	bigger = realloc(n->list, (n->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	n->list = bigger;
	bigger[n->count] = strdup(name);
	return bigger[n->count] ? (n->count++, 0) : -ENOMEM;
}

/* Without fdopendir(), which asks the kernel three things about a descriptor we just made. */
static int read_names(int fd, struct names *n)
{
	_Alignas(struct dirent64) char buf[4096];
	struct dirent64 *de;
	ssize_t len;
	int r = 0;

	while (r == 0 && (len = getdents64(fd, buf, sizeof(buf))) != 0) {
		if (len < 0)
			return -errno;
		for (ssize_t at = 0; r == 0 && at < len; at += de->d_reclen) {
			de = (struct dirent64 *)(void *)(buf + at);
			r = keep_name(n, de->d_name);
		}
	}
	return r;
}

int hostfs_list(int root, int (*fn)(const char *name, void *opaque), void *opaque,
		const char *fmt, ...)
{
	struct names n = { 0 };
	int fd, r;

	FORMAT_PATH(path, fmt);
	fd = open_at(root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	r = read_names(fd, &n);
	close(fd);
	if (r == 0 && n.count > 0)
		qsort(n.list, n.count, sizeof(*n.list), by_name);
	for (size_t i = 0; i < n.count; i++) {
		if (r == 0)
			r = fn(n.list[i], opaque);
		free(n.list[i]);
	}
	free(n.list);
	return r;
}

int hostfs_mkdir(int root, const char *path, mode_t mode)
{
	if (mkdirat(root, path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return fchmodat(root, path, mode, 0) < 0 ? -errno : 0;
}

/* Say errno whole: an exit status has 8 bits, and drivers also give numbers such as 524. */
static _Noreturn void child_failed(int report, int code)
{
	_exit(write(report, &code, sizeof(code)) == sizeof(code) ? 1 : 2);
}

/* The child's whole life: write, and report an errno through the pipe. */
static _Noreturn void write_child(int root, const char *path, const char *value, int report)
{
	size_t len = strlen(value);
	int fd;

	/*
	 * Locks must outlive us, but whoever reads our output through a pipe must not
	 * have to wait for a write that hangs.
	 */
	for (fd = 0; fd <= 2; fd++) {
		if (fd != root && fd != report)
			close(fd);
	}
	fd = openat(root, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	/* An attribute cleared with "" needs a byte: a write of 0 bytes never reaches the driver. */
	if (fd < 0 || write(fd, len ? value : "\n", len ? len : 1) < 0)
		child_failed(report, errno);
	_exit(0);
}

/* Wait for pid until the deadline. 0, what it reports as -errno, or -ETIMEDOUT. */
static int wait_bounded(pid_t pid, unsigned deadline_ms, int report)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	struct timespec now, end;
	siginfo_t info = { 0 };
	int left = (int)deadline_ms, code;

	if (pidfd < 0)
		return -errno;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += deadline_ms / 1000;
	end.tv_nsec += (long)(deadline_ms % 1000) * 1000000;
	for (;;) {
		int n = poll(&p, 1, left);

		if (n > 0)
			break;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (int)((end.tv_sec - now.tv_sec) * 1000 +
			     (end.tv_nsec - now.tv_nsec) / 1000000);
		if (left < 0)
			left = 0;
	}
	if (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		return -errno;
	if (info.si_code == CLD_EXITED && info.si_status == 0)
		return 0;
	/* A child that was killed reports nothing: its end of the pipe is closed by now. */
	return read(report, &code, sizeof(code)) == sizeof(code) && code > 0 ? -code : -EINTR;
}

int hostfs_write(int root, const char *value, unsigned deadline_ms, pid_t *ret_hung,
		 const char *fmt, ...)
{
	_cleanup_close_ int reader = -1, writer = -1;
	int fds[2], r;
	pid_t pid;

	FORMAT_PATH(path, fmt);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	reader = fds[0];
	writer = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		write_child(root, path, value, writer);
	close_fdp(&writer);
	r = wait_bounded(pid, deadline_ms, reader);
	if (r == -ETIMEDOUT && ret_hung)
		*ret_hung = pid;
	return r;
}
