// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests of JSON-RPC 2.0 and what must not be taken for one. */
#include "vmm/jsonrpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"

static unsigned calls;

static int echo(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	calls++;
	*ret = json_pack("{s:O?}", "got", json_object_get(params, "word"));
	return 0;
}

static int nothing(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	calls++;
	return 0;
}

static int failing(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	calls++;
	err_set(err, -EBUSY, "it is in use");
	return err_hint(err, "wait");
}

static int picky(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	return err_usage(err, "word: not that one");
}

/* As of a device whose name is no text, in a sentence that is cut. */
static int broken(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	err_plain(err, -EIO, "caf\xe9: \xc3");
	return err_hint(err, "\xff");
}

static const char *const words[] = { "word", NULL };

static const struct jsonrpc_method methods[] = {
	{ "echo", words, echo }, { "nothing", NULL, nothing }, { "fail", NULL, failing },
	{ "picky", words, picky }, { "broken", NULL, broken }, { 0 },
};

#define SIXTY "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* request, and its whole answer; NULL: none. */
static const struct row {
	const char *request, *answer;
} rows[] = {
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"word\":\"a\"}}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"got\":\"a\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"nothing\"}",
	  "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":true}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"nothing\"}",
	  "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":true}" },
	/* Notifications: done, and not answered, whatever becomes of them. */
	{ "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}", NULL },
	{ "{\"jsonrpc\":\"2.0\",\"method\":\"fail\"}", NULL },
	{ "{\"jsonrpc\":\"2.0\",\"method\":\"explode\"}", NULL },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fail\"}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"it is in use: "
	  "Device or resource busy\",\"data\":{\"errno\":16,\"hint\":\"wait\"}}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"broken\"}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"caf?: ?\","
	  "\"data\":{\"errno\":5,\"hint\":\"?\"}}}" },
	/* Its first 64 bytes end within a character. */
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\",\"params\":{\"x" SIXTY "\xc3\xa9\xc3\xa9\":1}}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"nothing: unknown "
	  "parameter 'x" SIXTY "?\?\?'\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"picky\",\"params\":{\"word\":2}}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"word: not that "
	  "one\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"wrod\":1}}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"echo: unknown "
	  "parameter 'wrod'\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\",\"params\":{\"word\":1}}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"nothing: unknown "
	  "parameter 'word'\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[1]}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":\"\\\"params\\\" is "
	  "not an object\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explode\"}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"there is no such "
	  "method\"}}" },
	{ "{\"id\":1,\"method\":\"nothing\"}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,\"message\":\"\\\"jsonrpc\\\" is "
	  "not \\\"2.0\\\"\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"nothing\"}",
	  "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"\\\"id\\\" is "
	  "neither a string nor a number\"}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,\"message\":\"\\\"method\\\" is "
	  "not a string\"}}" },
	{ "7", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"this is not "
	       "JSON\"}}" },
	{ "{\"jsonrpc\":\"2.0\"",
	  "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"this is not "
	  "JSON\"}}" },
	{ "[]", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"an empty "
		"array\"}}" },
	{ "[1,{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nothing\"},{\"jsonrpc\":\"2.0\",\"method\":"
	  "\"nothing\"}]",
	  "[{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"a request is an "
	  "object\"}},{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":true}]" },
	{ "[{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}]", NULL },
};

static void test_each_request_gets_its_answer(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *answer =
			jsonrpc_answer(methods, NULL, rows[i].request, strlen(rows[i].request));

		if (!rows[i].answer ? answer != NULL : !answer || strcmp(answer, rows[i].answer) != 0)
			fail_msg("%s\n -> %s\n not %s", rows[i].request, answer ? answer : "nothing",
				 rows[i].answer ? rows[i].answer : "nothing");
	}
}

static void test_a_refused_request_is_not_carried_out(void **state)
{
	static const char *const refused[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"wrod\":1}}",
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"nothing\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\",\"method\":\"nothing\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\"} x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *answer = NULL;

		calls = 0;
		answer = jsonrpc_answer(methods, NULL, refused[i], strlen(refused[i]));
		assert_non_null(strstr(answer, "\"error\""));
		assert_int_equal(calls, 0);
	}
}

static void test_too_many_requests_at_once_are_not_carried_out(void **state)
{
	static const char one[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\"},";
	_cleanup_free_ char *text = malloc(sizeof(one) * (JSONRPC_BATCH_MAX + 1)), *answer = NULL;
	char *p = text;

	*p++ = '[';
	for (unsigned i = 0; i <= JSONRPC_BATCH_MAX; i++)
		p = stpcpy(p, one);
	p[-1] = ']';
	calls = 0;
	answer = jsonrpc_answer(methods, NULL, text, strlen(text));
	assert_non_null(strstr(answer, "too many"));
	assert_int_equal(calls, 0);
}

/* Deep nesting would be recursion in the parser. */
static void test_nesting_is_bounded(void **state)
{
	_cleanup_free_ char *text = malloc(60000), *answer = NULL;

	memset(text, '[', 60000);
	answer = jsonrpc_answer(methods, NULL, text, 60000);
	assert_non_null(strstr(answer, "-32700"));
}

/* Requests with bytes changed, taken out and put in: answered with JSON or, as notifications, not at all. */
static void test_damaged_requests_get_an_answer_that_is_json(void **state)
{
	uint64_t x = 88172645463325252ull;

	for (unsigned i = 0; i < 60000; i++) {
		char text[300];
		size_t len = strlen(rows[i % ARRAY_SIZE(rows)].request);
		char *answer;
		json_t *json;

		memcpy(text, rows[i % ARRAY_SIZE(rows)].request, len);
		for (unsigned n = 0; n < 1 + i % 3; n++) {
			size_t at;

			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			at = len ? (x >> 8) % len : 0;
			if (x & 1 && len)
				text[at] = x & 2 ? (char)(x >> 40) : "{}[]\",:"[(x >> 40) % 7];
			else if (x & 2 && len)
				memmove(text + at, text + at + 1, len - at - 1), len--;
			else
				memmove(text + at + 1, text + at, len - at), len++;
		}
		answer = jsonrpc_answer(methods, NULL, text, len);
		json = answer ? json_loads(answer, 0, NULL) : NULL;
		if (answer && !json)
			fail_msg("%.*s\n -> %s", (int)len, text, answer);
		json_decref(json);
		free(answer);
	}
}

static void test_a_notification_has_no_id(void **state)
{
	_cleanup_free_ char *text = jsonrpc_notification("end", json_pack("{s:s}", "reason", "quit"));
	_cleanup_free_ char *bare = jsonrpc_notification("paused", NULL);

	assert_string_equal(text, "{\"jsonrpc\":\"2.0\",\"method\":\"end\",\"params\":{\"reason\":"
				  "\"quit\"}}");
	assert_string_equal(bare, "{\"jsonrpc\":\"2.0\",\"method\":\"paused\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_request_gets_its_answer),
		cmocka_unit_test(test_a_refused_request_is_not_carried_out),
		cmocka_unit_test(test_too_many_requests_at_once_are_not_carried_out),
		cmocka_unit_test(test_nesting_is_bounded),
		cmocka_unit_test(test_damaged_requests_get_an_answer_that_is_json),
		cmocka_unit_test(test_a_notification_has_no_id),
	};

	return cmocka_run_group_tests_name("jsonrpc", tests, NULL, NULL);
}
