/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI functions as they come, go and change hands: uevents, by libudev. */
#ifndef VFIO_HOTPLUG_H
#define VFIO_HOTPLUG_H

#include "base/bdf.h"
#include "base/err.h"
#include "vfio/pci_function.h"

struct hotplug;

struct hotplug_event {
	struct bdf bdf;
	char action[16];	     /* the kernel's: "add", "remove", "bind", "unbind", "change", … */
	char driver[PCI_DRIVER_MAX]; /* of "bind" */
	char error[32];		     /* "BEGIN_RECOVERY", "SUCCESSFUL_RECOVERY", "FAILED_RECOVERY"; "": no error */
};

/*
 * What happens from now on: where udev runs, after its rules were applied; else as the
 * kernel tells it. 0 or -errno, err set. End with hotplug_close().
 */
int hotplug_open(int root, struct hotplug **ret, struct err *err);
void hotplug_close(struct hotplug *h); /* NULL is fine */

/* Readable when there is an event. It stays the hotplug's. */
int hotplug_fd(struct hotplug *h);

/* 1: *ret; 0: there is none now; -ENOBUFS: some were lost, more may follow; other -errno. */
int hotplug_next(struct hotplug *h, struct hotplug_event *ret);

#endif
