/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes of a disk's file that do not wait: by io_uring, or where the host has it switched
 * off (kernel.io_uring_disabled, seccomp) by a thread. What is done is told on the event loop's
 * thread, or on the caller's of disk_io_end(). All calls are under one lock of the caller's, which the
 * event loop has when it calls.
 */
#ifndef VMM_VIRTIO_DISK_IO_H
#define VMM_VIRTIO_DISK_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/loop.h"

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_WRITE_SYNC, /* and on the medium, like DISK_SYNC for these bytes */
	DISK_SYNC,	 /* what was written is on the medium */
	DISK_DISCARD,	 /* of a block device: nobody wants to read it again (-EOPNOTSUPP, -ENOTTY, -EINVAL: it
			    cannot say so) */
	DISK_PUNCH,	 /* reads as zeroes, and takes no room */
	DISK_ZERO,	 /* reads as zeroes */
};

/* The caller's until done() was called; iov is changed on the way. */
struct disk_req {
	enum disk_op op;
	uint64_t offset, len; /* bytes */
	struct iovec *iov;    /* of the first two: len bytes together */
	unsigned iovcnt;
	void (*done)(struct disk_req *req, int result); /* 0 or -errno: all of it, or not */

	struct disk_req *next; /* disk_io's from here */
	int result;
	unsigned again; /* times that the kernel had no room for it */
};

struct disk_io;

struct disk_io_config {
	int fd;		/* borrowed */
	unsigned depth; /* requests at most at a time, a power of two */
	bool thread;	/* not io_uring */
	struct loop *loop;
	void (*after)(void *opaque); /* a batch of done() is over */
	void *opaque;
};

/* 0, -ENOMEM, -EMFILE or another -errno. */
int disk_io_new(const struct disk_io_config *config, struct disk_io **ret);
/* As disk_io_end(), and told. NULL is fine; returns NULL. */
struct disk_io *disk_io_free(struct disk_io *io);

/* Begin it, at disk_io_kick() at the latest. done() may be called before this returns. */
void disk_io_submit(struct disk_io *io, struct disk_req *req);
void disk_io_kick(struct disk_io *io);

/* Until nothing is under way. Nobody wants it: what is done in part is not gone on with (-ECANCELED). */
void disk_io_end(struct disk_io *io);

bool disk_io_is_thread(const struct disk_io *io);

#endif
