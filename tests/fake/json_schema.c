// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/json_schema.h"

#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 32

struct check {
	const json_t *root;
	unsigned depth;
	char where[200]; /* of the value: "$.devices[0]" */
	char *why;
	size_t size;
};

static int check(struct check *c, const json_t *schema, const json_t *value);

__attribute__((format(printf, 2, 3))) static int bad(struct check *c, const char *fmt, ...)
{
	int n = snprintf(c->why, c->size, "%s: ", c->where);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < c->size)
		vsnprintf(c->why + n, c->size - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

const json_t *json_schema_at(const json_t *root, const char *pointer)
{
	const json_t *at = *pointer == '#' ? root : NULL;

	for (pointer++; at && *pointer == '/'; pointer += strcspn(pointer, "/")) {
		char name[64];

		pointer++;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(pointer, "/"), pointer);
		at = json_object_get(at, name);
	}
	return at;
}

/* Checks what lies under a name, or at an index, of the value at hand. */
static int check_part(struct check *c, const json_t *schema, const json_t *part, const char *key,
		      size_t index)
{
	size_t len = strlen(c->where);
	int r;

	if (key)
		snprintf(c->where + len, sizeof(c->where) - len, ".%s", key);
	else
		snprintf(c->where + len, sizeof(c->where) - len, "[%zu]", index);
	r = check(c, schema, part);
	if (r == 0)
		c->where[len] = '\0';
	return r;
}

/* --- one keyword each ------------------------------------------------------------------------- */

static bool has_type(const char *type, const json_t *value)
{
	if (strcmp(type, "integer") == 0)
		return json_is_integer(value);
	if (strcmp(type, "number") == 0)
		return json_is_number(value);
	if (strcmp(type, "object") == 0)
		return json_is_object(value);
	if (strcmp(type, "array") == 0)
		return json_is_array(value);
	if (strcmp(type, "string") == 0)
		return json_is_string(value);
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(value);
	return strcmp(type, "null") == 0 && json_is_null(value);
}

static int check_type(struct check *c, const json_t *arg, const json_t *value)
{
	if (json_is_string(arg))
		return has_type(json_string_value(arg), value) ? 0 :
		       bad(c, "it is no %s", json_string_value(arg));
	for (size_t i = 0; i < json_array_size(arg); i++)
		if (has_type(json_string_value(json_array_get(arg, i)), value))
			return 0;
	return bad(c, "it has another type");
}

static int check_enum(struct check *c, const json_t *arg, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(arg); i++)
		if (json_equal(json_array_get(arg, i), value))
			return 0;
	return bad(c, "it is none of those that are possible");
}

static int check_pattern(struct check *c, const json_t *arg, const json_t *value)
{
	regex_t re;
	int r;

	if (!json_is_string(value))
		return 0;
	if (regcomp(&re, json_string_value(arg), REG_EXTENDED | REG_NOSUB) != 0)
		return bad(c, "the schema's pattern %s is none", json_string_value(arg));
	r = regexec(&re, json_string_value(value), 0, NULL, 0);
	regfree(&re);
	return r == 0 ? 0 : bad(c, "'%s' has another form", json_string_value(value));
}

static int check_required(struct check *c, const json_t *arg, const json_t *value)
{
	for (size_t i = 0; json_is_object(value) && i < json_array_size(arg); i++) {
		const char *name = json_string_value(json_array_get(arg, i));

		if (!json_object_get(value, name))
			return bad(c, "'%s' is missing", name);
	}
	return 0;
}

static int check_properties(struct check *c, const json_t *arg, const json_t *value)
{
	const char *key;
	json_t *schema;
	int r = 0;

	json_object_foreach((json_t *)arg, key, schema)
		if (r == 0 && json_object_get(value, key))
			r = check_part(c, schema, json_object_get(value, key), key, 0);
	return r;
}

static int check_others(struct check *c, const json_t *arg, const json_t *known, const json_t *value)
{
	const char *key;
	json_t *part;
	int r = 0;

	json_object_foreach((json_t *)value, key, part) {
		if (r < 0 || json_object_get(known, key))
			continue;
		r = json_is_false(arg) ? bad(c, "'%s' is not known", key) :
					 check_part(c, arg, part, key, 0);
	}
	return r;
}

static int check_items(struct check *c, const json_t *arg, const json_t *value)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(value); i++)
		r = check_part(c, arg, json_array_get(value, i), NULL, i);
	return r;
}

static int check_any_of(struct check *c, const json_t *arg, const json_t *value)
{
	size_t len = strlen(c->where);

	for (size_t i = 0; i < json_array_size(arg); i++) {
		if (check(c, json_array_get(arg, i), value) == 0)
			return 0;
		c->where[len] = '\0';
	}
	return bad(c, "it is as none of the schemas says");
}

static int check_bound(struct check *c, const char *key, const json_t *arg, const json_t *value)
{
	json_int_t limit = json_integer_value(arg), n = json_integer_value(value);

	if (strcmp(key, "minimum") == 0)
		return !json_is_integer(value) || n >= limit ? 0 : bad(c, "%lld is too small", (long long)n);
	if (strcmp(key, "maximum") == 0)
		return !json_is_integer(value) || n <= limit ? 0 : bad(c, "%lld is too large", (long long)n);
	n = (json_int_t)json_string_length(value);
	if (strcmp(key, "minLength") == 0)
		return !json_is_string(value) || n >= limit ? 0 : bad(c, "the text is too short");
	return !json_is_string(value) || n <= limit ? 0 : bad(c, "the text is too long");
}

static int check_ref(struct check *c, const json_t *arg, const json_t *value)
{
	const json_t *schema = json_schema_at(c->root, json_string_value(arg));

	if (!schema)
		return bad(c, "the schema has no %s", json_string_value(arg));
	return check(c, schema, value);
}

static bool is_one_of(const char *key, const char *const *words)
{
	while (*words && strcmp(*words, key) != 0)
		words++;
	return *words;
}

static int check_keyword(struct check *c, const char *key, const json_t *arg, const json_t *schema,
			 const json_t *value)
{
	static const char *const notes[] = { "description", "title", "$schema", "$id", "$defs", "methods",
					     "notifications", NULL };
	static const char *const bounds[] = { "minimum", "maximum", "minLength", "maxLength", NULL };

	if (is_one_of(key, notes))
		return 0;
	if (is_one_of(key, bounds))
		return check_bound(c, key, arg, value);
	if (strcmp(key, "type") == 0)
		return check_type(c, arg, value);
	if (strcmp(key, "enum") == 0)
		return check_enum(c, arg, value);
	if (strcmp(key, "const") == 0)
		return json_equal(arg, value) ? 0 : bad(c, "it has another value");
	if (strcmp(key, "pattern") == 0)
		return check_pattern(c, arg, value);
	if (strcmp(key, "required") == 0)
		return check_required(c, arg, value);
	if (strcmp(key, "properties") == 0)
		return check_properties(c, arg, value);
	if (strcmp(key, "additionalProperties") == 0)
		return check_others(c, arg, json_object_get(schema, "properties"), value);
	if (strcmp(key, "items") == 0)
		return check_items(c, arg, value);
	if (strcmp(key, "anyOf") == 0)
		return check_any_of(c, arg, value);
	if (strcmp(key, "$ref") == 0)
		return check_ref(c, arg, value);
	return bad(c, "the schema's '%s' is not checked", key);
}

static int check(struct check *c, const json_t *schema, const json_t *value)
{
	const char *key;
	json_t *arg;
	int r = 0;

	if (!json_is_object(schema))
		return bad(c, "the schema is no object");
	if (c->depth == DEPTH_MAX)
		return bad(c, "the schema goes round");
	c->depth++;
	json_object_foreach((json_t *)schema, key, arg)
		if (r == 0)
			r = check_keyword(c, key, arg, schema, value);
	c->depth--;
	return r;
}

int json_schema_check(const json_t *root, const json_t *schema, const json_t *value, char *why,
		      size_t size)
{
	struct check c = { .root = root, .where = "$", .why = why, .size = size };

	why[0] = '\0';
	return check(&c, schema, value);
}
