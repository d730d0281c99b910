// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/lease_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/lease.h"

#define LOOK_S	       5 /* whether it was released meanwhile, or given to another */
#define LOCK_TIMEOUT_S 60

static bool is_there_yet(int root, const struct lease *lease)
{
	struct lease now;

	return lease_read_file(root, lease->bdf, &now) == 0 && now.inode == lease->inode &&
	       now.expires == lease->expires && now.holder.pid == lease->holder.pid &&
	       now.holder.start == lease->holder.start && strcmp(now.node, lease->node) == 0;
}

static void wait_a_while(const struct lease *lease)
{
	_cleanup_close_ int pidfd =
		lease->holder.pid ? (int)syscall(SYS_pidfd_open, lease->holder.pid, 0) : -1;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	uint64_t now = lease_now(), seconds = LOOK_S;

	if (lease->expires && lease->expires < now + seconds)
		seconds = lease->expires > now ? lease->expires - now : 0;
	/* A holder that is gone by now cannot be opened: is it over? is asked next. */
	if (pidfd >= 0 || !lease->holder.pid)
		(void)poll(&p, 1, (int)(seconds + 1) * 1000);
	else
		(void)poll(NULL, 0, 1000);
}

static void keep(int root, const struct lease *lease)
{
	_cleanup_close_ int null = hostfs_open(root, O_RDWR, "dev/null");
	unsigned count;

	/* Nobody is left to talk to, and a terminal or a pipe must not be held open. */
	for (int fd = 0; fd <= 2; fd++)
		null >= 0 ? dup2(null, fd) : close(fd);
	log_set_level(LOG_QUIET);
	(void)prctl(PR_SET_NAME, "thruway-lease");
	if (chdir("/") < 0)
		return;
	while (is_there_yet(root, lease)) {
		if (!lease_is_over(root, lease))
			wait_a_while(lease);
		else if (lease_reap(root, LOCK_TIMEOUT_S, &count, NULL) < 0)
			(void)poll(NULL, 0, 1000);
	}
}

int lease_keep(int root, const struct lease *lease, struct err *err)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return err_set(err, -errno, "cannot wait for the end of the lease of %s",
			       BDF_STR(lease->bdf));
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0)
			keep(root, lease);
		_exit(pid < 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}
