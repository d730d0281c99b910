/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that ask one VM one thing: command line, question, answer. */
#ifndef TOOLS_VM_ASK_H
#define TOOLS_VM_ASK_H

#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

struct ctx;

struct vm_asked {
	const char *name; /* of argv */
	pid_t supervisor;
	json_t *result;
};

struct vm_client;

/* One operand, the VM, of no options but the common ones: a connection to it. */
int vm_ask_open(struct ctx *ctx, int argc, char **argv, struct vm_client *ret, struct err *err);

/* One operand, the VM; no options but the common ones. As a command's run(). */
int vm_ask(struct ctx *ctx, int argc, char **argv, const char *method, struct vm_asked *ret,
	   struct err *err);

/* A second operand that need not be there. */
struct vm_ask_operand {
	const char *operands; /* both, for messages: "VM [SIZE]" */
	/* The method's parameters, for json_decref(). 0 or -EINVAL, err set. */
	int (*parse)(const char *text, json_t **ret, struct err *err);
};

/* The same, with it. */
int vm_ask_with(struct ctx *ctx, int argc, char **argv, const char *method,
		const struct vm_ask_operand *operand, struct vm_asked *ret, struct err *err);
void vm_asked_fini(struct vm_asked *asked);

/* Print the result as JSON, with the VM's name in it. 0 or -ENOMEM with err set. */
int vm_asked_json(struct ctx *ctx, const struct vm_asked *asked, const char *schema,
		  const char *key, struct err *err);

#endif
