/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices by the names people use for them:
 *
 *	0000:01:10.0, 01:10.0	the address
 *	eth0			the network interface, also while it is bound away
 *				(the journal remembers)
 *	eth0/vf3, 01:00.0/vf3	a VF of a PF
 *	8086:10ca		vendor:device
 *	0000:01:*, enp1s0*	a pattern over addresses and interfaces
 */
#ifndef HOST_DEVICE_H
#define HOST_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"
#include "base/err.h"
#include "vfio/topology.h"

struct device_list {
	struct bdf *bdfs; /* malloced */
	size_t count;
};

#define DEVICE_LIST_INIT { NULL, 0 }

void device_list_fini(struct device_list *list);

/* Unless it is there already. 0 or -ENOMEM. */
int device_list_add(struct device_list *list, struct bdf bdf);

/*
 * Append what `name` means, without repeating what is there. `verb` is for
 * messages: "cannot VERB NAME: no such PCI device". 0; -ENODEV; -EINVAL (usage)
 * for a name that means several devices unless `many`; err set.
 */
int device_resolve(int root, const struct topo *topo, const char *name, bool many,
		   const char *verb, struct device_list *list, struct err *err);

/* Exactly one. */
int device_resolve_one(int root, const struct topo *topo, const char *name, const char *verb,
		       struct bdf *ret, struct err *err);

/*
 * `name` is the address of a function that is there: *ret, without a look at any other function.
 * False for every other name, which device_resolve_one() then explains.
 */
bool device_by_address(int root, const char *name, struct bdf *ret);

#endif
