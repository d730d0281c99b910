/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which network interfaces change: rtnetlink's notifications of links. */
#ifndef SRIOV_LINK_WATCH_H
#define SRIOV_LINK_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "sriov/pf.h"

struct link_change {
	int index;
	bool gone;
	char name[PF_NAME_MAX]; /* as it is called now */
};

typedef void (*link_change_fn)(const struct link_change *change, void *opaque);

/* A descriptor that is readable when links have changed, or -errno. The caller closes it. */
int link_watch_open(void);

/*
 * Call fn for each change told since. It is told of a VF's attributes too, though not of
 * which, and only while the PF is up. 0; -ENOBUFS: some were lost; other -errno.
 */
int link_watch_read(int fd, link_change_fn fn, void *opaque);

/* The changes in what one recv(2) gave. 0 or -EBADMSG. */
int link_watch_parse(const void *msgs, size_t len, link_change_fn fn, void *opaque);

#endif
