/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attributes a PF's driver keeps for each VF, and the words for them, which
 * are iproute2's. Pure text and data; sriov/vf_link.c speaks to the kernel.
 *
 * Some are set by one call of the driver and so belong together: vlan, qos and
 * proto; min_tx_rate and max_tx_rate. Such a group is what a journal step holds:
 * its value is the words as a user would type them, in a fixed order.
 */
#ifndef SRIOV_VF_ATTR_H
#define SRIOV_VF_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum vf_attr {
	VF_MAC,
	VF_VLAN,
	VF_QOS,
	VF_PROTO,
	VF_SPOOFCHK,
	VF_TRUST,
	VF_STATE,
	VF_MIN_TX_RATE,
	VF_MAX_TX_RATE,
	VF_QUERY_RSS,
	VF_NODE_GUID, /* these two of InfiniBand alone */
	VF_PORT_GUID,
	VF_ATTR_COUNT
};

/* In the order in which they are set: a driver may want a trusted VF before its MAC. */
enum vf_group {
	VF_GROUP_TRUST,
	VF_GROUP_MAC,
	VF_GROUP_NODE_GUID,
	VF_GROUP_PORT_GUID,
	VF_GROUP_VLAN,
	VF_GROUP_SPOOFCHK,
	VF_GROUP_QUERY_RSS,
	VF_GROUP_RATE,
	VF_GROUP_STATE,
	VF_GROUP_COUNT
};

enum vf_state { VF_STATE_AUTO, VF_STATE_ENABLE, VF_STATE_DISABLE }; /* the kernel's numbers */

#define VF_PROTO_8021Q	0x8100
#define VF_PROTO_8021AD 0x88a8

struct vf_attrs {
	uint32_t have;	     /* bit per vf_attr: given by the user, or told by the kernel */
	uint8_t mac[6];	     /* the administrative one; zero: none, and kept as zero */
	uint16_t vlan;	     /* 0: untagged */
	uint8_t qos;	     /* 0..7 */
	uint16_t proto;
	bool spoofchk, trust, query_rss;
	enum vf_state state;
	uint32_t min_tx_rate, max_tx_rate; /* Mbit/s; 0: no limit */
	uint64_t node_guid, port_guid;	   /* 0: none was set */
};

#define VF_HAS(attrs, attr) (!!((attrs)->have & 1u << (attr)))

/* "mac", "vlan", …; the names of groups are those of journal keys. */
const char *vf_attr_word(enum vf_attr attr);
const char *vf_group_word(enum vf_group group);

/* -ENOENT: no such word. */
int vf_attr_find(const char *word, enum vf_attr *ret);
int vf_group_find(const char *word, enum vf_group *ret);

/* Bits of the attributes that make up a group. */
uint32_t vf_group_mask(enum vf_group group);

/*
 * Take one WORD VALUE pair into attrs. -EINVAL with a usage error for an unknown
 * word, a value out of range, a MAC that is multicast or zero ("none" is
 * the word for that), a GUID of zero, or a word given twice.
 */
int vf_attr_parse(struct vf_attrs *attrs, const char *word, const char *value, struct err *err);

/* One attribute's value as the user would type it: "on", "100", "802.1Q". Returns buf. */
char *vf_attr_format(const struct vf_attrs *attrs, enum vf_attr attr, char *buf, size_t size);

/* A group as text: "vlan 100 qos 3 proto 802.1Q". -EOPNOTSUPP when attrs lacks part of it. */
int vf_group_format(const struct vf_attrs *attrs, enum vf_group group, char *buf, size_t size);

/* The text back into attrs. 0 or -EINVAL. */
int vf_group_parse(const char *text, struct vf_attrs *ret);

/*
 * Complete what the user gave of each group: a vlan without qos is qos 0 and
 * 802.1Q as with iproute2, the rest is as it is now (`now` NULL: as on a new VF).
 */
void vf_attrs_complete(struct vf_attrs *attrs, const struct vf_attrs *now);

/*
 * mac plus n in its lower half, so that one word serves all VFs of a PF.
 * -ERANGE when that would run into the upper half, which names the maker. Zero,
 * which is no MAC at all, stays zero.
 */
int vf_mac_add(const uint8_t mac[6], unsigned n, uint8_t ret[6]);

/* The same for a GUID, whose upper 24 bits name the maker. */
int vf_guid_add(uint64_t guid, unsigned n, uint64_t *ret);

/* VF_NODE_GUID and VF_PORT_GUID, which only InfiniBand devices have. */
bool vf_attr_is_guid(enum vf_attr attr);

/* "02:00:00:00:00:01"; buf takes 18 bytes. Returns buf. */
char *vf_mac_str(const uint8_t mac[6], char *buf);

#endif
