// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/control_schema.h"

#include <stdio.h>
#include <string.h>

#include "tests/fake/json_schema.h"

#define FAILED (-32000)

static const json_t *method_of(const json_t *schema, const char *method)
{
	return json_object_get(json_object_get(schema, "methods"), method);
}

/* A failure is one of those that the method may have; others are the request's, or the client's. */
static int check_error(const json_t *schema, const char *method, const json_t *error, char *why,
		       size_t size)
{
	const json_t *errors = method ? json_object_get(method_of(schema, method), "errors") : NULL;
	const json_t *data = json_object_get(error, "data");
	const char *name;

	if (json_integer_value(json_object_get(error, "code")) != FAILED)
		return data ? snprintf(why, size, "data comes with another code"), -1 : 0;
	name = strerrorname_np((int)json_integer_value(json_object_get(data, "errno")));
	if (!data || !name || (!json_object_get(errors, name) && !json_object_get(errors, "*"))) {
		snprintf(why, size, "%s may not fail with %s", method ? method : "nothing",
			 name ? name : "no errno");
		return -1;
	}
	return 0;
}

int control_schema_answer(const json_t *schema, const char *method, const json_t *answer, char *why,
			  size_t size)
{
	const json_t *error = json_object_get(answer, "error");
	const char *form = error ? "#/$defs/refusal" : "#/$defs/answer";
	const json_t *m = method ? method_of(schema, method) : NULL;
	int r = json_schema_check(schema, json_schema_at(schema, form), answer, why, size);

	if (r < 0)
		return r;
	if (error)
		return check_error(schema, method, error, why, size);
	if (!m) {
		snprintf(why, size, "the method %s is not in the schema", method ? method : "(none)");
		return -1;
	}
	return json_schema_check(schema, json_object_get(m, "result"), json_object_get(answer, "result"),
				 why, size);
}

int control_schema_notification(const json_t *schema, const json_t *note, char *why, size_t size)
{
	const json_t *params = json_object_get(note, "params"), *n;
	const char *name = json_string_value(json_object_get(note, "method"));
	json_t *none;
	int r = json_schema_check(schema, json_schema_at(schema, "#/$defs/notification"), note, why, size);

	if (r < 0)
		return r;
	n = json_object_get(json_object_get(schema, "notifications"), name);
	if (!n) {
		snprintf(why, size, "the notification %s is not in the schema", name);
		return -1;
	}
	none = json_object();
	r = json_schema_check(schema, json_object_get(n, "params"), params ? params : none, why, size);
	json_decref(none);
	return r;
}
