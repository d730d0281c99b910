// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a running VM says on its control socket, held against docs/control.schema.json.
 *
 *	control-schema SCHEMA ask VM    every method that only reports, requests that are refused, and
 *	                                what is no request
 *	control-schema SCHEMA watch VM  notifications, until the VM ends
 *
 * Prints the names of what was right in one line, and a line for each that was not; then it fails.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/fake/control_schema.h"
#include "tools/vm_client.h"

static const struct {
	const char *method, *params; /* NULL: none; the method NULL: params is the line */
} asks[] = {
	{ "status" }, { "stats" }, { "interrupts", "{\"reattach\":false}" }, { "balloon" }, { "disk" },
	{ "nic" }, { "explode" }, { "status", "{\"explode\":1}" }, { "nic", "{\"nic\":9,\"link\":\"up\"}" },
	{ "detach", "{\"device\":\"ffff:00:00.0\"}" }, { "attach", "{\"device\":\"ffff:00:00.0\",\"group\":1}" },
	{ NULL, "no request" },
};

static int send_line(int sock, const char *method, const char *params)
{
	char text[300];
	int n = !method ? snprintf(text, sizeof(text), "%s\n", params) :
			  snprintf(text, sizeof(text),
				   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method,
				   params ? params : "{}");

	return send(sock, text, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -1;
}

static bool ask(struct vm_client *c, const json_t *schema, const char *method, const char *params)
{
	struct err err = ERR_INIT;
	json_t *answer = NULL;
	char why[300];
	int r = send_line(c->fd, method, params);

	if (r == 0)
		r = vm_client_answer(c, 10000, &answer, &err);
	if (r < 0)
		printf("\n%s: no answer: %s", method, err.text);
	else if ((r = control_schema_answer(schema, method, answer, why, sizeof(why))) < 0)
		printf("\n%s: %s", method ? method : params, why);
	else
		printf("%s ", method ? method : "-");
	json_decref(answer);
	return r == 0;
}

static bool ask_all(struct vm_client *c, const json_t *schema)
{
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
		good &= ask(c, schema, asks[i].method, asks[i].params);
	return good;
}

static bool watch(struct vm_client *c, const json_t *schema)
{
	bool good = vm_client_call(c, "subscribe", NULL, NULL) == 0;
	char why[300];
	json_t *note;

	while (vm_client_next(c, &note, NULL) == 0) {
		const char *name = json_string_value(json_object_get(note, "method"));

		if (control_schema_notification(schema, note, why, sizeof(why)) == 0) {
			printf("%s ", name);
			fflush(stdout);
		} else {
			printf("\n%s: %s", name ? name : "no notification", why);
			good = false;
		}
		json_decref(note);
	}
	return good;
}

int main(int argc, char **argv)
{
	struct vm_client c = VM_CLIENT_INIT;
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;
	json_t *schema;
	bool good;

	if (argc != 4)
		return 2;
	schema = json_load_file(argv[1], 0, NULL);
	if (!schema || vm_client_open(root, argv[3], &c, &err) < 0) {
		printf("cannot begin: %s\n", err.text);
		return 2;
	}
	good = strcmp(argv[2], "watch") == 0 ? watch(&c, schema) : ask_all(&c, schema);
	printf("\n");
	vm_client_close(&c);
	json_decref(schema);
	return good ? 0 : 1;
}
