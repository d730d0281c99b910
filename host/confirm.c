// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/process.h"
#include "host/change.h"

#define RETRY_S 5 /* while somebody holds what is to be given back */

struct outcome {
	int r;
	struct err err;
};

static int stop_at_first(const struct step *step, void *opaque)
{
	return 1;
}

int confirm_check_none(int root, struct err *err)
{
	int r = journal_each_unconfirmed(root, stop_at_first, NULL);

	if (r == -EACCES || r == -EPERM) /* nor may they change anything, and are told so then */
		return 0;
	if (r <= 0)
		return r < 0 ? err_set(err, r, "cannot read the journal") : 0;
	err_plain(err, -EBUSY, "an earlier host apply waits to be confirmed");
	return err_hint(err, "thruway host confirm, or wait until it is undone");
}

int confirm_now(int root, unsigned lock_timeout_s, struct err *err)
{
	struct process_id owner;
	int r = journal_confirm(root, lock_timeout_s, &owner, err);

	/* It would find out by itself; this spares it the waiting. */
	if (r == 0 && process_look(root, &owner) == PROCESS_ALIVE)
		kill(owner.pid, SIGUSR1);
	return r;
}

/* --- the process that waits ------------------------------------------------------------------- */

/* Nobody is left to talk to, and a terminal or a pipe must not be held open. */
static void leave_caller(int root)
{
	_cleanup_close_ int null = hostfs_open(root, O_RDWR, "dev/null");

	log_set_level(LOG_QUIET);
	for (int fd = 0; fd <= 2; fd++) {
		if (null >= 0)
			dup2(null, fd);
		else
			close(fd);
	}
	if (chdir("/") < 0)
		log_debug("cannot leave the working directory");
}

/* Confirmed or not is in the journal; the signals only end the wait. */
static void wait_then_undo(int root, unsigned seconds, const sigset_t *wake)
{
	struct timespec limit = { .tv_sec = seconds };
	unsigned undone;

	(void)sigtimedwait(wake, NULL, &limit);
	while (change_expire_own(root, &undone, NULL) < 0) {
		limit.tv_sec = RETRY_S;
		(void)sigtimedwait(wake, NULL, &limit);
	}
}

static void keep_until_confirmed(int root, const struct host_spec *hs, const char *command,
				 unsigned seconds, unsigned lock_timeout_s, int pipe_fd)
{
	struct journal_owner owner = { .confirm = true };
	struct outcome out = { .err = ERR_INIT };
	sigset_t wake;

	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&wake);
	sigaddset(&wake, SIGUSR1);
	sigaddset(&wake, SIGTERM);
	sigprocmask(SIG_BLOCK, &wake, NULL);
	snprintf(owner.command, sizeof(owner.command), "%s", command);
	out.r = host_spec_apply(root, hs, &owner, lock_timeout_s, &out.err);
	(void)fd_write_all(pipe_fd, &out, sizeof(out));
	close(pipe_fd);
	leave_caller(root);
	if (out.r == 0)
		wait_then_undo(root, seconds, &wake);
}

static int read_outcome(int fd, struct outcome *ret)
{
	char *p = (char *)ret;
	size_t len = 0;

	while (len < sizeof(*ret)) {
		ssize_t n = read(fd, p + len, sizeof(*ret) - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		len += (size_t)n;
	}
	return 0;
}

int confirm_apply(int root, const struct host_spec *hs, const char *command, unsigned seconds,
		  unsigned lock_timeout_s, struct err *err)
{
	_cleanup_close_ int reader = -1, writer = -1;
	struct outcome out;
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "cannot begin the change");
	reader = fds[0];
	writer = fds[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot begin the change");
	if (pid == 0) {
		close_fdp(&reader);
		keep_until_confirmed(root, hs, command, seconds, lock_timeout_s, writer);
		_exit(0);
	}
	close_fdp(&writer);
	r = read_outcome(reader, &out);
	if (r < 0) {
		err_plain(err, r, "the process that makes the change (pid %d) was killed", (int)pid);
		return err_hint(err, "thruway host recover");
	}
	if (out.r < 0 && err && !err->code)
		*err = out.err;
	return out.r;
}
