/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a subcommand is: each tools/cmd_*.c defines one `const struct command`,
 * tools/main.c lists them.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* Options every command may accept; `takes` names those that mean something to it. */
enum {
	TAKES_JSON = 1 << 0,	/* -j */
	TAKES_DRY_RUN = 1 << 1, /* -n */
	TAKES_LOCK = 1 << 2,	/* --lock-timeout S */
	TAKES_FORCE = 1 << 3,	/* --force=a,b */
	/* No option: what it prints, at its end, is what it changed (tools/report.h). */
	REPORTS_CHANGES = 1 << 4,
	/* Nor this: from the first operand on it is another program's command line. */
	TAKES_COMMAND = 1 << 5,
};

struct command;

/* What a command works on. Tests hand in a fake root and a memory stream. */
struct ctx {
	int root;  /* borrowed; "/" but in tests */
	FILE *out; /* borrowed; stdout but in tests */
	const struct command *command;
	bool json, dry_run, quiet;
	unsigned lock_timeout_s;
	unsigned force; /* bits 1 << enum in_use_reason */
};

#define LOCK_TIMEOUT_DEFAULT_S 60

struct command {
	const char *name;     /* "list", or two words: "vf create" */
	const char *alias;    /* another spelling, or NULL: "run" of "vm run" */
	const char *synopsis; /* after the name: "[-a] [DEV…]" */
	const char *summary;  /* one line, for `thruway help` */
	const char *help;     /* paragraphs and own options, for --help; ends in a newline */
	unsigned takes;
	unsigned reasons; /* of --force that it acts on, bits 1 << enum in_use_reason; 0: all */
	/*
	 * argv[0] is the last word of the name. The exit status (0, 1, 2, 3), or
	 * -errno with err set, which main() prints; -ECANCELED with err unset
	 * means that the answer was given (--help).
	 */
	int (*run)(struct ctx *ctx, int argc, char **argv, struct err *err);
};

#endif
