/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attributes of VFs through their PF's network interface (rtnetlink,
 * IFLA_VFINFO_LIST), and the journal row "vfattr": dev is the PF, key is
 * "vf3 vlan", the value is the group's words ("vlan 100 qos 0 proto 802.1Q").
 */
#ifndef SRIOV_VF_LINK_H
#define SRIOV_VF_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/journal.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"

extern const struct step_ops vfattr_step_ops;

/*
 * The attributes of the first n VFs. What the driver does not tell has no bit
 * in `have`: unsupported, which is not zero. Returns how many VFs the kernel
 * listed (entries past that are untouched), or -errno: -EOPNOTSUPP when the PF
 * has no network interface here, or more than one.
 */
int vf_link_read(int root, const struct pf *pf, struct vf_attrs *ret, unsigned n);

/*
 * Set one group of a VF's attributes and read it back. 0 or -errno with err set:
 * what the driver lacks or refuses is named with the driver's name.
 */
int vf_link_set(int root, const struct pf *pf, unsigned vf, enum vf_group group,
		const struct vf_attrs *attrs, struct err *err);

/* -EOPNOTSUPP with err set when pf's VFs cannot have such attributes at all. */
int vf_link_check(const struct pf *pf, struct err *err);

/* The VFs in an RTM_NEWLINK message; as vf_link_read. -EBADMSG: malformed. */
int vf_link_parse(const void *msg, size_t len, struct vf_attrs *ret, unsigned n);

/* "vf3 vlan" of a journal key. 0 or -EINVAL. */
int vf_link_parse_key(const char *key, unsigned *ret_vf, enum vf_group *ret_group);

#endif
