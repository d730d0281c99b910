// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"

#define FORMAT	 1
#define SIZE_LIMIT (64 << 20)

static const char *const marks[] = {
	[MARK_PLANNED] = "planned",
	[MARK_DOING] = "doing",
	[MARK_DONE] = "done",
	[MARK_UNDOING] = "undoing",
};

/* --- writing ---------------------------------------------------------------------------- */

/* One line; backslash and everything that is no printable ASCII is \xNN. */
static void put(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s=", key);
	for (const char *p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c > 0x7e || c == '\\')
			fprintf(f, "\\x%02x", c);
		else
			fputc(c, f);
	}
	fputc('\n', f);
}

static void put_number(FILE *f, const char *key, uint64_t v)
{
	fprintf(f, "%s=%llu\n", key, (unsigned long long)v);
}

static void put_record(FILE *f, const struct record *r)
{
	put(f, "step", r->step.op);
	put(f, "dev", r->step.dev);
	put(f, "key", r->step.key);
	put(f, "before", r->step.before);
	put(f, "after", r->step.after);
	put(f, "identity", r->identity);
	put(f, "mark", marks[r->mark]);
	put_number(f, "known", r->known);
	put_number(f, "optional", r->step.optional);
	put_number(f, "transient", r->step.transient);
	put_number(f, "remember", r->step.remember);
}

static void put_entry(FILE *f, const struct entry *e)
{
	put_number(f, "format", FORMAT);
	put(f, "command", e->command);
	put_number(f, "pid", (uint64_t)e->owner.pid);
	put_number(f, "start", e->owner.start);
	put(f, "boot", e->owner.boot);
	put_number(f, "pidns", e->owner.pidns);
	put_number(f, "uid", e->uid);
	put_number(f, "time", e->time);
	put_number(f, "committed", e->committed);
	put_number(f, "until_exit", e->until_exit);
	put_number(f, "unconfirmed", e->unconfirmed);
	for (size_t i = 0; i < e->note_count; i++) {
		put(f, "note", e->notes[i].key);
		put(f, "about", e->notes[i].dev);
		put(f, "value", e->notes[i].value);
	}
	for (size_t i = 0; i < e->count; i++)
		put_record(f, &e->records[i]);
	put_number(f, "end", e->count);
}

/* Everything, on its way to the disk, or an error: what is cut short must not be renamed. */
static int write_out(int fd, const struct entry *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r;

	if (!f)
		return -ENOMEM;
	put_entry(f, e);
	if (fclose(f) != 0)
		return -ENOMEM;
	r = fd_write_all(fd, text, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int entry_save(int dir, const struct entry *e)
{
	char tmp[JOURNAL_NAME_MAX + 4];
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(tmp, sizeof(tmp), ".%s", e->name);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_out(fd, e);
	if (r == 0 && renameat(dir, tmp, dir, e->name) < 0)
		r = -errno;
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, tmp, 0);
	return r;
}

int entry_remove(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return fsync(dir) < 0 ? -errno : 0;
}

/* --- reading ---------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo put()'s escapes into buf. -EBADMSG for what put() does not write or what is too long. */
static int get_text(const char *s, char *buf, size_t size)
{
	size_t n = 0;

	for (; *s; s++) {
		int c = (unsigned char)*s;

		if (c == '\\') {
			int hi = s[1] == 'x' ? hex_digit(s[2]) : -1;
			int lo = hi < 0 ? -1 : hex_digit(s[3]);

			if (lo < 0 || !(hi | lo))
				return -EBADMSG;
			c = hi << 4 | lo;
			s += 3;
		}
		if (n + 1 >= size)
			return -EBADMSG;
		buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return 0;
}

static int get_number(const char *s, uint64_t max, uint64_t *ret)
{
	return uint_parse(s, max, ret) < 0 ? -EBADMSG : 0;
}

static int get_bool(const char *s, bool *ret)
{
	uint64_t v;
	int r = get_number(s, 1, &v);

	if (r == 0)
		*ret = v;
	return r;
}

static int get_mark(const char *s, enum mark *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (strcmp(s, marks[i]) == 0) {
			*ret = (enum mark)i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int add_record(struct entry *e)
{
	struct record *bigger;

	if (e->count >= JOURNAL_STEPS_MAX)
		return -EBADMSG;
	bigger = realloc(e->records, (e->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	e->records = bigger;
	bigger[e->count++] = (struct record){ 0 };
	return 0;
}

static int add_note(struct entry *e)
{
	struct note *bigger;

	if (e->note_count >= JOURNAL_STEPS_MAX)
		return -EBADMSG;
	bigger = realloc(e->notes, (e->note_count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	e->notes = bigger;
	bigger[e->note_count++] = (struct note){ 0 };
	return 0;
}

/*
 * What a row makes a path of stays below where the row puts it: "0000:01:00.0",
 * "node0/2048kB", "vfio/7", "vf3 mac".
 */
static int get_name(const char *s, char *buf, size_t size)
{
	int r = get_text(s, buf, size);

	for (const char *p = buf; r == 0 && *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (!len || strncmp(p, "..", len) == 0) /* "." too */
			return -EBADMSG;
		p += len;
	}
	return r;
}

static int get_record_line(struct record *r, const char *key, const char *value)
{
	if (strcmp(key, "step") == 0)
		return get_text(value, r->step.op, sizeof(r->step.op));
	if (strcmp(key, "dev") == 0)
		return *value ? get_name(value, r->step.dev, sizeof(r->step.dev)) : -EBADMSG;
	if (strcmp(key, "key") == 0)
		return get_name(value, r->step.key, sizeof(r->step.key));
	if (strcmp(key, "before") == 0)
		return get_text(value, r->step.before, sizeof(r->step.before));
	if (strcmp(key, "after") == 0)
		return get_text(value, r->step.after, sizeof(r->step.after));
	if (strcmp(key, "identity") == 0)
		return get_text(value, r->identity, sizeof(r->identity));
	if (strcmp(key, "mark") == 0)
		return get_mark(value, &r->mark);
	if (strcmp(key, "known") == 0)
		return get_bool(value, &r->known);
	if (strcmp(key, "optional") == 0)
		return get_bool(value, &r->step.optional);
	if (strcmp(key, "transient") == 0)
		return get_bool(value, &r->step.transient);
	return get_bool(value, &r->step.remember);
}

static int get_note_line(struct note *n, const char *key, const char *value)
{
	if (strcmp(key, "note") == 0)
		return get_text(value, n->key, sizeof(n->key));
	if (strcmp(key, "about") == 0)
		return get_text(value, n->dev, sizeof(n->dev));
	return get_text(value, n->value, sizeof(n->value));
}

static int get_head_line(struct entry *e, const char *key, const char *value)
{
	uint64_t v = 0;
	int r;

	if (strcmp(key, "format") == 0)
		return get_number(value, FORMAT, &v);
	if (strcmp(key, "command") == 0)
		return get_text(value, e->command, sizeof(e->command));
	if (strcmp(key, "boot") == 0)
		return get_text(value, e->owner.boot, sizeof(e->owner.boot));
	if (strcmp(key, "committed") == 0)
		return get_bool(value, &e->committed);
	if (strcmp(key, "until_exit") == 0)
		return get_bool(value, &e->until_exit);
	if (strcmp(key, "unconfirmed") == 0)
		return get_bool(value, &e->unconfirmed);
	if (strcmp(key, "start") == 0)
		return get_number(value, UINT64_MAX, &e->owner.start);
	if (strcmp(key, "pidns") == 0)
		return get_number(value, UINT64_MAX, &e->owner.pidns);
	if (strcmp(key, "time") == 0)
		return get_number(value, UINT64_MAX, &e->time);
	r = get_number(value, strcmp(key, "pid") == 0 ? INT32_MAX : UINT32_MAX, &v);
	if (r == 0 && strcmp(key, "pid") == 0)
		e->owner.pid = (pid_t)v;
	else if (r == 0)
		e->uid = (uint32_t)v;
	return r;
}

/* The one line that may be missing: from before it was written, its owner being of the host. */
#define PIDNS "pidns"

/*
 * The lines of each part, in the order of put_entry(). One that is missing would not be
 * the same as one that says 0: without "committed" a change that stands would be undone.
 */
static const char *const head_keys[] = { "format", "command", "pid", "start", "boot", PIDNS, "uid",
					 "time", "committed", "until_exit", "unconfirmed", NULL };
static const char *const note_keys[] = { "note", "about", "value", NULL };
static const char *const record_keys[] = { "step", "dev", "key", "before", "after", "identity",
					   "mark", "known", "optional", "transient", "remember",
					   NULL };

struct reader {
	struct entry *entry;
	const char *const *next; /* which line must follow; at NULL: the part is whole */
	unsigned line;		 /* from 1 */
};

/* Behind a whole part: the next one begins, or it was the last line (1). */
static int begin_part(struct reader *rd, const char *key, const char *value)
{
	struct entry *e = rd->entry;
	uint64_t n;

	if (strcmp(key, "end") == 0)
		return get_number(value, JOURNAL_STEPS_MAX, &n) == 0 && n == e->count ? 1 : -EBADMSG;
	if (strcmp(key, "step") == 0) {
		rd->next = record_keys;
		return add_record(e);
	}
	if (strcmp(key, "note") == 0 && !e->count) {
		rd->next = note_keys;
		return add_note(e);
	}
	return -EBADMSG;
}

static int get_line(struct reader *rd, const char *key, const char *value)
{
	struct entry *e = rd->entry;
	int r = *rd->next ? 0 : begin_part(rd, key, value);

	if (r)
		return r;
	if (strcmp(*rd->next, PIDNS) == 0 && strcmp(key, PIDNS) != 0)
		rd->next++;
	if (strcmp(key, *rd->next) != 0)
		return -EBADMSG;
	rd->next++;
	if (e->count)
		return get_record_line(&e->records[e->count - 1], key, value);
	if (e->note_count)
		return get_note_line(&e->notes[e->note_count - 1], key, value);
	return get_head_line(e, key, value);
}

/* 0 or -errno, rd->line being the bad one. Takes text apart. */
static int parse(char *text, struct reader *rd)
{
	char *line = text;
	int r = 0;

	for (rd->line = 1; r == 0; rd->line++) {
		char *end = strchr(line, '\n'), *eq;

		if (!end)
			return -EBADMSG; /* cut short */
		*end = '\0';
		eq = strchr(line, '=');
		if (!eq)
			return -EBADMSG;
		*eq = '\0';
		r = get_line(rd, line, eq + 1);
		if (r < 0)
			return r;
		line = end + 1;
	}
	return *line ? -EBADMSG : 0; /* nothing follows the last line */
}

/* What else than an entry has its name; NULL: nothing that can be told from outside. */
static const char *no_entry(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "damaged (it is not a file)";
	if (st->st_size > SIZE_LIMIT)
		return "damaged (it is too large)";
	return st->st_size ? NULL : "damaged (it is empty)";
}

/* The whole file, NUL-terminated, malloced. -EBADMSG: *ret_why says what it is instead. */
static int slurp(int dir, const char *name, char **ret, const char **ret_why)
{
	/* A FIFO of that name must not keep us waiting. */
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st = { 0 };
	ssize_t len;

	if ((fd < 0 && errno != ELOOP) || (fd >= 0 && fstat(fd, &st) < 0))
		return -errno;
	*ret_why = no_entry(&st);
	if (*ret_why)
		return -EBADMSG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	/* Entries are replaced, never written to: there is no more than this. */
	len = pread(fd, text, (size_t)st.st_size, 0);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	*ret = TAKE_PTR(text);
	if (strlen(*ret) == (size_t)len)
		return 0;
	*ret_why = "damaged (it is not text)";
	return -EBADMSG;
}

int entry_load(int dir, const char *name, struct entry *ret, struct err *err)
{
	struct entry e = { .uid = UINT32_MAX };
	struct reader rd = { &e, head_keys, 0 };
	_cleanup_free_ char *text = NULL;
	const char *why = NULL;
	unsigned format;
	int r = slurp(dir, name, &text, &why);

	if (r == 0 && text) {
		if (sscanf(text, "format=%9u\n", &format) == 1 && format != FORMAT)
			why = "of another version of thruway";
		r = why ? -EBADMSG : parse(text, &rd);
	}
	if (r == 0) {
		snprintf(e.name, sizeof(e.name), "%s", name);
		*ret = e;
		return 0;
	}
	entry_fini(&e);
	if (r != -EBADMSG)
		return r == -ENOENT ? r : err_set(err, r, "cannot read /" JOURNAL_DIR "/%s", name);
	if (why)
		err_plain(err, r, "the journal entry /" JOURNAL_DIR "/%s is %s", name, why);
	else
		err_plain(err, r, "the journal entry /" JOURNAL_DIR "/%s is damaged (line %u)", name,
			  rd.line);
	return err_hint(err, "move it away, then put the devices it names right: "
			     "thruway restore DEV");
}

void entry_fini(struct entry *e)
{
	free(e->records);
	free(e->notes);
	e->records = NULL;
	e->notes = NULL;
	e->count = e->note_count = 0;
}

struct names {
	char (*list)[JOURNAL_NAME_MAX];
	size_t count;
};

static int keep_name(const char *name, void *opaque)
{
	struct names *n = opaque;
	char(*bigger)[JOURNAL_NAME_MAX];

	/* Temporary files of a writer that died begin with a dot. */
	if (name[0] == '.' || strlen(name) >= JOURNAL_NAME_MAX)
		return 0;
	bigger = realloc(n->list, (n->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	n->list = bigger;
	strcpy(bigger[n->count++], name);
	return 0;
}

int entry_names(int dir, char (**ret)[JOURNAL_NAME_MAX], size_t *ret_count)
{
	struct names n = { 0 };
	int r = hostfs_list(dir, keep_name, &n, ".");

	if (r < 0) {
		free(n.list);
		return r;
	}
	*ret = n.list;
	*ret_count = n.count;
	return 0;
}
