// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <unistd.h>

#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/out.h"
#include "tools/vm_ask.h"
#include "tools/vm_client.h"

/* The guest is asked for its numbers when we ask the VMM, and has so long to say them. */
#define FRESH_MS 1000
#define WAIT_MS	 500
#define STEP_MS	 50

static uint64_t number(const json_t *report, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(report, key));

	return n < 0 ? 0 : (uint64_t)n;
}

/* What a guest tells of its memory; it need not tell any. */
static void print_memory(struct ctx *ctx, const json_t *memory)
{
	static const struct {
		const char *key, *word;
	} lines[] = { { "total_bytes", "guest's total" }, { "free_bytes", "free" },
		      { "available_bytes", "available" }, { "disk_caches_bytes", "caches" },
		      { "swapped_in_bytes", "swapped in" }, { "swapped_out_bytes", "swapped out" } };
	char text[24];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (json_object_get(memory, lines[i].key))
			out_fact(ctx->out, lines[i].word, SIZE_STR(number(memory, lines[i].key)));
	if (json_object_get(memory, "major_faults")) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)number(memory, "major_faults"));
		out_fact(ctx->out, "major faults", text);
	}
}

static void print(struct ctx *ctx, const json_t *report)
{
	bool driven = json_is_true(json_object_get(report, "driven"));

	out_fact(ctx->out, "RAM", SIZE_STR(number(report, "memory_bytes")));
	out_fact(ctx->out, "asked for", SIZE_STR(number(report, "asked")));
	out_fact(ctx->out, "given back", SIZE_STR(number(report, "given_back")));
	out_fact(ctx->out, "driver", !driven ? "none yet" :
		 json_is_true(json_object_get(report, "free_page_reporting")) ? "tells of free pages" :
		 "tells of no free pages");
	if (number(report, "reported_bytes"))
		out_fact(ctx->out, "freed so far", SIZE_STR(number(report, "reported_bytes")));
	print_memory(ctx, json_object_get(report, "guest_memory"));
}

static bool is_fresh(const json_t *report)
{
	const json_t *memory = json_object_get(report, "guest_memory");

	return !json_is_true(json_object_get(report, "driven")) ||
	       (json_is_object(memory) && number(memory, "age_ms") <= FRESH_MS);
}

/* Best effort: older numbers say how old they are. */
static void wait_for_numbers(struct ctx *ctx, struct vm_asked *asked)
{
	struct vm_client c = VM_CLIENT_INIT;
	struct err unsaid = ERR_INIT;
	json_t *newer;

	if (is_fresh(asked->result) || vm_client_open(ctx->root, asked->name, &c, &unsaid) < 0)
		return;
	for (unsigned ms = 0; ms < WAIT_MS && !is_fresh(asked->result); ms += STEP_MS) {
		usleep(STEP_MS * 1000);
		if (vm_client_call(&c, "balloon", &newer, &unsaid) < 0)
			break;
		json_decref(asked->result);
		asked->result = newer;
	}
	vm_client_close(&c);
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
	wait_for_numbers(ctx, &asked);
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
		"that is, and what the guest says of its memory. The guest must have been started with\n"
		"--balloon, and gives when it can; of itself it tells of pages that it does not use, which\n"
		"go back at once (\"freed so far\": each time counted).\n"
		"Refused while it has a device of the host, which may write to any page, and for RAM\n"
		"of hugepages or with lock=on.",
	.takes = TAKES_JSON,
	.run = run,
};
