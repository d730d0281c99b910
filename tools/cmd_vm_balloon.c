// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
#include "tools/vm_client.h"

static uint64_t number(const json_t *report, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(report, key));

	return n < 0 ? 0 : (uint64_t)n;
}

static void print(struct ctx *ctx, const json_t *report)
{
	out_fact(ctx->out, "RAM", SIZE_STR(number(report, "memory_bytes")));
	out_fact(ctx->out, "asked for", SIZE_STR(number(report, "asked")));
	out_fact(ctx->out, "given back", SIZE_STR(number(report, "given_back")));
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	json_t *params = NULL, *report = NULL;
	uint64_t bytes = 0;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, 2, "VM [SIZE]", err);
	if (r < 0)
		return r;
	if (argc - optind == 2) {
		if (size_parse(argv[optind + 1], &bytes) < 0 || bytes > INT64_MAX)
			return err_usage(err, "vm balloon: '%s' is no size", argv[optind + 1]);
		params = json_pack("{s:I}", "give_back", (json_int_t)bytes);
	}
	r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0)
		r = vm_client_call_with(&c, "balloon", params, NULL, 0, &report, err);
	else
		json_decref(params);
	if (r == 0 && ctx->json)
		r = vm_asked_json(ctx, &(struct vm_asked){ argv[optind], c.supervisor, report },
				  "thruway.vm-balloon/1", "balloon", err);
	else if (r == 0)
		print(ctx, report);
	json_decref(report);
	vm_client_close(&c);
	return r;
}

const struct command cmd_vm_balloon = {
	.name = "vm balloon",
	.synopsis = "VM [SIZE]",
	.summary = "ask a guest for some of its RAM back",
	.help = "Asks the guest to give SIZE of its RAM back to this host, 0: none, and shows how far\n"
		"that is. The guest must have been started with --balloon, and gives when it can.\n"
		"Refused while it has a device of the host, which may write to any page, and for RAM\n"
		"of hugepages or with lock=on.",
	.takes = TAKES_JSON,
	.run = run,
};
