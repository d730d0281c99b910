// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "base/size.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/vm_ask.h"
#include "tools/vm_client.h"

#define POWEROFF_S 30u
/* As long as its supervisor gives a VMM that was told to end. */
#define QUIT_MS	   12000u

enum { OPT_TIMEOUT = 256 };

static const struct option stop_options[] = {
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ 0 },
};

/* The seconds that are left, on a terminal. */
static int wait_for_end(const struct vm_client *c, unsigned seconds)
{
	bool tty = isatty(STDERR_FILENO);
	int r = -ETIMEDOUT;

	for (unsigned i = 0; r < 0 && i < seconds; i++) {
		if (tty)
			fprintf(stderr, "\r%s is asked to power off: %u s left \033[K", c->name,
				seconds - i);
		r = vm_client_wait_end(c, 1000);
	}
	if (tty)
		fprintf(stderr, "\r\033[K");
	return r;
}

static int stop(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	uint64_t seconds = POWEROFF_S;
	struct opts o;
	int opt, r;

	opts_init(&o, ctx, argc, argv, stop_options);
	while ((opt = opts_next(&o, err)) > 0)
		if (uint_parse(optarg, 86400, &seconds) < 0)
			return err_usage(err, "vm stop: --timeout takes seconds, not '%s'", optarg);
	r = opt < 0 ? opt : opts_operands(&o, 1, 1, "VM", err);
	if (r == 0)
		r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0)
		r = vm_client_call(&c, "power_button", NULL, err);
	if (r == 0 && ctx->quiet == false)
		r = wait_for_end(&c, (unsigned)seconds);
	else if (r == 0)
		r = vm_client_wait_end(&c, (unsigned)seconds * 1000);
	if (r == -ETIMEDOUT && !err->code) {
		err_plain(err, r, "the guest of %s did not power off within %u s", c.name,
			  (unsigned)seconds);
		err_hint(err, "a guest that does not listen to its power button is shut down from "
			      "within; thruway vm kill %s ends it now", c.name);
	}
	vm_client_close(&c);
	return r;
}

/*
 * A VMM that hangs does not read its socket. Its supervisor is told twice then, which
 * does not wait for it: the process that bound the socket, if that is still one of ours.
 */
static int end_by_supervisor(int root, const struct vm_client *c, struct err *err)
{
	char name[32];

	if (c->supervisor <= 1 ||
	    strcmp(process_name(root, c->supervisor, name, sizeof(name)), "thruway") != 0)
		return err_plain(err, -ESRCH, "the VM %s does not answer, and its supervisor is not "
					      "to be found", c->name);
	for (unsigned i = 0; i < 3; i++) {
		if (kill(c->supervisor, SIGTERM) < 0)
			return err_set(err, -errno, "cannot end the VM %s", c->name);
		if (vm_client_wait_end(c, 1000) == 0)
			return 0;
	}
	if (vm_client_wait_end(c, QUIT_MS) == 0)
		return 0;
	err_plain(err, -ETIMEDOUT, "the VM %s does not end", c->name);
	return err_hint(err, "its processes hang in the kernel: /proc/%d/stack says where",
			(int)c->supervisor);
}

static int end(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	struct err own = ERR_INIT;
	int r = vm_ask_open(ctx, argc, argv, &c, err);

	if (r < 0)
		return r;
	r = vm_client_call(&c, "quit", NULL, &own);
	if (r == 0 || r == -EPIPE)
		r = vm_client_wait_end(&c, QUIT_MS);
	if (r == -ETIMEDOUT)
		r = end_by_supervisor(ctx->root, &c, err);
	else if (r < 0)
		*err = own;
	vm_client_close(&c);
	return r;
}

const struct command cmd_vm_stop = {
	.name = "vm stop",
	.synopsis = "[--timeout S] VM",
	.summary = "press its power button and wait",
	.help = "Presses the power button and waits until the guest has powered off and its devices\n"
		"are given back. The guest goes on running where it does not listen to the button.\n"
		"\n"
		"      --timeout S    wait S seconds (30)",
	.run = stop,
};

const struct command cmd_vm_kill = {
	.name = "vm kill",
	.synopsis = "VM",
	.summary = "end a virtual machine now",
	.help = "Ends it without asking the guest, as pulling its plug would. Its devices are reset\n"
		"and given back before this returns.",
	.run = end,
};
