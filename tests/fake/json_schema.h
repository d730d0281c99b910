/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of JSON Schema (draft 2020-12) as docs/control.schema.json is written in. What it does not
 * know is an error of the schema's, so that nothing in there goes unchecked.
 */
#ifndef TESTS_FAKE_JSON_SCHEMA_H
#define TESTS_FAKE_JSON_SCHEMA_H

#include <stddef.h>

#include <jansson.h>

/* Whether value is as schema, a part of root, says: 0, or -1 with where and why not. */
int json_schema_check(const json_t *root, const json_t *schema, const json_t *value, char *why,
		      size_t size);

/* What "#/a/b" stands for; NULL: nothing. */
const json_t *json_schema_at(const json_t *root, const char *pointer);

#endif
