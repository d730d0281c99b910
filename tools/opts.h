/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: a command's own options from a table, the common ones for all. */
#ifndef TOOLS_OPTS_H
#define TOOLS_OPTS_H

#include <getopt.h>

#include "tools/command.h"

#define OPTS_MAX 40

struct opts {
	struct ctx *ctx;
	int argc;
	char **argv;
	char shorts[2 * OPTS_MAX];
	struct option longs[OPTS_MAX];
	int repeats[8];	     /* own options that may come again, by their val; 0: none */
	bool seen[OPTS_MAX]; /* of longs */
};

/*
 * own ends with an empty row and may be NULL; a val that is a letter is the short
 * option too, values >= 256 are long only. Uses getopt's globals: one at a time.
 */
void opts_init(struct opts *o, struct ctx *ctx, int argc, char **argv, const struct option *own);

/*
 * The next own option's val, its argument in optarg; 0 at the end, argv[optind]
 * being the first operand; -EINVAL, err set, for what is no option here, and for a
 * second value of one that takes a single one;
 * -ECANCELED after --help was answered.
 */
int opts_next(struct opts *o, struct err *err);

/* All in one for commands without own options: the index of the first operand, or as above. */
int opts_common(struct ctx *ctx, int argc, char **argv, struct err *err);

/* Refuse operands beyond max, or fewer than min; `what` names them. 0 or -EINVAL. */
int opts_operands(const struct opts *o, int min, int max, const char *what, struct err *err);

/*
 * An option's value that is to be a driver: a name in a directory of sysfs, and no path
 * out of it. 0 or -EINVAL.
 */
int opts_driver(const struct opts *o, const char *name, const char **ret, struct err *err);

/*
 * A user, or where ret_group is not NULL also USER:GROUP, by names or numbers that this
 * host knows; *ret_group says whether a group was given. 0 or -EINVAL.
 */
int opts_user(const struct opts *o, const char *text, unsigned *ret_uid, unsigned *ret_gid,
	      bool *ret_group, struct err *err);

/* The command's --help text. */
void opts_help(const struct command *command, FILE *out);

#endif
