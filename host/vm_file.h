/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM as a file describes it, /etc/thruway/vm/NAME.yaml: one mapping, whose keys and values
 * are the caller's to understand. A list is its key as often as it has entries.
 */
#ifndef HOST_VM_FILE_H
#define HOST_VM_FILE_H

#include "host/spec.h"

#define VM_FILE_DIR "etc/thruway/vm"
#define VM_FILE_END ".yaml"

#define VM_FILE_VALUE_MAX 2048 /* bytes of a value: a kernel command line */

struct vm_file_word {
	struct spec_setting key, value; /* value.text NULL: a list without entries */
	bool listed; /* one of a list */
};

struct vm_file {
	struct spec spec; /* keeps the texts, and the file's name for SPEC_PLACE_STR() */
	struct vm_file_word *words; /* in the file's order */
	size_t count;
	char *name; /* the file's, without directories and end: what the VM is called */
};

#define VM_FILE_INIT { .spec = SPEC_INIT }

/*
 * Read NAME's file; with a '/' or ".yaml" at its end, name is the file's path. 0; -EINVAL with
 * "web.yaml:3:5: …" in err; other -errno, err set. vm_file_fini() frees it, also after a failure.
 */
int vm_file_load(int root, const char *name, struct vm_file *ret, struct err *err);

void vm_file_fini(struct vm_file *file);

#endif
