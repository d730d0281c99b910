// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One lock for every change to the host. It is an flock on run/thruway/lock, so
 * the kernel drops it with the last process that has the file open: the one that
 * took it, and the children that do its sysfs writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal_internal.h"
#include "base/log.h"
#include "base/process.h"
#include "base/progress.h"

#define LOCK_PATH "run/thruway/lock"
#define POLL_NS	  50000000l
#define LOOK_S	  0.5 /* how often to look who has it, */
#define SAY_S	  3.0 /* and to say so where no terminal shows it */

static int not_allowed(int r, struct err *err)
{
	err_set(err, r, "cannot change this host: /" LOCK_PATH);
	return journal_hint(r, err);
}

static int open_lock(int root, struct err *err)
{
	int made, fd;

	/* On a real host run/ is there; a failure shows at the next one. */
	(void)hostfs_mkdir(root, "run", 0755);
	made = hostfs_mkdir(root, "run/thruway", 0755);
	fd = openat(root, LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		return fd;
	return not_allowed(errno == ENOENT && made < 0 ? made : -errno, err);
}

/* Say in the file who we are, for those who wait. It is advice: failures do not matter. */
static void sign(int fd, const char *command)
{
	char text[192];
	int n = snprintf(text, sizeof(text), "%d %s\n", (int)getpid(), command);

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < n)
		log_debug("cannot sign the lock");
}

/* Split "123 bind 0000:01:10.0"; 0 when nobody signed. */
static long read_signature(int fd, char *text, size_t size, const char **ret_command)
{
	char *command;
	long pid;

	if (fd_read_all(fd, text, size) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	pid = strtol(text, &command, 10);
	*ret_command = command + (*command == ' ');
	return pid;
}

/* "pid 123 (bind 0000:01:10.0), for 3 s"; with the kernel function when it is a hung child. */
static void name_holder(int root, int fd, char *buf, size_t size)
{
	char text[192], where[64], comm[32];
	const char *command = "";
	long signer = read_signature(fd, text, sizeof(text), &command);
	pid_t holder = process_locking(root, fd, (pid_t)signer);

	if (!signer && !holder) {
		snprintf(buf, size, "a process that does not show in /proc");
	} else if (!signer) { /* not by us: flock(1), or a holder that is just coming or going */
		snprintf(buf, size, "pid %d (%s)", (int)holder,
			 process_name(root, holder, comm, sizeof(comm)));
	} else if (!holder || holder == signer) {
		snprintf(buf, size, "pid %ld (%s), for %ld s", signer, command,
			 process_age(root, (pid_t)signer));
	} else {
		process_where(root, holder, where, sizeof(where));
		snprintf(buf, size,
			 "pid %d, a write of pid %ld (%s) that hangs in the kernel%s%s, for %ld s",
			 (int)holder, signer, command, where[0] ? " at " : "", where,
			 process_age(root, holder));
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int give_up(int root, int fd, struct err *err)
{
	char holder[384];

	name_holder(root, fd, holder, sizeof(holder));
	err_plain(err, -ETIMEDOUT, "another thruway is changing this host: %s", holder);
	err_hint(err, "wait for it, or wait longer with --lock-timeout S");
	return -ETIMEDOUT;
}

int journal_lock(int root, const char *command, unsigned timeout_s, int *ret_fd, struct err *err)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	_cleanup_close_ int fd = open_lock(root, err);
	_cleanup_(progress_end) struct progress progress = PROGRESS_INIT;
	double began = now(), looked = began, said = began;

	if (fd < 0)
		return fd;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		char holder[384];

		if (errno != EWOULDBLOCK && errno != EINTR)
			return not_allowed(-errno, err);
		if (now() - began >= timeout_s)
			return give_up(root, fd, err);
		nanosleep(&pause, NULL);
		if (now() - looked < LOOK_S)
			continue;
		looked = now();
		name_holder(root, fd, holder, sizeof(holder));
		if (!progress_show(&progress, "waiting for %s, %.0f s", holder, looked - began) &&
		    looked - said >= SAY_S) {
			log_warn("waiting for %s, %.0f s", holder, looked - began);
			said = looked;
		}
	}
	sign(fd, command);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void journal_unlock(int *fd)
{
	/* Who waits must not be told of us any more. */
	if (*fd >= 0 && ftruncate(*fd, 0) < 0)
		log_debug("cannot clear the lock's signature");
	close_fdp(fd);
}

/* --- owners ----------------------------------------------------------------------------------- */

/*
 * Who owns an entry for as long as it lives keeps the byte of the entry's number in the lock
 * file locked. That is known in every PID namespace, and with or without proc. Locks of
 * this kind (of the open file, fcntl(2)) and flock do not see each other.
 */
static struct flock owner_byte(const char *entry)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET,
			       .l_start = strtol(entry, NULL, 10), .l_len = 1 };
}

int owner_hold(int root, const char *entry)
{
	_cleanup_close_ int fd = openat(root, LOCK_PATH, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = owner_byte(entry);

	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return -errno;
	(void)TAKE_FD(fd); /* for the kernel to close, when we end */
	return 0;
}

bool owner_held(int root, const char *entry)
{
	_cleanup_close_ int fd = openat(root, LOCK_PATH, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = owner_byte(entry);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

enum process_state owner_look(int root, const struct entry *e)
{
	return owner_held(root, e->name) ? PROCESS_ALIVE : process_look(root, &e->owner);
}
