// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/klog.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"

#define RECORD_MAX          8192 /* the kernel's own limit of a record as /dev/kmsg shows it */
#define TEXT_MAX            (64u << 20)
#define JOURNAL_DEADLINE_MS 5000

struct text {
	char *buf;
	size_t len, size;
};

static int text_append(struct text *t, const char *data, size_t len)
{
	size_t size = t->size ? t->size : 65536;
	char *bigger;

	if (len > TEXT_MAX - t->len)
		return -EFBIG;
	while (size < t->len + len + 1)
		size *= 2;
	if (size != t->size) {
		bigger = realloc(t->buf, size);
		if (!bigger)
			return -ENOMEM;
		t->buf = bigger;
		t->size = size;
	}
	memcpy(t->buf + t->len, data, len);
	t->len += len;
	t->buf[t->len] = '\0';
	return 0;
}

static int keep(struct klog *log, const char *stamp, const char *words)
{
	char **bigger = realloc(log->lines, (log->count + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	log->lines = bigger;
	if (asprintf(&bigger[log->count], "[%s] %s", stamp, words) < 0)
		return -ENOMEM;
	log->count++;
	return 0;
}

/* --- /dev/kmsg: "priority,number,microseconds,flags;text", then lines that begin with a blank ---
 */

static int keep_record(struct klog *log, const char *line)
{
	unsigned long long number, us;
	const char *words = strchr(line, ';');
	char stamp[32];

	if (*line == ' ' || !words || sscanf(line, "%*u,%llu,%llu", &number, &us) != 2)
		return 0;
	if (!log->count)
		log->whole = number == 0;
	snprintf(stamp, sizeof(stamp), "%5llu.%06llu", us / 1000000, us % 1000000);
	return keep(log, stamp, words + 1);
}

/* All records there are now. One that is overwritten under us is passed over: -EPIPE. */
static int read_records(int fd, struct text *t)
{
	char record[RECORD_MAX];
	ssize_t n;
	int r;

	for (;;) {
		n = read(fd, record, sizeof(record));
		if (n > 0) {
			r = text_append(t, record, (size_t)n);
			if (r < 0)
				return r;
		} else if (n == 0 || errno == EAGAIN) {
			return 0;
		} else if (errno != EPIPE && errno != EINTR) {
			return -errno;
		}
	}
}

static int each_line(struct text *t, struct klog *log, int (*fn)(struct klog *, const char *))
{
	char *save = NULL;
	int r = 0;

	if (!t->buf)
		return 0;
	for (char *p = strtok_r(t->buf, "\n", &save); r == 0 && p; p = strtok_r(NULL, "\n", &save))
		r = fn(log, p);
	return r;
}

static int read_kmsg(int root, struct klog *log)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY | O_NONBLOCK, "dev/kmsg");
	struct text t = { 0 };
	int r = fd < 0 ? fd : read_records(fd, &t);

	if (r == 0)
		r = each_line(&t, log, keep_record);
	free(t.buf);
	return r;
}

/* --- the journal: "[    1.234567] host kernel: text" --------------------------------------------
 */

static int keep_journal_line(struct klog *log, const char *line)
{
	const char *words = strstr(line, " kernel: ");
	char stamp[32];

	if (!words || sscanf(line, "[%31[ 0-9.]]", stamp) != 1)
		return 0;
	return keep(log, stamp, words + strlen(" kernel: "));
}

static _Noreturn void be_journalctl(int root, int out)
{
	static char *const argv[] = { (char *)"journalctl",
				      (char *)"--dmesg",
				      (char *)"--boot",
				      (char *)"--quiet",
				      (char *)"--no-pager",
				      (char *)"--output=short-monotonic",
				      NULL };
	int null = hostfs_open(root, O_RDWR, "dev/null");

	/* What is not a program but a script is opened again by its interpreter, through root. */
	(void)fcntl(root, F_SETFD, 0);
	if (dup2(out, 1) == 1 && (null < 0 ? close(2) : dup2(null, 2)) >= 0)
		execveat(root, "usr/bin/journalctl", argv, environ, 0);
	_exit(127);
}

/* Until its end, or the deadline. */
static int read_pipe(int fd, struct text *t)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char part[16384];
	ssize_t n;
	int r = 0;

	while (r == 0) {
		if (poll(&p, 1, JOURNAL_DEADLINE_MS) <= 0)
			return -ETIMEDOUT;
		n = read(fd, part, sizeof(part));
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = text_append(t, part, (size_t)n);
	}
	return r;
}

static int run_journalctl(int root, struct text *t)
{
	_cleanup_close_ int in = -1, out = -1;
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		be_journalctl(root, out);
	close_fdp(&out);
	r = read_pipe(in, t);
	if (r < 0)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status)))
		r = -EIO;
	return r;
}

static int read_journal(int root, struct klog *log)
{
	struct text t = { 0 };
	int r = hostfs_exists(root, "usr/bin/journalctl") ? run_journalctl(root, &t) : -ENOENT;

	if (r == 0)
		r = each_line(&t, log, keep_journal_line);
	free(t.buf);
	/* Who may not read the journal is shown an empty one. */
	if (r == 0 && !log->count)
		r = -ENODATA;
	log->whole = r == 0;
	return r;
}

/* --- both ----------------------------------------------------------------------------------------
 */

int klog_read(int root, struct klog *ret)
{
	struct klog log = { .source = "/dev/kmsg" }, journal = { .source = "journalctl -k" };
	int r;

	log.error = read_kmsg(root, &log);
	if (log.error == 0 && !log.count)
		log.error = -ENODATA;
	if (log.error == 0 && log.whole) {
		*ret = log;
		return 0;
	}
	r = log.error == -ENOMEM ? -ENOMEM : read_journal(root, &journal);
	if (r == 0) {
		klog_fini(&log);
		*ret = journal;
		return 0;
	}
	klog_fini(&journal);
	if (r == -ENOMEM) {
		klog_fini(&log);
		return r;
	}
	*ret = log;
	return 0;
}

void klog_fini(struct klog *log)
{
	for (size_t i = 0; i < log->count; i++)
		free(log->lines[i]);
	free(log->lines);
	log->lines = NULL;
	log->count = 0;
}

/* The address stands alone, not as the end or beginning of another number. */
static bool names_device(const char *line, const char *bdf)
{
	const char *brief = strlen(bdf) > 8 ? strchr(bdf, ':') + 1 : bdf;
	bool domain_0 = strncmp(bdf, "0000:", 5) == 0;

	for (const char *p = line; (p = strstr(p, brief)); p++) {
		size_t before = (size_t)(brief - bdf);
		bool full = (size_t)(p - line) >= before && strncmp(p - before, bdf, before) == 0;
		char prev = p > line ? p[-1] : ' ';

		if (isdigit((unsigned char)p[strlen(brief)]))
			continue;
		if (full || (domain_0 && prev != ':' && !isxdigit((unsigned char)prev)))
			return true;
	}
	return false;
}

const char *klog_next(const struct klog *log, size_t *at, const char *bdf, const char *const *words)
{
	while (*at < log->count) {
		const char *line = log->lines[(*at)++];

		if (*bdf && !names_device(line, bdf))
			continue;
		for (size_t i = 0; words[i]; i++) {
			if (strstr(line, words[i]))
				return line;
		}
	}
	return NULL;
}
