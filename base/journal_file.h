/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal on disk: one file per change, lines of key=value, replaced as a
 * whole (temporary name, fsync, rename) whenever something in it changes. Only
 * base/journal*.c includes this.
 *
 * The format is ours alone and strict: a line that does not belong or is missing, a
 * value that does not fit, or a name that is a way out of its directory make the whole
 * entry unreadable, because a guess here would write to somebody's hardware.
 */
#ifndef BASE_JOURNAL_FILE_H
#define BASE_JOURNAL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/journal.h"
#include "base/process.h"

#define JOURNAL_DIR	   "run/thruway/journal"
#define JOURNAL_NAME_MAX   32
#define JOURNAL_STEPS_MAX  65536 /* 256 VFs with all their attributes are below 4000 */

enum mark {
	MARK_PLANNED, /* not touched */
	MARK_DOING,   /* being written, or written; not yet verified */
	MARK_DONE,
	MARK_UNDOING, /* being put back */
};

struct record {
	struct step step;
	char identity[STEP_VALUE_MAX]; /* of the device when the step was planned; "": none */
	enum mark mark;
	bool known; /* step.before was read: "" then means "none" */
};

struct entry {
	char name[JOURNAL_NAME_MAX]; /* of its file; they sort by age */
	char command[128];
	struct process_id owner;
	uint32_t uid;  /* the caller's login uid; UINT32_MAX: none */
	uint64_t time; /* seconds since 1970 */
	bool committed, until_exit, unconfirmed;
	struct record *records; /* malloced */
	size_t count;
	struct note *notes; /* malloced */
	size_t note_count;
};

/*
 * Read an entry; entry_fini() frees it. 0; -ENOENT; -EBADMSG, err naming file,
 * line and what to do, for one that is damaged; other -errno, err set.
 */
int entry_load(int dir, const char *name, struct entry *ret, struct err *err);

/* Replace the file by this state, durably: all of it or nothing. 0 or -errno. */
int entry_save(int dir, const struct entry *e);

/* 0, also when it is gone already, or -errno. */
int entry_remove(int dir, const char *name);

void entry_fini(struct entry *e);

/* Names of the entries, oldest first, malloced: free() them. 0 or -errno. */
int entry_names(int dir, char (**ret)[JOURNAL_NAME_MAX], size_t *ret_count);

#endif
