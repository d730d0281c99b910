// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * YAML by libyaml's document API, whose nodes know their line and column. A file is
 * what an operator wrote, but it is limited as if a stranger had: in size, in what
 * aliases may multiply, and in depth by the schema, which no list or mapping leaves.
 */
#include "host/spec_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/dl.h"
#include "base/fd.h"
#include "base/near.h"

#define YAML(X)                         \
	X(yaml_document_get_node)      \
	X(yaml_document_get_root_node) \
	X(yaml_document_delete)        \
	X(yaml_parser_initialize)      \
	X(yaml_parser_set_input_string) \
	X(yaml_parser_load)            \
	X(yaml_parser_delete)

YAML(DL_POINTER)

static const struct dl_symbol symbols[] = { YAML(DL_SYMBOL) };
static struct dl_library libyaml = { "libyaml-0.so.2", "libyaml-0-2", symbols, ARRAY_SIZE(symbols) };

#define ROWS_MAX 32

struct spec_yaml {
	yaml_document_t doc;
	struct spec *spec;
	unsigned file;
	unsigned visits;
	struct err *err;
};

static struct spec_place place_of(unsigned file, yaml_mark_t mark)
{
	return (struct spec_place){ file, (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

int spec_yaml_fail(struct spec_yaml *y, struct spec_place at, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_plain(y->err, -EINVAL, "%s: %s", SPEC_PLACE_STR(y->spec, at), text);
}

struct spec *spec_yaml_spec(struct spec_yaml *y)
{
	return y->spec;
}

/* NULL with the error said when the file has more values than anybody needs. */
static const yaml_node_t *visit(struct spec_yaml *y, int id)
{
	const yaml_node_t *node = dl_yaml_document_get_node(&y->doc, id);

	if (++y->visits <= SPEC_VISITS_MAX)
		return node;
	spec_yaml_fail(y, place_of(y->file, node->start_mark),
		       "more than %u values, counting each use of an alias", SPEC_VISITS_MAX);
	return NULL;
}

struct spec_place spec_yaml_place(struct spec_yaml *y, int id)
{
	return place_of(y->file, dl_yaml_document_get_node(&y->doc, id)->start_mark);
}

static const char *kind(const yaml_node_t *node)
{
	return node->type == YAML_SEQUENCE_NODE ? "a list" :
	       node->type == YAML_MAPPING_NODE	? "a mapping" : "a single value";
}

/* For messages: what is no printable ASCII is shown as '?', and only the beginning. */
static const char *shown(const yaml_node_t *node, char *buf, size_t size)
{
	size_t n = node->data.scalar.length;

	n = n < size ? n : size - 1;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = node->data.scalar.value[i];

		buf[i] = c < 0x20 || c > 0x7e ? '?' : (char)c;
	}
	buf[n] = '\0';
	return buf;
}
#define SHOWN(node) shown((node), (char[48]){ 0 }, 48)

/* The text of a single value; NULL when it is none, is as long as max, or holds a zero. */
static const char *short_text(const yaml_node_t *node, size_t max)
{
	const char *text;

	if (node->type != YAML_SCALAR_NODE)
		return NULL;
	text = (const char *)node->data.scalar.value;
	return strlen(text) == node->data.scalar.length && strlen(text) < max ? text : NULL;
}

static const char *scalar_text(const yaml_node_t *node)
{
	return short_text(node, SPEC_TEXT_MAX);
}

int spec_yaml_value(struct spec_yaml *y, int id, const struct spec_row *row,
		    struct spec_setting *ret)
{
	const yaml_node_t *node = visit(y, id);
	char uniform[SPEC_TEXT_MAX];
	const char *text;

	if (!node)
		return -EINVAL;
	if (node->type != YAML_SCALAR_NODE)
		return spec_yaml_fail(y, spec_yaml_place(y, id), "'%s' is %s, not %s", row->key,
				      row->expects, kind(node));
	text = scalar_text(node);
	if (!text || row->take(row, text, uniform) < 0)
		return spec_yaml_fail(y, spec_yaml_place(y, id), "'%s' is %s, not '%s'", row->key,
				      row->expects, SHOWN(node));
	ret->text = spec_keep(y->spec, uniform);
	ret->at = spec_yaml_place(y, id);
	return ret->text ? 0 : err_set(y->err, -ENOMEM, "cannot keep what the files say");
}

int spec_yaml_text(struct spec_yaml *y, int id, const char *key, size_t max,
		   struct spec_setting *ret)
{
	const yaml_node_t *node = visit(y, id);
	const char *text;

	if (!node)
		return -EINVAL;
	ret->at = spec_yaml_place(y, id);
	if (node->type != YAML_SCALAR_NODE)
		return spec_yaml_fail(y, ret->at, "'%s' is a single value, not %s", key, kind(node));
	text = short_text(node, max);
	if (!text)
		return spec_yaml_fail(y, ret->at, "'%s' is text of less than %zu bytes, not '%s…'", key,
				      max, SHOWN(node));
	ret->text = spec_keep(y->spec, text);
	return ret->text ? 0 : err_set(y->err, -ENOMEM, "cannot keep what the files say");
}

bool spec_yaml_is_list(struct spec_yaml *y, int id)
{
	return dl_yaml_document_get_node(&y->doc, id)->type == YAML_SEQUENCE_NODE;
}

/* --- mappings --------------------------------------------------------------------------------- */

static int unknown_key(struct spec_yaml *y, const yaml_node_t *key, const struct spec_row *rows)
{
	const char *words[ROWS_MAX], *near, *text = scalar_text(key);
	char all[300] = "";
	size_t n = 0, len = 0;

	for (; rows[n].key && n < ROWS_MAX; n++) {
		words[n] = rows[n].key;
		if (len < sizeof(all))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s",
						n ? ", " : "", rows[n].key);
	}
	near = text ? near_word(text, words, n) : NULL;
	if (near)
		return spec_yaml_fail(y, place_of(y->file, key->start_mark),
				      "unknown key '%s' (did you mean '%s'?)", SHOWN(key), near);
	spec_yaml_fail(y, place_of(y->file, key->start_mark), "unknown key '%s'", SHOWN(key));
	return err_hint(y->err, "known here: %s", all);
}

static int key_not_plain(struct spec_yaml *y, const yaml_node_t *key)
{
	return spec_yaml_fail(y, place_of(y->file, key->start_mark), "a key is a single word, not %s",
			      kind(key));
}

static int take_pair(struct spec_yaml *y, const yaml_node_pair_t *pair,
		     const struct spec_row *rows, void *to, struct spec_place *seen)
{
	const yaml_node_t *key = visit(y, pair->key);
	const char *text;
	size_t i = 0;

	if (!key)
		return -EINVAL;
	if (key->type != YAML_SCALAR_NODE)
		return key_not_plain(y, key);
	text = scalar_text(key);
	while (rows[i].key && !(text && strcmp(text, rows[i].key) == 0))
		i++;
	if (!rows[i].key || i >= ROWS_MAX)
		return unknown_key(y, key, rows);
	if (seen[i].line)
		return spec_yaml_fail(y, place_of(y->file, key->start_mark),
				      "'%s' is given twice, first at %s", text,
				      SPEC_PLACE_STR(y->spec, seen[i]));
	seen[i] = place_of(y->file, key->start_mark);
	if (rows[i].walk)
		return rows[i].walk(y, pair->value, to);
	return spec_yaml_value(y, pair->value, &rows[i],
			       (struct spec_setting *)((char *)to + rows[i].at));
}

int spec_yaml_mapping(struct spec_yaml *y, int id, const struct spec_row *rows, void *to,
		      const char *what)
{
	const yaml_node_t *node = visit(y, id);
	struct spec_place seen[ROWS_MAX] = { 0 };
	int r = 0;

	if (!node)
		return -EINVAL;
	if (node->type != YAML_MAPPING_NODE)
		return spec_yaml_fail(y, spec_yaml_place(y, id), "%s is a mapping (key: value), "
				      "not %s", what, kind(node));
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     r == 0 && p < node->data.mapping.pairs.top; p++)
		r = take_pair(y, p, rows, to, seen);
	for (size_t i = 0; r == 0 && rows[i].key; i++) {
		if (rows[i].required && !seen[i].line)
			r = spec_yaml_fail(y, spec_yaml_place(y, id), "%s needs '%s'", what,
					   rows[i].key);
	}
	return r;
}

/* 0 or the place of an earlier pair with the same key. */
static const yaml_node_t *same_key_before(struct spec_yaml *y, const yaml_node_t *node,
					  const yaml_node_pair_t *pair, const char *text)
{
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < pair; p++) {
		const yaml_node_t *key = dl_yaml_document_get_node(&y->doc, p->key);
		const char *other = scalar_text(key);

		if (other && strcmp(other, text) == 0)
			return key;
	}
	return NULL;
}

int spec_yaml_pairs(struct spec_yaml *y, int id, const char *what,
		    int (*fn)(struct spec_yaml *y, const struct spec_setting *key, int value,
			      void *to),
		    void *to)
{
	const yaml_node_t *node = visit(y, id);
	int r = 0;

	if (!node)
		return -EINVAL;
	if (node->type != YAML_MAPPING_NODE)
		return spec_yaml_fail(y, spec_yaml_place(y, id), "%s is a mapping (key: value), "
				      "not %s", what, kind(node));
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     r == 0 && p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = visit(y, p->key), *first;
		struct spec_setting s;

		if (!key)
			return -EINVAL;
		s = (struct spec_setting){ scalar_text(key), place_of(y->file, key->start_mark) };
		if (!s.text)
			return key->type == YAML_SCALAR_NODE ?
			       spec_yaml_fail(y, s.at, "'%s' cannot be a key of %s", SHOWN(key), what) :
			       key_not_plain(y, key);
		first = same_key_before(y, node, p, s.text);
		if (first)
			return spec_yaml_fail(y, s.at, "'%s' is given twice, first at %s", s.text,
					      SPEC_PLACE_STR(y->spec, place_of(y->file,
									first->start_mark)));
		r = fn(y, &s, p->value, to);
	}
	return r;
}

int spec_yaml_list(struct spec_yaml *y, int id, const char *what,
		   int (*fn)(struct spec_yaml *y, int node, void *to), void *to)
{
	const yaml_node_t *node = visit(y, id);
	int r = 0;

	if (!node)
		return -EINVAL;
	if (node->type != YAML_SEQUENCE_NODE)
		return spec_yaml_fail(y, spec_yaml_place(y, id), "'%s' is a list (lines that begin "
				      "with -), not %s", what, kind(node));
	for (const yaml_node_item_t *i = node->data.sequence.items.start;
	     r == 0 && i < node->data.sequence.items.top; i++)
		r = fn(y, *i, to);
	return r;
}

/* --- documents -------------------------------------------------------------------------------- */

static int syntax_error(struct spec_yaml *y, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "not YAML";
	yaml_mark_t mark = parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR)
		return err_set(y->err, -ENOMEM, "cannot read %s", y->spec->files[y->file]);
	if (parser->error == YAML_READER_ERROR) /* which has an offset and no line */
		return err_plain(y->err, -EINVAL, "%s: %s at byte %zu", y->spec->files[y->file],
				 problem, parser->problem_offset);
	return spec_yaml_fail(y, place_of(y->file, mark), "%s", problem);
}

/* Nothing may come behind the one document. */
static int check_end(struct spec_yaml *y, yaml_parser_t *parser)
{
	yaml_document_t more;
	int r = 0;

	if (!dl_yaml_parser_load(parser, &more))
		return syntax_error(y, parser);
	if (dl_yaml_document_get_root_node(&more))
		r = spec_yaml_fail(y, place_of(y->file, more.start_mark),
				   "a second document; each file has one");
	dl_yaml_document_delete(&more);
	return r;
}

#define BRACKETS_MAX 64 /* what is described here is four deep */

/*
 * libyaml takes time by the square of open brackets: half a minute for a file full of them. Those
 * in quotes and comments count, too; nobody writes so many that do not close.
 */
static int check_brackets(struct spec_yaml *y, const char *text, size_t len)
{
	struct spec_place at = { y->file, 1, 1 };
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++, at.column++) {
		if (text[i] == '\n') {
			at.line++;
			at.column = 0;
		} else if (text[i] == '[' || text[i] == '{') {
			depth++;
		} else if ((text[i] == ']' || text[i] == '}') && depth) {
			depth--;
		}
		if (depth > BRACKETS_MAX)
			return spec_yaml_fail(y, at, "more than %u brackets are open here", BRACKETS_MAX);
	}
	return 0;
}

int spec_yaml_read(struct spec *spec, unsigned file, const char *text, size_t len,
		   const struct spec_reader *reader, struct err *err)
{
	struct spec_yaml y = { .spec = spec, .file = file, .err = err };
	yaml_parser_t parser;
	int r = check_brackets(&y, text, len);

	if (r == 0)
		r = dl_load(&libyaml, err);
	if (r < 0)
		return r;
	if (!dl_yaml_parser_initialize(&parser))
		return err_set(err, -ENOMEM, "cannot read %s", spec->files[file]);
	dl_yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!dl_yaml_parser_load(&parser, &y.doc)) {
		r = syntax_error(&y, &parser);
	} else {
		if (dl_yaml_document_get_root_node(&y.doc)) /* an empty file says nothing */
			r = check_end(&y, &parser);
		if (r == 0 && dl_yaml_document_get_root_node(&y.doc))
			r = reader->document(&y, 1, reader->to);
		dl_yaml_document_delete(&y.doc);
	}
	dl_yaml_parser_delete(&parser);
	return r;
}
