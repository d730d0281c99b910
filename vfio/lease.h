/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who was promised a function: one file for each in run/thruway/leases, called by its
 * address and replaced as a whole. Here it is read; host/lease.h hands leases out.
 *
 * A lease is over when its time is, when its holder died (pid and start time tell it
 * from another process), when the function went away, though another may have its
 * address by now, or with the boot. A file whose lease is over means nothing, whether
 * somebody removes it or not.
 */
#ifndef VFIO_LEASE_H
#define VFIO_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"
#include "base/process.h"

#define LEASE_DIR      "run/thruway/leases"
#define LEASE_NODE_MAX 32

struct lease {
	struct bdf bdf;
	uint64_t inode;	 /* of its directory in sysfs: a function that comes again has another */
	struct process_id holder;	 /* pid 0: none, only its time ends it; boot is always set */
	char name[24];			 /* of the holder; when read, the one it has now */
	uint64_t expires;		 /* seconds of CLOCK_BOOTTIME; 0: not by time */
	char node[LEASE_NODE_MAX];	 /* below dev/: given away with it; "": nothing was */
	unsigned uid, gid;		 /* to these, */
	unsigned uid_before, gid_before; /* and these had it */
};

/* The lease on a function. 0; -ENOENT: none, or it is over; -EBADMSG: not readable as one. */
int lease_read(int root, struct bdf bdf, struct lease *ret);

/* What the file says, over or not; as above. */
int lease_read_file(int root, struct bdf bdf, struct lease *ret);

/* That of the function there is now; 0: there is none. */
uint64_t lease_inode(int root, struct bdf bdf);
bool lease_is_over(int root, const struct lease *lease);

/* Replace the file. 0 or -errno. */
int lease_save(int root, const struct lease *lease);

/* Seconds of CLOCK_BOOTTIME. */
uint64_t lease_now(void);

/*
 * The holder is this process or one that started it, or its node was given to the user of
 * this process, who is not root.
 */
bool lease_is_ours(int root, const struct lease *lease);

/* "pid 311 (qemu)", "12 s": to whom, or for how long yet. Returns buf. */
char *lease_holder(const struct lease *lease, char *buf, size_t size);

/* "leased to pid 311 (qemu)", "leased for 12 s". Returns buf. */
char *lease_describe(const struct lease *lease, char *buf, size_t size);

/* -EBUSY with err set ("cannot VERB BDF: it is leased to …") if somebody else has it. */
int lease_refuse(int root, struct bdf bdf, const char *verb, struct err *err);

#endif
