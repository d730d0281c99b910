/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes to a descriptor that may be slow to take them: a ring and a thread, so that a terminal that
 * does not read stops neither the guest nor its devices, and so that bytes that come one exit at a
 * time leave in few writes.
 */
#ifndef VMM_HW_OUTLET_H
#define VMM_HW_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outlet;

/*
 * fd is borrowed, or owned: then it is closed when nobody looks at it any more. NULL: out of memory,
 * and fd is the caller's. A thread, called name, is there from the first byte on.
 */
struct outlet *outlet_new(int fd, bool owned, const char *name);

/*
 * Write what the ring holds, within a second; then give up and free. NULL is fine.
 * The first -errno that lost output, 0 when none did or its reader has gone (EPIPE).
 */
int outlet_close(struct outlet *outlet);

/*
 * A full ring makes who writes as slow as who reads, but only as long as somebody does: after a
 * second without progress bytes are lost instead.
 */
void outlet_write(struct outlet *outlet, const uint8_t *data, size_t len);

#endif
