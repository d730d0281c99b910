// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_socket.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"

/*
 * Clients that may wait while the VMM is busy, or before it runs. Those that went away meanwhile count:
 * of a VMM that hangs this many are told so before `vm kill` is told no more whom to end.
 */
#define BACKLOG 4096

bool vm_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (!isalpha((unsigned char)name[0]) || len >= VM_NAME_MAX)
		return false;
	for (size_t i = 1; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	return true;
}

static int address_of(int root, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return hostfs_path(root, ret->sun_path, sizeof(ret->sun_path), VM_SOCKETS "/%s.sock", name);
}

int vm_socket_connect(int root, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	int r = address_of(root, name, &address);

	if (r < 0)
		return r;
	/* Without waiting: a backlog that is full is a VMM that lives, but does not answer. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static bool is_alive(int root, const char *name)
{
	int fd = vm_socket_connect(root, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || (fd != -ENOENT && fd != -ECONNREFUSED);
}

/* Binding and removing are one at a time. */
static int lock_folder(int root)
{
	_cleanup_close_ int fd = -1;
	int r = hostfs_mkdir(root, "run/thruway", 0755);

	if (r == 0)
		r = hostfs_mkdir(root, VM_SOCKETS, 0755);
	if (r < 0)
		return r;
	fd = openat(root, VM_SOCKETS "/.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int identify(int root, const char *name, uint64_t *ret_ino, struct timespec *ret_made)
{
	char path[HOSTFS_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), VM_SOCKETS "/%s.sock", name);
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret_ino = st.st_ino;
	*ret_made = st.st_ctim;
	return 0;
}

static void remove_file(int root, const char *name)
{
	char path[HOSTFS_PATH_MAX];

	snprintf(path, sizeof(path), VM_SOCKETS "/%s.sock", name);
	(void)unlinkat(root, path, 0);
}

static int bind_there(int root, const char *name, int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int r = address_of(root, name, &address);
	mode_t mask;

	if (r < 0)
		return r;
	if (fd < 0)
		return -errno;
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int vm_socket_open(int root, struct vm_socket *s, struct err *err)
{
	_cleanup_close_ int lock = lock_folder(root);
	int r;

	if (!s->name[0])
		snprintf(s->name, sizeof(s->name), "%d", (int)getpid());
	if (lock < 0)
		return err_set(err, lock, "cannot make a control socket in /" VM_SOCKETS);
	if (is_alive(root, s->name)) {
		err_plain(err, -EADDRINUSE, "a VM called %s runs already", s->name);
		return err_hint(err, "give this one another --name; thruway vm ps shows those that run");
	}
	remove_file(root, s->name);
	r = bind_there(root, s->name, &s->fd);
	if (r == 0)
		r = identify(root, s->name, &s->ino, &s->made);
	if (r < 0)
		return err_set(err, r, "cannot bind the control socket /" VM_SOCKETS "/%s.sock",
			       s->name);
	s->bound = true;
	return 0;
}

void vm_socket_remove(int root, struct vm_socket *s)
{
	_cleanup_close_ int lock = -1;
	struct timespec made = { 0 };
	uint64_t ino = 0;

	close_fdp(&s->fd);
	if (!s->bound)
		return;
	s->bound = false;
	lock = lock_folder(root);
	if (lock >= 0 && identify(root, s->name, &ino, &made) == 0 && ino == s->ino &&
	    made.tv_sec == s->made.tv_sec && made.tv_nsec == s->made.tv_nsec)
		remove_file(root, s->name);
}
