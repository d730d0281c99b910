/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM's file says, taken as if it were on the command line of `vm run`. */
#ifndef TOOLS_VM_OPTS_FILE_H
#define TOOLS_VM_OPTS_FILE_H

#include <getopt.h>
#include <stdbool.h>

#include "base/err.h"
#include "host/vm_file.h"

struct vm_opts;

struct vm_opts_table {
	const struct option *options; /* ends with an empty row: a file's keys are their names */
	const int *repeats;	      /* those that may come again, by their val; ends with 0 */
	const bool *said; /* of options: on the command line, which then goes before the file */
	/* As getopt has it: the value in optarg. 0 or -EINVAL, err set. */
	int (*take)(struct vm_opts *o, int val, struct err *err);
};

/*
 * Take what the file says; o may borrow its texts. 0; -EINVAL with "web.yaml:3:5: …" in err.
 */
int vm_opts_take_file(struct vm_opts *o, const struct vm_file *file,
		      const struct vm_opts_table *table, struct err *err);

#endif
