// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/term.h"

struct table {
	size_t columns, cells; /* cells: of all rows, the titles first */
	char **text;
};

static int add_cell(struct table *t, const char *s)
{
	char **bigger = realloc(t->text, (t->cells + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	t->text = bigger;
	bigger[t->cells] = strdup(*s ? s : "-");
	return bigger[t->cells++] ? 0 : -ENOMEM;
}

struct table *table_new(const char *const *titles)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	while (titles[t->columns])
		t->columns++;
	return table_row(t, titles) < 0 ? table_free(t) : t;
}

int table_row(struct table *t, const char *const *cells)
{
	for (size_t i = 0; i < t->columns; i++) {
		if (add_cell(t, cells[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Characters on the screen: bytes that begin one in UTF-8. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t widest = 0;

	for (size_t i = column; i < t->cells; i += t->columns) {
		size_t w = t->text[i] ? width(t->text[i]) : 0;

		widest = w > widest ? w : widest;
	}
	return widest;
}

/* Of text, at most what fits into columns, of which a cut takes one for its sign. */
static void print_cut(FILE *out, const char *text, size_t columns)
{
	size_t bytes = 0, n = 0;

	if (!columns || width(text) <= columns) {
		fprintf(out, "%s\n", text);
		return;
	}
	while (n < columns) { /* up to the byte that begins the last character */
		bytes++;
		n += ((unsigned char)text[bytes] & 0xc0) != 0x80;
	}
	while (bytes && ((unsigned char)text[bytes] & 0xc0) == 0x80)
		bytes--;
	fprintf(out, "%.*s…\n", (int)bytes, text);
}

void table_print(const struct table *t, FILE *out)
{
	size_t columns = term_columns(out), used = 0;

	for (size_t i = 0; i < t->cells; i++) {
		size_t column = i % t->columns;
		size_t pad = column_width(t, column) - width(t->text[i]) + 2;

		if (column + 1 == t->columns) {
			print_cut(out, t->text[i], columns > used + 1 ? columns - used : 0);
			used = 0;
		} else {
			fprintf(out, "%s%*s", t->text[i], (int)pad, "");
			used += width(t->text[i]) + pad;
		}
	}
}

struct table *table_free(struct table *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->cells; i++)
		free(t->text[i]);
	free(t->text);
	free(t);
	return NULL;
}

#define FACT_INDENT 17
#define FACT_WIDTH  (98 - FACT_INDENT)

/*
 * How many bytes of text go on this line: all, or up to the last comma that fits; up to the last
 * blank where that comma is far from the end ("Advanced Micro Devices, Inc. …" is no list).
 */
static size_t line_length(const char *text)
{
	size_t columns = 0, blank = 0, comma = 0, i;

	for (i = 0; text[i] && (columns <= FACT_WIDTH || !blank); i++) {
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (text[i] == ' ')
			blank = i;
		if (text[i] == ' ' && i && text[i - 1] == ',')
			comma = i;
	}
	if (columns <= FACT_WIDTH || !blank)
		return i;
	return comma > blank / 2 ? comma : blank;
}

void out_fact(FILE *out, const char *what, const char *text)
{
	while (*text) {
		size_t n = line_length(text);

		fprintf(out, "  %-*s %.*s\n", FACT_INDENT - 3, what, (int)n, text);
		text += n + (text[n] == ' ');
		what = "";
	}
}

int out_json_object(FILE *out, const char *schema, json_t *object)
{
	json_t *doc = object ? json_pack("{s:s}", "schema", schema) : NULL;
	int r = doc && json_object_update(doc, object) == 0 ? 0 : -ENOMEM;

	if (r == 0) {
		json_dumpf(doc, out, JSON_INDENT(2));
		fputc('\n', out);
	}
	json_decref(doc);
	json_decref(object);
	return r;
}

int out_json(FILE *out, const char *schema, const char *key, json_t *value)
{
	return out_json_object(out, schema, value ? json_pack("{s:o}", key, value) : NULL);
}

int out_undone(FILE *out, bool json, const char *schema, unsigned undone)
{
	if (json)
		return out_json(out, schema, "undone", json_integer(undone));
	fprintf(out, "%u change%s undone\n", undone, undone == 1 ? "" : "s");
	return 0;
}

void out_plan(FILE *out, const struct step_ops *const *ops, const struct plan *plan)
{
	char line[384];

	if (!plan->count)
		fprintf(out, "nothing to do\n");
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		if (s->remember)
			continue;
		fprintf(out, "%s (now: %s)\n", plan_describe(ops, s, line, sizeof(line)),
			s->before[0] ? s->before : "none");
	}
}

json_t *out_steps_json(const struct plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		if (!s->remember)
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "device", s->dev,
						"what", s->op, "key", s->key, "before", s->before,
						"after", s->after, "transient", (int)s->transient));
	}
	return list;
}

json_t *out_json_text(const char *s)
{
	json_t *text = *s ? json_string(s) : json_null();
	char plain[256];
	size_t n;

	if (text)
		return text;
	/* An interface may be called by bytes that are no UTF-8: rather a name that is not quite its. */
	n = (size_t)snprintf(plain, sizeof(plain), "%s", s);
	for (size_t i = 0; i < n && i < sizeof(plain) - 1; i++) {
		if ((unsigned char)plain[i] > 0x7e)
			plain[i] = '?';
	}
	return json_string(plain);
}
