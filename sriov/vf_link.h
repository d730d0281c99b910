/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attributes of VFs through their PF's network interface: rtnetlink,
 * IFLA_VFINFO_LIST. Silent; the words are in sriov/vf_set.c.
 */
#ifndef SRIOV_VF_LINK_H
#define SRIOV_VF_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "sriov/pf.h"
#include "sriov/vf_attr.h"

/*
 * The attributes of the first n VFs. What the driver does not tell has no bit
 * in `have`: unsupported, which is not zero. (Of `state` and the rates the kernel
 * does not say whether the driver has them; they read as auto and 0.) Returns how
 * many VFs the kernel listed, entries past that being untouched, or -errno:
 * -EOPNOTSUPP when the PF has no network interface here, or more than one; -EMSGSIZE
 * when the kernel's list, which is of 64 KiB, ends before the n-th (some 330; with
 * counters some 200).
 */
int vf_link_read(int root, const struct pf *pf, struct vf_attrs *ret, unsigned n);

/* What a VF received and sent, as its PF's driver counts it. */
struct vf_stats {
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
	uint64_t multicast, broadcast; /* received */
};

/*
 * As vf_link_read(). The kernel tells zeros for a driver that does not count: -ENODATA
 * where all there is of all VFs is zero.
 */
int vf_link_read_stats(int root, const struct pf *pf, struct vf_stats *ret, unsigned n);
int vf_link_parse_stats(const void *msg, size_t len, struct vf_stats *ret, unsigned n);

/*
 * Set one group of a VF's attributes; tried again for two seconds while the
 * driver is busy with the VF. 0 or the driver's -errno.
 */
int vf_link_set(int root, const struct pf *pf, unsigned vf, enum vf_group group,
		const struct vf_attrs *attrs);

/* The message by which vf_link_set() does so; of libnl, and the caller's to free. 0 or -errno. */
struct nl_msg;
int vf_link_request(int ifindex, unsigned vf, enum vf_group group, const struct vf_attrs *attrs,
		    struct nl_msg **ret);

/* The MAC an interface was made with, whatever it has now. 0; -ENODATA: it has none. */
int vf_link_permanent_mac(int root, const char *netdev, uint8_t ret[6]);

/* Call an interface by another name. 0; -EEXIST: one is called so; other -errno. */
int vf_link_rename(int root, const char *netdev, const char *name);

/* Give an interface another MAC. 0 or the driver's -errno. */
int vf_link_set_mac(int root, const char *netdev, const uint8_t mac[6]);

/* The VFs in an RTM_NEWLINK message; as vf_link_read(). -EBADMSG: malformed. */
int vf_link_parse(const void *msg, size_t len, struct vf_attrs *ret, unsigned n);

#endif
