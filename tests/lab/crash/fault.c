// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into a tool: counts what it does to the host and to its records, and at one
 * of these moments kills it or lets the call fail. Children count on with their parent,
 * also programs that it starts; it is the first one that is killed.
 *
 *	FAULT_COUNT=FILE  where the count is kept (made anew by who starts us)
 *	FAULT_LOG=FILE    append a line per event: "NUMBER KIND WHAT"
 *	FAULT_AT=N        the event to strike at, from 1; 0: none
 *	FAULT_KIND=KIND   N counts events of this kind only
 *	FAULT_HOW=before|after|EIO|ENOSPC
 *
 * Kinds: journal (a state of it replaces the last one), sysfs (a write), netlink (a VF's
 * attributes), nvme (an admin command), record (driverctl's file about a device).
 *
 * A shell's echo writes inside the C library: its output is kept until fflush(), which is
 * looked at too.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/nvme_ioctl.h>
#include <linux/rtnetlink.h>

#define DRIVERCTL "/etc/driverctl.d/"

static struct shared {
	atomic_uint count, of_kind;
	atomic_int tool; /* who came first */
} *shared;
static unsigned strike_at;
static const char *how = "", *only = "";
static int log_fd = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("FAULT_COUNT"), *log = getenv("FAULT_LOG");
	const char *at = getenv("FAULT_AT"), *by = getenv("FAULT_HOW"), *kind = getenv("FAULT_KIND");
	int fd = file ? open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	int nobody = 0;
	void *map;

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return;
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	shared = map;
	atomic_compare_exchange_strong(&shared->tool, &nobody, getpid());
	strike_at = at ? (unsigned)strtoul(at, NULL, 10) : 0;
	how = by ? by : "";
	only = kind ? kind : "";
	log_fd = log ? open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
}

__attribute__((noreturn)) static void die(void)
{
	kill(atomic_load(&shared->tool), SIGKILL);
	_exit(1);
}

/* Count the event. True: this is the one to strike at. */
static bool event(const char *kind, const char *what)
{
	char line[600];
	unsigned n;
	bool here;
	int len;

	if (!shared)
		return false;
	n = atomic_fetch_add(&shared->count, 1) + 1;
	len = snprintf(line, sizeof(line), "%u %s %s\n", n, kind, what);
	if (log_fd >= 0 && write(log_fd, line, (size_t)len) != len)
		abort();
	here = (!only[0] || strcmp(kind, only) == 0) &&
	       atomic_fetch_add(&shared->of_kind, 1) + 1 == strike_at;
	if (here && strcmp(how, "before") == 0)
		die();
	return here;
}

/* The call does not happen. False: it does. */
static bool fails(bool struck)
{
	if (!struck || strcmp(how, "after") == 0)
		return false;
	errno = strcmp(how, "ENOSPC") == 0 ? ENOSPC : EIO;
	return true;
}

static void done(bool struck)
{
	if (struck)
		die();
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

/* Count the writing of these bytes to fd. True: this is the one to strike at. */
static bool write_event(int fd, const char *bytes, size_t len)
{
	char link[32], path[300], what[400];
	const char *kind;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = shared ? readlink(link, path, sizeof(path) - 1) : -1;
	if (n < 0)
		return false;
	path[n] = '\0';
	if (strncmp(path, "/sys/", 5) == 0)
		kind = "sysfs";
	else if (strncmp(path, DRIVERCTL, strlen(DRIVERCTL)) == 0)
		kind = "record";
	else
		return false;
	snprintf(what, sizeof(what), "%s=%.*s", path, (int)(len < 40 ? len : 40), bytes);
	what[strcspn(what, "\n")] = '\0';
	return event(kind, what);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	static __typeof__(write) *real;
	bool struck = write_event(fd, buf, len);
	ssize_t n;

	if (!real)
		real = REAL(write);
	if (fails(struck))
		return -1;
	n = real(fd, buf, len);
	done(struck);
	return n;
}

int fflush(FILE *f)
{
	static __typeof__(fflush) *real;
	size_t len = shared && f ? __fpending(f) : 0;
	bool struck = len && write_event(fileno(f), f->_IO_write_base, len);
	int r;

	if (!real)
		real = REAL(fflush);
	if (fails(struck)) {
		__fpurge(f);
		f->_flags |= _IO_ERR_SEEN;
		return EOF;
	}
	r = real(f);
	done(struck);
	return r;
}

int setvbuf(FILE *f, char *buf, int mode, size_t size)
{
	return REAL(setvbuf)(f, buf, shared && mode == _IOLBF ? _IOFBF : mode, size);
}

int renameat(int olddir, const char *old, int newdir, const char *new)
{
	bool struck = event("journal", new);
	int r;

	if (fails(struck))
		return -1;
	r = REAL(renameat)(olddir, old, newdir, new);
	done(struck);
	return r;
}

int unlinkat(int dir, const char *name, int flags)
{
	/* An entry that goes; names with a dot are the journal's own rubbish. */
	bool entry = name[0] >= '0' && name[0] <= '9';
	bool record = strncmp(name, DRIVERCTL, strlen(DRIVERCTL)) == 0;
	bool struck = (entry || record) && event(entry ? "journal" : "record", name);
	int r;

	if (fails(struck))
		return -1;
	r = REAL(unlinkat)(dir, name, flags);
	done(struck);
	return r;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const struct nlmsghdr *h = msg->msg_iovlen ? msg->msg_iov[0].iov_base : NULL;
	bool struck = h && msg->msg_iov[0].iov_len >= sizeof(*h) &&
		      h->nlmsg_type == RTM_SETLINK && event("netlink", "RTM_SETLINK");
	ssize_t n;

	if (fails(struck))
		return -1;
	n = REAL(sendmsg)(fd, msg, flags);
	done(struck);
	return n;
}

/* Virtualization Management and what it changes; identifying and listing are questions. */
static bool changes(const struct nvme_admin_cmd *cmd)
{
	return cmd->opcode == 0x1c;
}

int ioctl(int fd, unsigned long request, ...)
{
	bool struck = false;
	va_list args;
	void *arg;
	int r;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == NVME_IOCTL_ADMIN_CMD && changes(arg))
		struck = event("nvme", "virtualization management");
	if (fails(struck))
		return -1;
	r = REAL(ioctl)(fd, request, arg);
	done(struck);
	return r;
}
