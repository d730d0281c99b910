// SPDX-License-Identifier: GPL-2.0-or-later
/* What a rule says while it looks. Running out of memory is kept for the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"

#define LOG_LINES_SHOWN 3

/* Files of the host may hold anything; terminals and JSON may not. */
static void make_printable(char *s)
{
	for (; *s; s++) {
		if (*s < ' ' || *s > '~')
			*s = *s == '\n' || *s == '\t' ? ' ' : '?';
	}
}

static char *format(struct check *c, const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0) {
		c->oom = true;
		return NULL;
	}
	make_printable(s);
	return s;
}

void check_say(struct check *c, enum doctor_result result, const char *fmt, ...)
{
	va_list ap;

	if (result <= c->f->result)
		return;
	c->f->result = result;
	free(c->f->text);
	free(c->f->fix);
	c->f->fix = NULL;
	va_start(ap, fmt);
	c->f->text = format(c, fmt, ap);
	va_end(ap);
}

void check_fix(struct check *c, const char *fmt, ...)
{
	va_list ap;

	if (c->f->fix || c->f->result <= DOCTOR_PASS)
		return;
	va_start(ap, fmt);
	c->f->fix = format(c, fmt, ap);
	va_end(ap);
}

static void add_evidence(struct check *c, char *file, const char *value)
{
	struct doctor_finding *f = c->f;
	struct doctor_evidence *bigger =
		realloc(f->evidence, (f->evidence_count + 1) * sizeof(*bigger));

	if (bigger)
		f->evidence = bigger;
	if (!bigger || !file || !(bigger[f->evidence_count].value = strdup(value))) {
		c->oom = true;
		free(file);
		return;
	}
	make_printable(bigger[f->evidence_count].value);
	bigger[f->evidence_count++].file = file;
}

void check_evidence(struct check *c, const char *value, const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX], *file;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (asprintf(&file, "/%s", path) < 0)
		file = NULL;
	add_evidence(c, file, value);
}

void check_skip(struct check *c)
{
	if (c->f->result <= DOCTOR_PASS)
		c->f->result = DOCTOR_SKIP;
}

void check_unreadable(struct check *c, int r, const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	check_say(c, DOCTOR_NOTE, "cannot tell: /%s cannot be read: %s", path, strerror(-r));
	check_evidence(c, strerror(-r), "%s", path);
	if (r == -EACCES || r == -EPERM)
		check_fix(c, "run it as root");
}

int check_read(struct check *c, char *buf, size_t size, const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX];
	va_list ap;
	ssize_t n;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	n = hostfs_read(c->d->root, buf, size, "%s", path);
	if (n < 0)
		return (int)n;
	check_evidence(c, buf, "%s", path);
	return 0;
}

int check_fopen(struct check *c, FILE **ret, const char *fmt, ...)
{
	char path[HOSTFS_PATH_MAX];
	va_list ap;
	FILE *in;
	int fd;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = hostfs_open(c->d->root, O_RDONLY, "%s", path);
	if (fd < 0)
		return fd;
	in = fdopen(fd, "r");
	if (!in) {
		close_fdp(&fd);
		return -ENOMEM;
	}
	*ret = in;
	return 0;
}

unsigned check_log(struct check *c, bool optional, const char *const *words)
{
	return check_log_of(c, c->bdf, optional, words);
}

unsigned check_log_of(struct check *c, const char *bdf, bool optional, const char *const *words)
{
	const char *last[LOG_LINES_SHOWN] = { NULL }, *line;
	unsigned n = 0;
	size_t at = 0;

	c->log_needed |= !optional;
	while ((line = klog_next(&c->d->log, &at, bdf, words)))
		last[n++ % LOG_LINES_SHOWN] = line;
	for (unsigned i = n > LOG_LINES_SHOWN ? n - LOG_LINES_SHOWN : 0; i < n; i++)
		add_evidence(c, strdup(c->d->log.source), last[i % LOG_LINES_SHOWN]);
	return n;
}

const char *check_cmdline(const struct check *c, const char *key, char *buf, size_t size)
{
	size_t len = strlen(key);
	bool found = false;

	for (const char *p = c->d->cmdline; *p;) {
		size_t word = strcspn(p, " \n");

		if (word > len && strncmp(p, key, len) == 0 && p[len] == '=') {
			snprintf(buf, size, "%.*s", (int)(word - len - 1), p + len + 1);
			found = true;
		}
		p += word;
		p += strspn(p, " \n");
	}
	return found ? buf : NULL;
}
