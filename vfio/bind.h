/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planning who drives a device: checks first, then steps as data. Nothing here writes. */
#ifndef VFIO_BIND_H
#define VFIO_BIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/journal.h"
#include "vfio/in_use.h"
#include "vfio/rebar.h"
#include "vfio/topology.h"

/* The words the journal keeps the name of a NIC, and its own MAC, under while it is bound away. */
#define BIND_NOTE_NETDEV "netdev"
#define BIND_NOTE_MAC	 "mac"

struct bind_request {
	const struct bdf *devs; /* borrowed */
	size_t count;
	const char *driver; /* NULL: the best VFIO driver of each; "none": no driver */
	bool whole_group;   /* the other endpoints of their groups follow */
	bool give;	    /* chown the group's node: */
	unsigned uid, gid;
	bool give_group; /* the members of gid may open it, too */
	unsigned force; /* bits 1 << enum in_use_reason */
	const struct rebar *rebar; /* borrowed: BARs of the devices to be resized on the way */
	size_t rebar_count;
};

/*
 * Append the steps that bind these devices, and notes of their netdev names.
 * Devices that are bound so already add nothing. Fails with err set for a device
 * that is not there, a bridge, one without IOMMU group, one this host uses, or one
 * whose group would not be viable: then the others are named.
 */
int bind_plan(int root, const struct topo *topo, const struct in_use_host *host,
	      const struct bind_request *req, struct plan *plan, struct err *err);

/*
 * Steps that give a device without journal entry back to the host: no VFIO driver,
 * no override. What probes it then is the kernel's choice (bind_reprobe()).
 * 0; -EALREADY when it is the host's already.
 */
int bind_plan_release(const struct pci_function *dev, struct plan *plan);

/* Offer a driverless device to the host's drivers; bounded. 0 or -errno with err set. */
int bind_reprobe(int root, struct bdf bdf, struct err *err);

/* After a bind to a VFIO driver: its group's node is there. 0 or -errno with err set. */
int bind_check_node(int root, const struct pci_function *dev, struct err *err);

#endif
