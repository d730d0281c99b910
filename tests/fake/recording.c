// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

struct reader {
	int root;
	unsigned number; /* of the line */
	const char *file;
	char path[512]; /* what is being filled */
	char kind;	/* T or X; 0: nothing */
	char *data;
	size_t size; /* of data */
};

static _Noreturn void die(const struct reader *r, const char *why)
{
	fprintf(stderr, "recording: %s:%u: %s\n", r->file, r->number, why);
	abort();
}

/* Write what was collected since the last heading. */
static void finish(struct reader *r)
{
	if (r->kind)
		fake_put_bytes(r->root, r->path, r->data ? r->data : "", r->size);
	free(r->data);
	r->data = NULL;
	r->size = 0;
	r->kind = 0;
}

static void start(struct reader *r, char *line)
{
	char *rest = line + 2, *blank = strchr(rest, ' ');

	finish(r);
	if (line[0] == 'L' || line[0] == 'X') {
		if (!blank)
			die(r, "a word is missing");
		*blank++ = '\0';
	}
	if (strlen(rest) >= sizeof(r->path))
		die(r, "a long path");
	strcpy(r->path, rest);
	if (line[0] == 'L') {
		fake_sysfs_link(r->root, blank, "%s", rest);
	} else if (line[0] == 'D') {
		fake_sysfs_add(r->root, (const struct fake_node[]){ { r->path, 0 }, { 0 } });
	} else {
		r->kind = line[0];
		r->size = line[0] == 'X' ? strtoul(blank, NULL, 10) : 0;
		r->data = line[0] == 'X' ? calloc(1, r->size + 1) : NULL;
	}
}

static void add_text(struct reader *r, const char *line)
{
	size_t len = strlen(line);
	char *bigger = realloc(r->data, r->size + len + 1);

	if (r->kind != 'T' || !bigger)
		die(r, "text without a file");
	memcpy(bigger + r->size, line, len);
	bigger[r->size + len] = '\n';
	r->data = bigger;
	r->size += len + 1;
}

/* "000040: 01 50 …" */
static void add_bytes(struct reader *r, char *line)
{
	char *at;
	size_t pos = strtoul(line, &at, 16);

	if (r->kind != 'X' || *at++ != ':')
		die(r, "neither heading nor contents");
	for (char *end; *at; at = end) {
		unsigned long v = strtoul(at, &end, 16);

		if (end == at || v > 255 || pos >= r->size)
			die(r, "no such byte");
		r->data[pos++] = (char)v;
	}
}

static void read_line(struct reader *r, char *line)
{
	r->number++;
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == ' ')
		add_text(r, line + 1);
	else if (strchr("LDTX", line[0]) && line[0] && line[1] == ' ')
		start(r, line);
	else if (line[0] != '#')
		add_bytes(r, line);
}

int fake_recording(const char *path)
{
	struct reader r = { .file = path, .root = fake_sysfs((const struct fake_node[]){ { 0 } }) };
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		die(&r, strerror(errno));
	while (getline(&line, &size, f) > 0)
		read_line(&r, line);
	finish(&r);
	free(line);
	fclose(f);
	return r.root;
}
