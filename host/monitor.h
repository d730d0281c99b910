/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to this host's PCI devices: functions that come, go and change drivers
 * (uevents), their links and the attributes of VFs (rtnetlink says when to look; some
 * changes it keeps to itself, so it is looked now and then, too), and the PCI Express
 * errors the kernel counts, of which nobody is told.
 */
#ifndef HOST_MONITOR_H
#define HOST_MONITOR_H

#include "base/bdf.h"
#include "base/err.h"
#include "sriov/link_watch.h"
#include "vfio/hotplug.h"

enum monitor_kind {
	MONITOR_ADDED,
	MONITOR_REMOVED,
	MONITOR_BOUND,	 /* after: the driver */
	MONITOR_UNBOUND,
	MONITOR_RECOVERY, /* after: "begins", "succeeded", "failed" */
	MONITOR_LINK,	 /* netdev; before and after: "down", "no carrier", "up" */
	MONITOR_VF,	 /* netdev, vf; key: the group of attributes; before and after: as typed */
	MONITOR_ERRORS,	 /* key: "correctable", "nonfatal", "fatal"; count more; after: all kinds */
	MONITOR_LOST,	 /* more happened than could be told; no device */
};

struct monitor_event {
	enum monitor_kind kind;
	struct bdf bdf;
	char netdev[PF_NAME_MAX];
	unsigned vf;
	const char *key; /* a constant; NULL: none */
	uint64_t count;
	char before[64], after[96];
};

typedef void (*monitor_fn)(const struct monitor_event *event, void *opaque);

struct monitor;

/* How things are now is what the first changes are told against. NULL: no memory. */
struct monitor *monitor_new(int root, monitor_fn fn, void *opaque);
void monitor_free(struct monitor *m); /* NULL is fine */

/* A uevent; a change of a link; and whatever may have changed untold. */
void monitor_hotplug(struct monitor *m, const struct hotplug_event *event);
void monitor_link(struct monitor *m, const struct link_change *change);
void monitor_look(struct monitor *m);

/* Events were lost: say so, and look. */
void monitor_lost(struct monitor *m);

#endif
