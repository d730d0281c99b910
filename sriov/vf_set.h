/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Setting attributes of VFs, told in words when it fails, and the journal row
 * "vfattr": dev is the PF, key is "vf3 vlan", the value is the group's words
 * ("vlan 100 qos 0 proto 802.1Q").
 */
#ifndef SRIOV_VF_SET_H
#define SRIOV_VF_SET_H

#include "base/err.h"
#include "base/journal.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"

extern const struct step_ops vfattr_step_ops;

/*
 * Set one group of a VF's attributes and read it back. 0 or -errno with err set:
 * what the driver lacks or refuses is named with the driver's name, and so is a
 * value that it took but does not show.
 */
int vf_set(int root, const struct pf *at, unsigned vf, enum vf_group group,
	   const struct vf_attrs *attrs, struct err *err);

/* -EOPNOTSUPP with err set when pf's VFs cannot have such attributes at all. */
int vf_set_check(const struct pf *pf, struct err *err);

/* Add a hint to err where vf_link_read() failed for there being too many VFs. Returns code. */
int vf_set_unreadable(int code, struct err *err);

/* "vf3 vlan" of a journal key. 0 or -EINVAL. */
int vf_set_parse_key(const char *key, unsigned *ret_vf, enum vf_group *ret_group);

#endif
