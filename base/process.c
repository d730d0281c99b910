// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hostfs.h"

#define INITIAL_PIDNS 0xeffffffcu /* PROC_PID_INIT_INO, the same on every Linux since 3.8 */

/* Field 22 of proc/PID/stat. The command name before it may hold blanks and brackets. */
static uint64_t start_time(int root, pid_t pid)
{
	char text[1024], *p;
	uint64_t start;

	if (hostfs_read(root, text, sizeof(text), "proc/%d/stat", (int)pid) < 0)
		return 0;
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p && sscanf(p, " %" SCNu64, &start) == 1 ? start : 0;
}

static void boot_id(int root, char *buf, size_t size)
{
	if (hostfs_read(root, buf, size, "proc/sys/kernel/random/boot_id") < 0)
		buf[0] = '\0';
}

/* Our PID namespace; 0 when proc is not mounted, or is of one that we are not in. */
static uint64_t own_pidns(int root)
{
	struct stat st;

	return fstatat(root, "proc/self/ns/pid", &st, 0) < 0 ? 0 : st.st_ino;
}

/* Pids in proc are as we know them: it is of our namespace, and not of one above. */
static bool proc_is_ours(int root)
{
	char name[16], self[16];

	snprintf(self, sizeof(self), "%d", (int)getpid());
	return hostfs_readlink(root, name, sizeof(name), "proc/self") > 0 && strcmp(name, self) == 0;
}

void process_self(int root, struct process_id *ret)
{
	*ret = (struct process_id){ .pid = getpid() };
	/* In a proc of a namespace above, our pid is somebody else's, who may outlive us. */
	if (proc_is_ours(root)) {
		ret->start = start_time(root, getpid());
		ret->pidns = own_pidns(root);
	}
	boot_id(root, ret->boot, sizeof(ret->boot));
}

bool process_is_self(int root, const struct process_id *id)
{
	struct process_id self;

	process_self(root, &self);
	return id->pid == self.pid && id->start == self.start && id->pidns == self.pidns;
}

int process_identify(int root, pid_t pid, struct process_id *ret)
{
	struct process_id id = { .pid = pid, .start = start_time(root, pid),
				 .pidns = own_pidns(root) };

	if (!id.start)
		return -ESRCH;
	boot_id(root, id.boot, sizeof(id.boot));
	*ret = id;
	return 0;
}

bool process_of_other_boot(int root, const struct process_id *id)
{
	char boot[sizeof(id->boot)];

	boot_id(root, boot, sizeof(boot));
	return boot[0] && id->boot[0] && strcmp(boot, id->boot) != 0;
}

enum process_state process_look(int root, const struct process_id *id)
{
	uint64_t start, pidns = id->pidns ? id->pidns : INITIAL_PIDNS;

	if (process_of_other_boot(root, id))
		return PROCESS_DEAD;
	if (!proc_is_ours(root) || own_pidns(root) != pidns)
		return PROCESS_UNKNOWN;
	start = start_time(root, id->pid);
	if (start && !id->start)
		return PROCESS_UNKNOWN;
	return start && start == id->start ? PROCESS_ALIVE : PROCESS_DEAD;
}

bool process_alive(int root, const struct process_id *id)
{
	return process_look(root, id) != PROCESS_DEAD;
}

long process_age(int root, pid_t pid)
{
	uint64_t start = start_time(root, pid);
	char text[64];
	double uptime;

	if (!start || hostfs_read(root, text, sizeof(text), "proc/uptime") < 0 ||
	    sscanf(text, "%lf", &uptime) != 1)
		return -1;
	return (long)(uptime - (double)start / (double)sysconf(_SC_CLK_TCK));
}

char *process_where(int root, pid_t pid, char *buf, size_t size)
{
	char text[2048], *name, *end;

	buf[0] = '\0';
	if (hostfs_read(root, text, sizeof(text), "proc/%d/stack", (int)pid) < 0)
		return buf;
	/* The innermost frame: "[<0>] msleep+0x29/0x40" */
	name = strchr(text, ' ');
	if (!name)
		return buf;
	end = strpbrk(++name, "+\n");
	snprintf(buf, size, "%.*s", (int)(end ? end - name : (long)strlen(name)), name);
	return buf;
}

struct holder {
	int root;
	struct stat file;
	const char *process;
	pid_t found;
};

/* "lock:\t1: FLOCK  ADVISORY  WRITE 77 00:19:345 0 EOF": this open file has it, or shares it. */
static bool has_flock(const struct holder *h, const char *fd)
{
	char text[1024];

	return hostfs_read(h->root, text, sizeof(text), "proc/%s/fdinfo/%s", h->process, fd) > 0 &&
	       strstr(text, "lock:") && strstr(text, "FLOCK");
}

static int match_fd(const char *name, void *opaque)
{
	struct holder *h = opaque;
	char path[HOSTFS_PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "proc/%s/fd/%s", h->process, name);
	return fstatat(h->root, path, &st, 0) == 0 && st.st_dev == h->file.st_dev &&
	       st.st_ino == h->file.st_ino && has_flock(h, name);
}

static int match_process(const char *name, void *opaque)
{
	struct holder *h = opaque;
	pid_t pid = (pid_t)strtol(name, NULL, 10);

	if (pid <= 0 || pid == getpid())
		return 0;
	h->process = name;
	if (hostfs_list(h->root, match_fd, h, "proc/%s/fd", name) != 1)
		return 0;
	h->found = pid;
	return 1;
}

pid_t process_locking(int root, int fd, pid_t first)
{
	struct holder h = { .root = root };
	char name[16];

	if (fstat(fd, &h.file) < 0)
		return 0;
	snprintf(name, sizeof(name), "%d", (int)first);
	if (match_process(name, &h))
		return first;
	hostfs_list(root, match_process, &h, "proc");
	return h.found;
}

struct writer {
	int root;
	bool (*match)(const char *path, void *opaque);
	void *opaque;
	const char *process;
	pid_t found;
};

/* "flags:\t0100001": octal, as open(2) was given them. */
static bool opened_for_writing(const struct writer *w, const char *fd)
{
	char text[512], *line;
	unsigned flags;

	if (hostfs_read(w->root, text, sizeof(text), "proc/%s/fdinfo/%s", w->process, fd) < 0)
		return false;
	line = strstr(text, "flags:");
	return line && sscanf(line, "flags: %o", &flags) == 1 && (flags & O_ACCMODE) != O_RDONLY;
}

static int match_written(const char *name, void *opaque)
{
	struct writer *w = opaque;
	char path[HOSTFS_PATH_MAX];

	return hostfs_readlink(w->root, path, sizeof(path), "proc/%s/fd/%s", w->process, name) > 0 &&
	       w->match(path, w->opaque) && opened_for_writing(w, name);
}

static int match_writer(const char *name, void *opaque)
{
	struct writer *w = opaque;
	pid_t pid = (pid_t)strtol(name, NULL, 10);

	if (pid <= 0 || pid == getpid())
		return 0;
	w->process = name;
	if (hostfs_list(w->root, match_written, w, "proc/%s/fd", name) != 1)
		return 0;
	w->found = pid;
	return 1;
}

pid_t process_writing(int root, bool (*match)(const char *path, void *opaque), void *opaque)
{
	struct writer w = { .root = root, .match = match, .opaque = opaque };

	hostfs_list(root, match_writer, &w, "proc");
	return w.found;
}

char *process_name(int root, pid_t pid, char *buf, size_t size)
{
	if (hostfs_read(root, buf, size, "proc/%d/comm", (int)pid) < 0)
		snprintf(buf, size, "?");
	for (char *p = buf; *p; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	}
	return buf;
}

uint32_t process_login_uid(int root)
{
	uint64_t uid;

	if (hostfs_read_u64(root, &uid, "proc/self/loginuid") < 0 || uid > UINT32_MAX)
		return UINT32_MAX;
	return (uint32_t)uid;
}
