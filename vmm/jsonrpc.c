// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/jsonrpc.h"

#include <string.h>

#include "base/fd.h"

static void decrefp(json_t **json)
{
	json_decref(*json);
}

#define _cleanup_json_ _cleanup_(decrefp)

/*
 * JSON is UTF-8, and an error's words need not be: they are cut where their buffer ends, within a
 * character too, and quote what a file or sysfs is called. What is not ASCII of such a text is '?'.
 */
static json_t *words(const char *text)
{
	json_t *whole = json_string(text);
	char ascii[sizeof(((struct err *)NULL)->text)];
	size_t n = 0;

	if (whole)
		return whole;
	for (; text[n] && n < sizeof(ascii) - 1; n++)
		ascii[n] = (char)((unsigned char)text[n] < 0x80 ? text[n] : '?');
	ascii[n] = '\0';
	return json_string(ascii);
}

/* id is borrowed: the request's, NULL where it could not be told. */
static json_t *error_reply(const json_t *id, int code, const char *message, json_t *data)
{
	json_t *error = json_pack("{s:i, s:o, s:o*}", "code", code, "message", words(message), "data",
				  data);

	return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id, "error", error);
}

static const struct jsonrpc_method *find(const struct jsonrpc_method *methods, const char *name)
{
	for (; methods->name; methods++)
		if (strcmp(methods->name, name) == 0)
			return methods;
	return NULL;
}

/* The name of a parameter that the method does not know; NULL: it knows them all. */
static const char *unknown_param(const struct jsonrpc_method *m, json_t *params)
{
	const char *key;
	json_t *value;

	json_object_foreach(params, key, value) {
		const char *const *known = m->params;

		while (known && *known && strcmp(*known, key) != 0)
			known++;
		if (!known || !*known)
			return key;
	}
	return NULL;
}

static json_t *failure(const json_t *id, int r, const struct err *err)
{
	json_t *data;

	if (err->usage)
		return error_reply(id, JSONRPC_INVALID_PARAMS, err->text, NULL);
	data = json_pack("{s:i}", "errno", -r);
	if (data && err->hint[0])
		json_object_set_new(data, "hint", words(err->hint));
	return error_reply(id, JSONRPC_FAILED, err->text[0] ? err->text : "it failed", data);
}

static json_t *call(const struct jsonrpc_method *m, void *opaque, const json_t *id, json_t *params)
{
	const char *unknown = unknown_param(m, params);
	struct err err = ERR_INIT;
	json_t *result = NULL;
	int r;

	if (unknown) {
		err_usage(&err, "%s: unknown parameter '%.64s'", m->name, unknown);
		return error_reply(id, JSONRPC_INVALID_PARAMS, err.text, NULL);
	}
	r = m->call(opaque, params, &result, &err);
	if (r < 0) {
		json_decref(result);
		return failure(id, r, &err);
	}
	return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id, "result",
			 result ? result : json_true());
}

/* What keeps it from being a request, or NULL. */
static const char *malformed(json_t *request, json_t *id)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));

	if (!json_is_object(request))
		return "a request is an object";
	if (!version || strcmp(version, "2.0") != 0)
		return "\"jsonrpc\" is not \"2.0\"";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "\"id\" is neither a string nor a number";
	if (!json_is_string(json_object_get(request, "method")))
		return "\"method\" is not a string";
	return NULL;
}

/* NULL: a notification, which gets no answer whatever becomes of it. */
static json_t *answer_one(const struct jsonrpc_method *methods, void *opaque, json_t *request)
{
	json_t *id = json_object_get(request, "id");
	json_t *params = json_object_get(request, "params"), *reply;
	const char *why = malformed(request, id);
	const struct jsonrpc_method *m;

	if (why)
		return error_reply(json_is_string(id) || json_is_number(id) ? id : NULL,
				   JSONRPC_INVALID_REQUEST, why, NULL);
	m = find(methods, json_string_value(json_object_get(request, "method")));
	if (!m)
		reply = error_reply(id, JSONRPC_METHOD_NOT_FOUND, "there is no such method", NULL);
	else if (params && !json_is_object(params))
		reply = error_reply(id, JSONRPC_INVALID_PARAMS, "\"params\" is not an object", NULL);
	else
		reply = call(m, opaque, id, params);
	if (id)
		return reply;
	json_decref(reply);
	return NULL;
}

static json_t *answer_batch(const struct jsonrpc_method *methods, void *opaque, json_t *batch)
{
	size_t n = json_array_size(batch);
	json_t *replies;

	if (n == 0 || n > JSONRPC_BATCH_MAX)
		return error_reply(NULL, JSONRPC_INVALID_REQUEST,
				   n ? "too many requests in one array" : "an empty array", NULL);
	replies = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *reply = answer_one(methods, opaque, json_array_get(batch, i));

		if (reply)
			json_array_append_new(replies, reply);
	}
	if (json_array_size(replies))
		return replies;
	json_decref(replies);
	return NULL;
}

static char *to_text(json_t *json)
{
	return json ? json_dumps(json, JSON_COMPACT) : NULL;
}

char *jsonrpc_answer(const struct jsonrpc_method *methods, void *opaque, const char *text,
		     size_t len)
{
	_cleanup_json_ json_t *request = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	_cleanup_json_ json_t *reply = NULL;

	if (!request)
		reply = error_reply(NULL, JSONRPC_PARSE_ERROR, "this is not JSON", NULL);
	else if (json_is_array(request))
		reply = answer_batch(methods, opaque, request);
	else
		reply = answer_one(methods, opaque, request);
	return to_text(reply);
}

char *jsonrpc_notification(const char *method, json_t *params)
{
	_cleanup_json_ json_t *n = json_pack("{s:s, s:s, s:o*}", "jsonrpc", "2.0", "method", method,
					     "params", params);

	return to_text(n);
}

char *jsonrpc_error(int code, const char *message)
{
	_cleanup_json_ json_t *reply = error_reply(NULL, code, message, NULL);

	return to_text(reply);
}
