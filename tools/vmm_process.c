// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vmm_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "vmm/handover.h"

/* thruway-vmm beside this program (a build tree), else where `make install` puts it. */
static int open_program(int root, struct err *err)
{
	char self[HOSTFS_PATH_MAX], *slash;
	int fd = -ENOENT;

	if (hostfs_readlink(root, self, sizeof(self), "proc/self/exe") > 0) {
		slash = strrchr(self, '/');
		if (slash) {
			*slash = '\0';
			fd = hostfs_open(root, O_PATH, "%s/thruway-vmm", self + 1);
		}
	}
	if (fd == -ENOENT)
		fd = hostfs_open(root, O_PATH, "%s/thruway/thruway-vmm", &THRUWAY_LIBEXECDIR[1]);
	if (fd < 0) {
		err_set(err, fd, "cannot open %s/thruway/thruway-vmm", THRUWAY_LIBEXECDIR);
		return err_hint(err, "reinstall thruway: the VMM is a program of its own");
	}
	return fd;
}

static int no_uid(int r, const char *path, struct err *err)
{
	err_set(err, r, "cannot start the VMM: no lock on a uid for it: /%s", path);
	return journal_hint(r, err);
}

/* The lock file of a uid; the folder is made when it is not there, once a boot. */
static int open_uid(int root, unsigned uid, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "run/thruway/uid/%u", uid);
	fd = openat(root, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(root, "run/thruway", 0755) < 0 && errno != EEXIST)
			return no_uid(-errno, "run/thruway", err);
		if (mkdirat(root, "run/thruway/uid", 0700) < 0 && errno != EEXIST)
			return no_uid(-errno, "run/thruway/uid", err);
		fd = openat(root, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	return fd < 0 ? no_uid(-errno, path, err) : fd;
}

/* The first uid of the range whose lock file nobody holds; the lock lives with the VM. */
static int reserve_uid(int root, struct vmm_process *p, struct err *err)
{
	for (unsigned i = 0; i < VMM_UID_COUNT; i++) {
		int fd = open_uid(root, VMM_UID_BASE + i, err);

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			p->uid = VMM_UID_BASE + i;
			p->uid_fd = fd;
			return 0;
		}
		close(fd);
	}
	return err_plain(err, -EUSERS, "%u VMMs run already: no uid is left for another",
			 VMM_UID_COUNT);
}

/*
 * Of two that are alike the guest goes, not the host's processes: added to what we have,
 * so that a unit's OOMScoreAdjust= still tells guests apart.
 */
#define OOM_SCORE_MORE 500
#define OOM_SCORE_MAX  1000

/* What the child is before exec. Any failure is its first and last event. */
struct child {
	int root;
	int program;
	int sock;
	pid_t parent;
	uid_t uid; /* 0: keep ours */
};

static _Noreturn void child_fail(const struct child *c, const char *what)
{
	struct vmm_event e = { .type = VMM_EVENT_ERROR };

	err_set(&e.err, -errno, "cannot start the VMM: %s", what);
	if (e.err.code == -EPERM && strcmp(what, "setresuid") == 0)
		err_hint(&e.err, "root needs CAP_SETUID and CAP_SETGID here, to give the VMM a uid of "
				 "its own: run it with them, or as an ordinary user");
	handover_event(c->sock, &e);
	_exit(127);
}

/* Best effort: without proc there is no such score. */
static void offer_to_oom_killer(int root)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDWR, "proc/self/oom_score_adj");
	char text[32] = "";
	long score;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return;
	score = strtol(text, NULL, 10) + OOM_SCORE_MORE;
	snprintf(text, sizeof(text), "%ld", score < OOM_SCORE_MAX ? score : OOM_SCORE_MAX);
	if (pwrite(fd, text, strlen(text), 0) < 0)
		return;
}

static _Noreturn void child_run(const struct child *c)
{
	char name[] = "thruway-vmm", *argv[] = { name, NULL }, *envp[] = { NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Before setresuid, which gives our files in proc to root. */
	offer_to_oom_killer(c->root);
	if (c->uid && (setgroups(0, NULL) < 0 || setresgid(c->uid, c->uid, c->uid) < 0 ||
		       setresuid(c->uid, c->uid, c->uid) < 0))
		child_fail(c, "setresuid");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fail(c, "no_new_privs");
	/* After setresuid, which clears it; then look whether the parent went meanwhile. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		child_fail(c, "PR_SET_PDEATHSIG");
	if (getppid() != c->parent)
		_exit(127);
	if (c->sock == HANDOVER_FD ? fcntl(c->sock, F_SETFD, 0) < 0 :
				     dup2(c->sock, HANDOVER_FD) < 0)
		child_fail(c, "dup2");
	/* Not what our caller left open, either: locks, logs, sockets of a service manager. */
	if (close_range(HANDOVER_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		child_fail(c, "close_range");
	execveat(c->program, "", argv, envp, AT_EMPTY_PATH);
	child_fail(c, "thruway-vmm");
}

int vmm_process_start(int root, const struct vmm_limits *limits, struct vmm_process *ret,
		      struct err *err)
{
	struct vmm_process p = VMM_PROCESS_INIT;
	_cleanup_close_ int program = open_program(root, err);
	_cleanup_close_ int theirs = -1;
	struct child child;
	int sv[2], r;

	if (program < 0)
		return program;
	r = vmm_limits_raise(limits, err);
	if (r == 0 && getauxval(AT_EUID) == 0) /* the same without a system call */
		r = reserve_uid(root, &p, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0) {
		r = err_set(err, -errno, "cannot create the VMM's socket");
		close_fdp(&p.uid_fd);
		return r;
	}
	p.sock = sv[0];
	theirs = sv[1];
	child = (struct child){ root, program, theirs, getpid(), p.uid };
	fflush(NULL);
	p.pid = fork();
	if (p.pid == 0)
		child_run(&child);
	if (p.pid > 0)
		p.pidfd = (int)syscall(SYS_pidfd_open, p.pid, 0);
	if (p.pid < 0 || p.pidfd < 0) {
		r = err_set(err, -errno, "cannot start the VMM");
		vmm_process_end(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void vmm_process_end(struct vmm_process *p)
{
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	p->pid = -1;
	close_fdp(&p->pidfd);
	close_fdp(&p->sock);
	close_fdp(&p->uid_fd);
}
