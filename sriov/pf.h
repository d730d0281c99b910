/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sysfs says about an SR-IOV physical function and its VFs. Reads only. */
#ifndef SRIOV_PF_H
#define SRIOV_PF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"
#include "base/journal.h"

#define PF_NAME_MAX 16 /* IFNAMSIZ: netdev names; nvme controller names are shorter */

struct pf {
	struct bdf bdf;
	uint16_t vendor;
	uint16_t vf_device; /* device id of the VFs */
	uint32_t class;	    /* 24 bits: base, sub, interface */
	int numa_node;	    /* -1: unknown */
	char driver[64];    /* "": none */
	unsigned totalvfs;
	unsigned numvfs;
	unsigned offset; /* routing id of vf0 minus ours */
	unsigned stride; /* between VFs */
	bool autoprobe;	 /* drivers are offered new VFs */
	bool busy;	 /* the kernel does not give its lock: numvfs is what is to be seen */

	unsigned netdevs;	   /* its network interfaces; representors of VFs do not count */
	char netdev[PF_NAME_MAX]; /* the first of them, "": none visible here */
	bool up;		   /* that one has IFF_UP */
	bool carrier;		   /* and its cable is in */
	char nvme[PF_NAME_MAX];	   /* "nvme0", "": not an NVMe controller with a driver */
};

/*
 * Reading a PF never waits for its lock, which sriov_numvfs takes for as long as a VF
 * is in use: it is `busy` then, and whoever wants to change it says pf_refuse_busy().
 *
 * The PF called `name`: a BDF, or the name of its network interface or NVMe controller.
 * err has a sentence for a device that does not exist (-ENODEV), is a VF (and
 * whose) or has no SR-IOV (-EOPNOTSUPP).
 */
int pf_find(int root, const char *name, struct pf *ret, struct err *err);

int pf_read(int root, struct bdf bdf, struct pf *ret, struct err *err);

/*
 * Its network interfaces alone (netdevs, netdev, up, carrier; the rest is zero), for which no device's
 * lock is asked: for who cannot wait the two seconds (base/aside.h) in which a PF shows that it is busy. Whether the
 * cable is in the kernel tells under rtnl (carrier in sysfs, since Linux 5.16).
 * 0 or -ENODEV.
 */
int pf_read_interface(int root, struct bdf bdf, struct pf *ret);

/* sriov_numvfs alone. 0; -EBUSY when the kernel does not give the PF's lock; other -errno. */
int pf_read_numvfs(int root, struct bdf bdf, unsigned *ret);

/* Every PF of the host in the order of their addresses; stops at fn's first non-zero return. */
int pf_each(int root, int (*fn)(const struct pf *pf, void *opaque), void *opaque);

/*
 * 0 when it is not busy; else -EBUSY: "cannot VERB BDF: pid 812 (sh) is writing its
 * sriov_numvfs and does not get on", and what that waits for as hint.
 */
int pf_refuse_busy(int root, const struct pf *pf, const char *verb, struct err *err);

/*
 * The VF's address, when it is there now: by the link, and with a busy PF, whose VFs
 * lose theirs first, by offset and stride. 0 or -ENOENT.
 */
int pf_vf_here(int root, const struct pf *pf, unsigned index, struct bdf *ret);

/* Through the virtfnN link: 0, or -ENOENT when there is no such VF now. */
int pf_vf_bdf(int root, struct bdf pf, unsigned index, struct bdf *ret);

/* Where vf `index` will appear, by offset and stride. -ERANGE past the last bus of the domain. */
int pf_vf_bdf_expected(const struct pf *pf, unsigned index, struct bdf *ret);

/* The PF of a VF, and which of its VFs this is. -ENOENT: not a VF. */
int pf_of_vf(int root, struct bdf vf, struct bdf *ret_pf, unsigned *ret_index);

/* For the journal's rows about a PF: what tells it from another at its address. */
int pf_identity(int root, const struct step *step, char *buf, size_t size);

#endif
