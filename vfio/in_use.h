/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guard rails: who on this host needs a device, by reason. A change that would
 * take a device from its user is refused unless the user names the very reason
 * (--force=route,bridge); there is no blanket force.
 */
#ifndef VFIO_IN_USE_H
#define VFIO_IN_USE_H

#include <stdbool.h>

#include "base/err.h"
#include "vfio/pci_function.h"

enum in_use_reason {
	IN_USE_MOUNTED,	    /* a file system on one of its disks */
	IN_USE_SWAP,
	IN_USE_RAID,	    /* md or another stacked disk */
	IN_USE_LVM,	    /* a logical volume, or another device-mapper table */
	IN_USE_ZFS,
	IN_USE_ROUTE,	    /* an address or route on its network interface */
	IN_USE_BRIDGE,
	IN_USE_BOND,
	IN_USE_CONSOLE,	    /* the boot display, a serial console */
	IN_USE_KEYBOARD,
	IN_USE_VM,	    /* a process that runs a VM holds its VFIO node */
	IN_USE_PROCESS,	    /* another process holds a node of it */
	IN_USE_VF_IN_USE,   /* leased; a PF: its VFs are in use, or (in_use_add_vfs) exist */
	IN_USE_VENDOR_VFIO, /* a vGPU that its own driver hands out */
	IN_USE_REASONS
};

#define IN_USE_MAX	16
#define IN_USE_TEXT_MAX 96

struct in_use {
	unsigned mask; /* bits 1 << reason */
	unsigned count;
	struct {
		enum in_use_reason reason;
		int pid; /* of IN_USE_VM and IN_USE_PROCESS, else 0 */
		char what[IN_USE_TEXT_MAX]; /* "eth0 has the default route" */
	} items[IN_USE_MAX];
};

/* The host's mounts, swaps, routes and open nodes, read once for many devices. */
struct in_use_host;

/*
 * 0, -ENOMEM, or -ELIBACC without libmount. What cannot be read (as an ordinary user)
 * counts as not in use.
 */
int in_use_open(int root, struct in_use_host **ret, struct err *err);
struct in_use_host *in_use_close(struct in_use_host *host); /* NULL is fine; returns NULL */

/* For _cleanup_. */
static inline void in_use_closep(struct in_use_host **host)
{
	in_use_close(*host);
}

void in_use_find(const struct in_use_host *host, const struct pci_function *dev,
		 struct in_use *ret);

/*
 * Whether use i is by a process that lets go of the device when it ends: it holds the node of VFIO.
 * Who uses it through a driver of the host (/dev/nvme1) is another matter.
 */
bool in_use_by_holder(const struct in_use *used, unsigned i, const struct pci_function *dev);

/* For what takes a PF's VFs away with it: VFs that nobody uses count too. */
void in_use_add_vfs(const struct pci_function *pf, struct in_use *ret);

/* "mounted", "vf-in-use", … */
const char *in_use_word(enum in_use_reason reason);

/* Parse "a,b" and add the bits. 0, or -EINVAL (usage) naming the unknown word. */
int in_use_parse_force(const char *s, unsigned *mask, struct err *err);

/*
 * 0 when every reason found is in `forced`; otherwise -EBUSY with
 * "cannot VERB BDF: REASON: WHAT" and the --force word as hint.
 */
int in_use_refuse(const struct in_use *u, const char *verb, struct bdf bdf, unsigned forced,
		  struct err *err);

#endif
