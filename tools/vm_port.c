// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_port.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"
#include "base/log.h"

/* Further clients, that wait until the one that is there has gone. */
#define BACKLOG 4

/* It is a file's name in the guest, behind /dev/virtio-ports/. */
static bool name_valid(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return len && len <= VMM_PORT_NAME_MAX && name[0] != '.';
}

int vm_port_parse(const char *text, struct vm_opt_port *ret, struct err *err)
{
	struct vm_opt_port port = { 0 };
	const char *name = text + 5, *end;

	if (strncmp(text, "name=", 5) != 0 || !(end = strchr(name, ','))) {
		err_usage(err, "--port: '%s' is no port", text);
		return err_hint(err, "write name=NAME,socket=PATH or name=NAME,pty, such as "
				     "name=org.qemu.guest_agent.0,socket=/run/web.agent");
	}
	if (!name_valid(name, (size_t)(end - name))) {
		err_usage(err, "--port: '%.*s' is no name for a port", (int)(end - name), name);
		return err_hint(err, "1 to %u characters without blanks, '/' and ',', and no '.' in front",
				VMM_PORT_NAME_MAX);
	}
	memcpy(port.name, name, (size_t)(end - name));
	if (strncmp(end, ",socket=", 8) == 0) {
		if (!end[8] || strlen(end + 8) >= sizeof(port.path)) {
			err_usage(err, "--port: '%s' is no path for a socket", end + 8);
			return err_hint(err, "of at most %zu bytes", sizeof(port.path) - 1);
		}
		strcpy(port.path, end + 8);
	} else if (strcmp(end, ",pty") != 0) {
		err_usage(err, "--port: '%s' after the name is not possible", end + 1);
		return err_hint(err, "socket=PATH, or pty");
	}
	*ret = port;
	return 0;
}

/* --- sockets ------------------------------------------------------------------------------------ */

static int look(const char *path, struct stat *ret)
{
	return lstat(path, ret) < 0 ? -errno : 0;
}

static bool somebody_listens(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       errno != ECONNREFUSED;
}

/* A socket that a dead VM left is taken away; anything else stays. */
static int make_way(const struct sockaddr_un *address, struct err *err)
{
	const char *path = address->sun_path;
	struct stat st;
	int r = look(path, &st);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, r, "--port: cannot look at %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_plain(err, -EEXIST, "--port: %s is there already, and no socket", path);
	if (somebody_listens(address)) {
		err_plain(err, -EADDRINUSE, "--port: another program listens at %s", path);
		return err_hint(err, "thruway vm ps shows the VMs that run, ss -xlp who listens");
	}
	return unlink(path) < 0 ? err_set(err, -errno, "--port: cannot remove %s", path) : 0;
}

/* One at a time: two that both see a dead VM's socket would take each other's away. */
static int lock_folder(const char *path)
{
	char copy[sizeof(((struct vm_opt_port *)0)->path)];
	_cleanup_close_ int fd = -1;

	strcpy(copy, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int bind_alone(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(mask);
	return r;
}

static int open_socket(const char *path, int *ret_fd, struct vm_port_made *made, struct err *err)
{
	_cleanup_close_ int lock = lock_folder(path), fd = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int r;

	strcpy(address.sun_path, path);
	if (lock < 0) {
		err_set(err, lock, "--port: cannot make %s", path);
		return lock == -ENOENT ? err_hint(err, "make its folder first") : lock;
	}
	r = make_way(&address, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_alone(fd, &address);
	if (r == 0)
		r = look(path, &st);
	if (r == 0)
		*made = (struct vm_port_made){ path, -1, st.st_ino, st.st_dev, st.st_ctim };
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "--port: cannot make %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void remove_socket(const struct vm_port_made *made)
{
	_cleanup_close_ int lock = lock_folder(made->path);
	struct stat st;

	/* An inode's number may be used again. */
	if (lock >= 0 && look(made->path, &st) == 0 && st.st_ino == made->ino &&
	    st.st_dev == made->dev && st.st_ctim.tv_sec == made->made.tv_sec &&
	    st.st_ctim.tv_nsec == made->made.tv_nsec)
		(void)unlink(made->path);
}

/* --- terminals ---------------------------------------------------------------------------------- */

/* Nothing is echoed, and every byte is itself, whoever opens it. */
static int make_raw(int slave)
{
	struct termios raw;

	if (tcgetattr(slave, &raw) < 0)
		return -errno;
	cfmakeraw(&raw);
	return tcsetattr(slave, TCSANOW, &raw) < 0 ? -errno : 0;
}

/*
 * The other end stays open here: it keeps its settings, and the guest's side is not hung up each time
 * that somebody closes it.
 */
static int open_pty(int root, const char *name, int *ret_fd, struct vm_port_made *made,
		    struct err *err)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDWR | O_NOCTTY | O_NONBLOCK, "dev/ptmx");
	int slave = -1, unlocked = 0, r;
	unsigned number = 0;

	if (fd < 0)
		return err_set(err, fd, "--port: cannot open /dev/ptmx");
	r = SIZED_IOCTL(fd, TIOCSPTLCK, &unlocked);
	if (r >= 0)
		r = SIZED_IOCTL(fd, TIOCGPTN, &number);
	if (r >= 0)
		r = slave = VALUE_IOCTL(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (r >= 0)
		r = make_raw(slave);
	if (r < 0) {
		close_fdp(&slave);
		return err_set(err, r, "--port: cannot make a terminal");
	}
	log_warn("port %s is /dev/pts/%u", name, number); /* no warning: it is the answer */
	*made = (struct vm_port_made){ .keep_fd = slave };
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* --- all of them -------------------------------------------------------------------------------- */

int vm_ports_open(int root, const struct vm_opt_port *opts, unsigned count,
		  struct vmm_config *config, struct vm_ports *ret, struct err *err)
{
	for (unsigned i = 0; i < count; i++) {
		struct vmm_port *port = &config->ports[i];
		struct vm_port_made made = { .keep_fd = -1 };
		bool terminal = !opts[i].path[0];
		int r = terminal ? open_pty(root, opts[i].name, &port->fd, &made, err) :
				   open_socket(opts[i].path, &port->fd, &made, err);

		if (made.path || made.keep_fd >= 0)
			ret->made[ret->count++] = made;
		if (r < 0)
			return r;
		memcpy(port->name, opts[i].name, sizeof(port->name));
		port->terminal = terminal;
		config->port_count++;
	}
	return 0;
}

void vm_ports_remove(struct vm_ports *ports)
{
	for (unsigned i = 0; i < ports->count; i++) {
		if (ports->made[i].path)
			remove_socket(&ports->made[i]);
		close_fdp(&ports->made[i].keep_fd);
	}
	ports->count = 0;
}
