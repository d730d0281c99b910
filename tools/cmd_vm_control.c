// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands that tell a VM one thing, and have nothing to show. */
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/vm_ask.h"

static int tell(struct ctx *ctx, int argc, char **argv, const char *method, struct err *err)
{
	struct vm_asked asked;
	int r = vm_ask(ctx, argc, argv, method, &asked, err);

	if (r == 0)
		vm_asked_fini(&asked);
	return r;
}

static int pause_vm(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	return tell(ctx, argc, argv, "pause", err);
}

static int resume_vm(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	return tell(ctx, argc, argv, "resume", err);
}

static int reset_vm(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	return tell(ctx, argc, argv, "reset", err);
}

const struct command cmd_vm_pause = {
	.name = "vm pause",
	.synopsis = "VM",
	.summary = "stop a virtual machine's CPUs",
	.help = "Its CPUs stand still until vm resume. Devices of the host that it has go on: what\n"
		"they receive is in the guest's memory then, and their interrupts wait.",
	.run = pause_vm,
};

const struct command cmd_vm_resume = {
	.name = "vm resume",
	.synopsis = "VM",
	.summary = "let its CPUs go on",
	.help = "Ends what vm pause began.",
	.run = resume_vm,
};

const struct command cmd_vm_reset = {
	.name = "vm reset",
	.synopsis = "VM",
	.summary = "reset a virtual machine, as by its button",
	.help = "Resets it without asking the guest, its devices included, and boots it again. One\n"
		"that was started with --no-reboot ends.",
	.run = reset_vm,
};
