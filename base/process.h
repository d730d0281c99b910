/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes by more than their pid, as proc shows them; for messages about who holds what. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A process, also after its pid was given to another one. */
struct process_id {
	pid_t pid;
	uint64_t start; /* clock ticks after boot; 0: unknown */
	char boot[40];	/* the boot's id; "": unknown */
	/* The PID namespace that `pid` belongs to, by its inode; 0: unknown, the initial one. */
	uint64_t pidns;
};

enum process_state {
	PROCESS_DEAD,
	PROCESS_ALIVE,
	PROCESS_UNKNOWN, /* proc is missing, or it or we are of another PID namespace */
};

/* Our own; what proc does not tell stays unknown. */
void process_self(int root, struct process_id *ret);
/* id is what process_self() said of us. */
bool process_is_self(int root, const struct process_id *id);

/* Any other one. 0 or -ESRCH. */
int process_identify(int root, pid_t pid, struct process_id *ret);

/* Whether it runs and is the same one. PROCESS_DEAD after another boot. */
enum process_state process_look(int root, const struct process_id *id);

/* It is not known to be dead. */
bool process_alive(int root, const struct process_id *id);

/* It belongs to an earlier boot: what it did to devices is gone. */
bool process_of_other_boot(int root, const struct process_id *id);

/* Seconds since pid was started; -1: unknown. */
long process_age(int root, pid_t pid);

/* The kernel function it sleeps in, "" when that cannot be read (needs root). Returns buf. */
char *process_where(int root, pid_t pid, char *buf, size_t size);

/*
 * The first process but ourselves that has the flock on the file behind fd, and does not
 * only wait for it; `first` if it has it too. 0 when there is none that we may look at.
 */
pid_t process_locking(int root, int fd, pid_t first);

/*
 * The first process but ourselves with a file open for writing whose path match()
 * accepts; 0 when there is none that we may look at.
 */
pid_t process_writing(int root, bool (*match)(const char *path, void *opaque), void *opaque);

/*
 * Its name as proc/PID/comm has it, "?" when that cannot be read. A process may call itself
 * what it likes: what a terminal would obey and JSON could not say is '?'. Returns buf.
 */
char *process_name(int root, pid_t pid, char *buf, size_t size);

/* The login uid of our caller, which survives su and sudo; UINT32_MAX: none. */
uint32_t process_login_uid(int root);

#endif
