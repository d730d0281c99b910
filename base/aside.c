// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"

unsigned aside_wait_ms = 2000;

/* One child's memory: it fills slots and counts them in done. */
struct shared {
	atomic_size_t done;
	max_align_t slots[];
};

static _Noreturn void read_all(int root, const struct aside *job, size_t from, struct shared *mem)
{
	/* Nobody shall wait at a pipe or lock of ours because we hang. */
	if (root > 0)
		close_range(0, (unsigned)root - 1, 0);
	close_range((unsigned)root + 1, ~0u, 0);
	for (size_t i = from; i < job->count; i++) {
		job->read(root, i, (char *)mem->slots + (i - from) * job->size, job->opaque);
		atomic_store(&mem->done, i - from + 1);
	}
	_exit(0);
}

#define SLICES 4 /* of wait_ms: so fine is seen when it got on last */
#define SLOW   15 /* times wait_ms, for a child that does not sleep */

/* It has work and no CPU, or not enough of one: the machine is slow, and no lock is held. */
static bool is_runnable(pid_t pid)
{
	char path[32], text[512];
	_cleanup_close_ int fd = -1;
	ssize_t n;
	char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid); /* it is ours: no root of others */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')'); /* of its name, which may have any character */
	return end && strncmp(end, ") R", 3) == 0;
}

/* Wait until the child has ended or gets no further. Returns how many it has done. */
static size_t watch(pid_t pid, struct shared *mem, unsigned wait_ms)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	size_t seen = atomic_load(&mem->done), now;

	for (unsigned idle = 0, slow = 0; idle < SLICES && slow < SLOW * SLICES; seen = now) {
		int n = pidfd < 0 ? 1 : poll(&p, 1, (int)(wait_ms / SLICES));

		if (n > 0) {
			waitpid(pid, NULL, 0);
			return atomic_load(&mem->done);
		}
		now = atomic_load(&mem->done);
		slow = now != seen ? 0 : slow + (n == 0);
		idle = now != seen ? 0 : idle + (n == 0 && !is_runnable(pid));
	}
	kill(pid, SIGKILL); /* for when the kernel lets it go; not waited for */
	return seen;
}

int aside_read(int root, const struct aside *job, size_t from, unsigned wait_ms, void *slots,
	       size_t *ret_done)
{
	size_t size = sizeof(struct shared) + (job->count - from) * job->size, done;
	/* Of this child alone: one that was left behind may still write. */
	struct shared *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				  -1, 0);
	pid_t pid;
	int r = 0;

	if (mem == MAP_FAILED)
		return -errno;
	pid = fork();
	if (pid == 0)
		read_all(root, job, from, mem);
	if (pid < 0) {
		r = -errno;
	} else {
		done = watch(pid, mem, wait_ms);
		memcpy((char *)slots + from * job->size, mem->slots, done * job->size);
		*ret_done = done;
	}
	munmap(mem, size);
	return r;
}

struct text {
	ssize_t len; /* or -errno */
	char text[4096];
};

static void read_text(int root, size_t i, void *slot, void *opaque)
{
	struct text *t = slot;

	t->len = hostfs_read(root, t->text, sizeof(t->text), "%s", (const char *)opaque);
}

ssize_t aside_text(int root, char *buf, size_t size, const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX];
	struct aside job = { 1, sizeof(struct text), read_text, path };
	struct text t = { 0 };
	size_t done = 0;
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	r = aside_read(root, &job, 0, aside_wait_ms, &t, &done);
	if (r < 0)
		return r;
	if (!done)
		return -EBUSY;
	if (t.len >= 0 && (size_t)t.len >= size)
		return -EFBIG;
	if (t.len >= 0)
		memcpy(buf, t.text, (size_t)t.len + 1);
	return t.len;
}
