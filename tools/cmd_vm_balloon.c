// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/out.h"
#include "tools/vm_ask.h"

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

static int parse_size(const char *text, json_t **ret, struct err *err)
{
	uint64_t bytes;

	if (size_parse(text, &bytes) < 0 || bytes > INT64_MAX)
		return err_usage(err, "vm balloon: '%s' is no size", text);
	*ret = json_pack("{s:I}", "give_back", (json_int_t)bytes);
	return 0;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	static const struct vm_ask_operand operand = { "VM [SIZE]", parse_size };
	struct vm_asked asked;
	int r = vm_ask_with(ctx, argc, argv, "balloon", &operand, &asked, err);

	if (r < 0)
		return r;
	if (ctx->json)
		r = vm_asked_json(ctx, &asked, "thruway.vm-balloon/1", "balloon", err);
	else
		print(ctx, asked.result);
	vm_asked_fini(&asked);
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
