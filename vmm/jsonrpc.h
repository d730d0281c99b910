/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON-RPC 2.0 (jsonrpc.org), the server's side, of text alone: a request in, its
 * answer out. Who sent it and how it travels is vmm/ctl.h's.
 */
#ifndef VMM_JSONRPC_H
#define VMM_JSONRPC_H

#include <stddef.h>

#include <jansson.h>

#include "base/err.h"

/* The specification's error codes, and ours in the range that it leaves to servers. */
enum {
	JSONRPC_PARSE_ERROR = -32700,
	JSONRPC_INVALID_REQUEST = -32600,
	JSONRPC_METHOD_NOT_FOUND = -32601,
	JSONRPC_INVALID_PARAMS = -32602,
	JSONRPC_FAILED = -32000,  /* "data" has the errno's number and, where there is one, a hint */
	JSONRPC_REFUSED = -32001, /* the caller may not */
};

/* Requests in one array, of which the specification allows any number. */
#define JSONRPC_BATCH_MAX 64

struct jsonrpc_method {
	const char *name;
	const char *const *params; /* names it knows, ended by NULL; NULL: takes none */
	/*
	 * params is an object, or NULL for none. *ret: the result, the caller's to release;
	 * left alone, it is true. 0 or -errno with err set; a usage error is one of the
	 * parameters' (JSONRPC_INVALID_PARAMS).
	 */
	int (*call)(void *opaque, const json_t *params, json_t **ret, struct err *err);
};

/*
 * The answer to one request, or to an array of them, without a newline; the caller
 * frees it. NULL: there is none to give (a notification), or memory ran out.
 * methods ends with an empty row.
 */
char *jsonrpc_answer(const struct jsonrpc_method *methods, void *opaque, const char *text,
		     size_t len);

/* A notification from the server. params is consumed, NULL: none. NULL: memory ran out. */
char *jsonrpc_notification(const char *method, json_t *params);

/* An error that answers no request in particular. */
char *jsonrpc_error(int code, const char *message);

#endif
