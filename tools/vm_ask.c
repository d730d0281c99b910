// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_ask.h"

#include <errno.h>

#include "tools/command.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/vm_client.h"

/* The operands, checked, and what the second one means. */
static int read_operands(struct ctx *ctx, int argc, char **argv, const struct vm_ask_operand *operand,
			 json_t **ret_params, struct err *err)
{
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, operand ? 2 : 1, operand ? operand->operands : "VM", err);
	if (r < 0 || !operand || argc - optind < 2)
		return r;
	return operand->parse(argv[optind + 1], ret_params, err);
}

int vm_ask_open(struct ctx *ctx, int argc, char **argv, struct vm_client *ret, struct err *err)
{
	int r = read_operands(ctx, argc, argv, NULL, NULL, err);

	return r < 0 ? r : vm_client_open(ctx->root, argv[optind], ret, err);
}

int vm_ask_with(struct ctx *ctx, int argc, char **argv, const char *method,
		const struct vm_ask_operand *operand, struct vm_asked *ret, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	json_t *params = NULL, *result = NULL;
	int r = read_operands(ctx, argc, argv, operand, &params, err);

	if (r == 0)
		r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0)
		r = vm_client_call_with(&c, method, params, NULL, 0, &result, err);
	else
		json_decref(params);
	if (r == 0)
		*ret = (struct vm_asked){ argv[optind], c.supervisor, result };
	vm_client_close(&c);
	return r;
}

int vm_ask(struct ctx *ctx, int argc, char **argv, const char *method, struct vm_asked *ret,
	   struct err *err)
{
	return vm_ask_with(ctx, argc, argv, method, NULL, ret, err);
}

void vm_asked_fini(struct vm_asked *asked)
{
	json_decref(asked->result);
	asked->result = NULL;
}

int vm_asked_json(struct ctx *ctx, const struct vm_asked *asked, const char *schema,
		  const char *key, struct err *err)
{
	json_t *doc = json_is_object(asked->result) ? json_copy(asked->result) : NULL;
	int r;

	json_object_set_new(doc, "name", json_string(asked->name));
	json_object_set_new(doc, "supervisor", json_integer(asked->supervisor));
	r = out_json(ctx->out, schema, key, doc);
	return r < 0 ? err_set(err, r, "cannot print what %s says", asked->name) : 0;
}
