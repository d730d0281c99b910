// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/vm_client.h"
#include "tools/vm_report.h"

/* What it does in any case, for who is used to say so. */
static const struct option own_options[] = {
	{ "follow", no_argument, NULL, 'f' },
	{ 0 },
};

static void print(struct ctx *ctx, json_t *event)
{
	const char *name = vm_report_text(event, "method");
	json_t *params = json_object_get(event, "params");
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%FT%TZ", gmtime_r(&now, &tm));
	if (ctx->json) {
		json_t *line = json_pack("{s:s, s:s, s:s, s:O?}", "schema", "thruway.vm-event/1",
					 "time", when, "event", name, "params", params);

		json_dumpf(line, ctx->out, JSON_COMPACT);
		fputc('\n', ctx->out);
		json_decref(line);
	} else {
		char *text = params ? json_dumps(params, 0) : NULL;

		fprintf(ctx->out, "%s %s%s%s\n", when, name, text ? " " : "", text ? text : "");
		free(text);
	}
	fflush(ctx->out);
}

/* Until the VM ends, which is what was waited for, or our reader goes. */
static int follow(struct ctx *ctx, struct vm_client *c, struct err *err)
{
	struct err own = ERR_INIT;
	json_t *event;
	int r;

	while ((r = vm_client_next(c, &event, &own)) == 0) {
		print(ctx, event);
		json_decref(event);
		if (ferror(ctx->out))
			return err_set(err, -EPIPE, "nobody reads any more");
	}
	if (r == -EPIPE)
		return 0;
	*err = own;
	return r;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	struct opts o;
	int opt, r;

	opts_init(&o, ctx, argc, argv, own_options);
	while ((opt = opts_next(&o, err)) > 0)
		;
	r = opt < 0 ? opt : opts_operands(&o, 1, 1, "VM", err);
	if (r == 0)
		r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0)
		r = vm_client_call(&c, "subscribe", NULL, err);
	if (r == 0)
		r = follow(ctx, &c, err);
	vm_client_close(&c);
	return r;
}

const struct command cmd_vm_events = {
	.name = "vm events",
	.synopsis = "[-f] VM",
	.summary = "tell what happens to a virtual machine",
	.help = "A line for each event until the virtual machine ends: paused, resumed, reboot,\n"
		"device-error, device-request, device-reset (how, and whether it was verified), device-removed,\n"
		"device-added, nic-mac, nic-link, backend (who serves a device by vhost-user is there, or gone),\n"
		"nic-failover (it goes by its VF or by its standby now, and why), guest-panicked and watchdog\n"
		"(and what was done about it), end.\n"
		"\n"
		"  -f, --follow         what it does in any case",
	.takes = TAKES_JSON,
	.run = run,
};
