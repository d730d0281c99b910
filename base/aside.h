/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading aside: in a child process that can be left behind.
 *
 * The kernel holds a device's lock during probe, remove, reset and sriov_numvfs.
 * Whoever reads its override, VF count or configuration space meanwhile sleeps
 * uninterruptibly, in the worst case for ever: an unbind waits for the VM that has
 * the device. No signal ends such a read, so a child does it, into memory that it
 * shares with us, and when it gets no further we go on without it.
 */
#ifndef BASE_ASIDE_H
#define BASE_ASIDE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * How long a read may sleep before the lock counts as held: 2 s for what is a matter of
 * microseconds. One that waits for a CPU has fifteen times as long. Tests lower it.
 */
extern unsigned aside_wait_ms;

struct aside {
	size_t count; /* of slots */
	size_t size;  /* of one, in bytes */
	/* Fill one slot, zeroed before. Runs in the child, which has no descriptor but root. */
	void (*read)(int root, size_t i, void *slot, void *opaque);
	void *opaque;
};

/*
 * Fill slots[from], slots[from + 1], … by one child, until all are read or one
 * sleeps longer than wait_ms. *ret_done: how many were. 0, or -errno when there is
 * no memory or process to do it with.
 */
int aside_read(int root, const struct aside *job, size_t from, unsigned wait_ms, void *slots,
	       size_t *ret_done);

/*
 * As hostfs_read(): the file's text without trailing blanks; its length, or -errno.
 * -EBUSY when the kernel did not give it within aside_wait_ms.
 */
ssize_t aside_text(int root, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
