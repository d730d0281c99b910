// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void close_fdp(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* Where among them is the number; count: nowhere. */
static size_t find_fd(int *const *fds, size_t count, int fd)
{
	size_t i = 0;

	while (i < count && *fds[i] != fd)
		i++;
	return i;
}

/* From *fd on as long as the next number is one of them, too. */
static void close_run(int *const *fds, size_t count, int fd)
{
	int saved = errno, last = fd;
	size_t i = find_fd(fds, count, fd);

	for (; i < count; i = find_fd(fds, count, last + 1)) {
		last = *fds[i];
		*fds[i] = -1;
	}
	if (last == fd || close_range((unsigned)fd, (unsigned)last, 0) < 0) {
		for (; fd <= last; fd++)
			close(fd);
	}
	errno = saved;
}

void close_fds(int *const *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int fd = *fds[i];

		if (fd < 0)
			continue;
		while (fd > 0 && find_fd(fds, count, fd - 1) < count)
			fd--;
		close_run(fds, count, fd);
	}
}

ssize_t fd_read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = pread(fd, buf + len, size - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			buf[len] = '\0';
			return (ssize_t)len;
		}
		len += (size_t)n;
	}
	return -EFBIG;
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_seal_size(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
}
