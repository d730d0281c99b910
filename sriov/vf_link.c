// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_link.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "base/dl.h"
#include "base/fd.h"
#include "base/hostfs.h"

#define NL(X)                           \
	X(nl_socket_alloc)               \
	X(nl_socket_free)                \
	X(nl_socket_modify_cb)           \
	X(nl_socket_modify_err_cb)       \
	X(nl_socket_set_buffer_size)     \
	X(nl_connect)                    \
	X(nl_send_auto)                  \
	X(nl_send_sync)                  \
	X(nl_recvmsgs_default)           \
	X(nlmsg_alloc_simple)            \
	X(nlmsg_append)                  \
	X(nlmsg_free)                    \
	X(nlmsg_hdr)                     \
	X(nlmsg_ok)                      \
	X(nlmsg_valid_hdr)               \
	X(nlmsg_find_attr)               \
	X(nla_parse_nested)              \
	X(nla_len)                       \
	X(nla_data)                      \
	X(nla_type)                      \
	X(nla_ok)                        \
	X(nla_next)                      \
	X(nla_put)                       \
	X(nla_put_u32)                   \
	X(nla_nest_start)                \
	X(nla_nest_end)

NL(DL_POINTER)

static const struct dl_symbol symbols[] = { NL(DL_SYMBOL) };
static struct dl_library libnl = { "libnl-3.so.200", "libnl-3-200", symbols, ARRAY_SIZE(symbols) };

/* libnl's nla_for_each_nested(), by the pointers. */
#define for_each_nested(pos, nest, rem)                                           \
	for (pos = dl_nla_data(nest), rem = dl_nla_len(nest); dl_nla_ok(pos, rem); \
	     pos = dl_nla_next(pos, &(rem)))

/* Drivers answer a MAC with EBUSY or EAGAIN while the VF is still resetting. */
#define BUSY_TRIES    20
#define BUSY_PAUSE_MS 100

/*
 * The kernel gives up on an answer that the socket's buffer would not hold, which is
 * libnl's 64 KiB for some 300 VFs. The kernel's own limit (rmem_max) may cut this one down.
 */
#define ANSWER_ROOM (1 << 20)

#define UNKNOWN 0xffffffffu /* the kernel's "the driver did not fill this in" */

static void free_sockp(struct nl_sock **sk)
{
	if (*sk)
		dl_nl_socket_free(*sk);
}

static void free_msgp(struct nl_msg **msg)
{
	if (*msg)
		dl_nlmsg_free(*msg);
}

#define _cleanup_sock_ _cleanup_(free_sockp)
#define _cleanup_msg_  _cleanup_(free_msgp)

/* For what libnl itself reports; the kernel's own errno comes through on_error(). */
static int from_nl(int nl)
{
	switch (nl < 0 ? -nl : 0) {
	case 0: return 0;
	case NLE_NOMEM: return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS: return -EPERM;
	case NLE_MSG_OVERFLOW:
	case NLE_MSG_TRUNC:
	case NLE_MSG_TOOSHORT: return -EMSGSIZE;
	default: return -EIO;
	}
}

static int on_error(struct sockaddr_nl *nla, struct nlmsgerr *error, void *opaque)
{
	*(int *)opaque = error->error;
	return NL_STOP;
}

/* --- from the kernel ------------------------------------------------------------------------- */

/* The payload of attribute `type` when it is at least `size` long. */
static const void *payload(struct nlattr **tb, int type, size_t size)
{
	return tb[type] && (size_t)dl_nla_len(tb[type]) >= size ? dl_nla_data(tb[type]) : NULL;
}

static void parse_vlan(struct nlattr **tb, struct vf_attrs *a)
{
	const struct ifla_vf_vlan *vlan = payload(tb, IFLA_VF_VLAN, sizeof(*vlan));
	const struct ifla_vf_vlan_info *info = NULL;
	struct nlattr *pos;
	int rem;

	if (tb[IFLA_VF_VLAN_LIST]) {
		for_each_nested(pos, tb[IFLA_VF_VLAN_LIST], rem) {
			if (dl_nla_type(pos) == IFLA_VF_VLAN_INFO &&
			    (size_t)dl_nla_len(pos) >= sizeof(*info) && !info)
				info = dl_nla_data(pos);
		}
	}
	if (!vlan && !info)
		return;
	a->vlan = (uint16_t)(info ? info->vlan : vlan->vlan);
	a->qos = (uint8_t)(info ? info->qos : vlan->qos);
	a->proto = info ? ntohs(info->vlan_proto) : 0;
	if (!a->proto) /* before 4.9: no list; a driver that fills in nothing until one is set */
		a->proto = VF_PROTO_8021Q;
	a->have |= vf_group_mask(VF_GROUP_VLAN);
}

static bool parse_setting(struct nlattr **tb, int type, uint32_t *ret)
{
	/* spoofchk, trust, rss_query_en and link_state: two words each, vf and setting. */
	const struct ifla_vf_spoofchk *s = payload(tb, type, sizeof(*s));

	if (!s || s->setting == UNKNOWN)
		return false;
	*ret = s->setting;
	return true;
}

static void parse_switches(struct nlattr **tb, struct vf_attrs *a)
{
	uint32_t v;

	if (parse_setting(tb, IFLA_VF_SPOOFCHK, &v)) {
		a->spoofchk = v;
		a->have |= 1u << VF_SPOOFCHK;
	}
	if (parse_setting(tb, IFLA_VF_TRUST, &v)) {
		a->trust = v;
		a->have |= 1u << VF_TRUST;
	}
	if (parse_setting(tb, IFLA_VF_RSS_QUERY_EN, &v)) {
		a->query_rss = v;
		a->have |= 1u << VF_QUERY_RSS;
	}
	if (parse_setting(tb, IFLA_VF_LINK_STATE, &v) && v <= VF_STATE_DISABLE) {
		a->state = v;
		a->have |= 1u << VF_STATE;
	}
}

/* Told since Linux 5.5, by InfiniBand's drivers alone. Attributes are aligned to 4 bytes. */
static void parse_guids(struct nlattr **tb, struct vf_attrs *a)
{
	const void *node = payload(tb, IFLA_VF_IB_NODE_GUID, sizeof(struct ifla_vf_guid));
	const void *port = payload(tb, IFLA_VF_IB_PORT_GUID, sizeof(struct ifla_vf_guid));
	struct ifla_vf_guid guid;

	if (node) {
		memcpy(&guid, node, sizeof(guid));
		a->node_guid = guid.guid;
		a->have |= 1u << VF_NODE_GUID;
	}
	if (port) {
		memcpy(&guid, port, sizeof(guid));
		a->port_guid = guid.guid;
		a->have |= 1u << VF_PORT_GUID;
	}
}

static int parse_vf(struct nlattr *info, unsigned *ret_vf, struct vf_attrs *ret)
{
	struct nlattr *tb[IFLA_VF_MAX + 1];
	const struct ifla_vf_rate *rate;
	const struct ifla_vf_mac *mac;
	struct vf_attrs a = { .proto = VF_PROTO_8021Q };

	if (dl_nla_parse_nested(tb, IFLA_VF_MAX, info, NULL) < 0)
		return -EBADMSG;
	mac = payload(tb, IFLA_VF_MAC, sizeof(*mac));
	if (!mac)
		return -EBADMSG;
	memcpy(a.mac, mac->mac, 6);
	a.have = 1u << VF_MAC;
	parse_vlan(tb, &a);
	parse_switches(tb, &a);
	parse_guids(tb, &a);
	rate = payload(tb, IFLA_VF_RATE, sizeof(*rate));
	if (rate) {
		a.min_tx_rate = rate->min_tx_rate;
		a.max_tx_rate = rate->max_tx_rate;
		a.have |= vf_group_mask(VF_GROUP_RATE);
	}
	*ret_vf = mac->vf;
	*ret = a;
	return 0;
}

/* The number of VFs, where the kernel says it beside their list; else 0. */
static unsigned told_number(struct nlmsghdr *nlh)
{
	struct nlattr *attr = dl_nlmsg_find_attr(nlh, sizeof(struct ifinfomsg), IFLA_NUM_VF);
	uint32_t n = 0;

	if (attr && (size_t)dl_nla_len(attr) >= sizeof(n))
		memcpy(&n, dl_nla_data(attr), sizeof(n));
	return n;
}

/*
 * Call fn for each VF of the message; stops at its first failure. 0 or -errno. *ret_cut: the
 * list holds fewer than there are. Its length is 16 bits, and the kernel writes what is left
 * of a longer one.
 */
static int each_vf(const void *msg, size_t len, int (*fn)(struct nlattr *info, void *opaque),
		   void *opaque, bool *ret_cut)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)msg;
	struct nlattr *list, *pos;
	unsigned listed = 0;
	int rem, r = dl_load(&libnl, NULL);

	if (r < 0)
		return r;
	if (len < sizeof(*nlh) || !dl_nlmsg_ok(nlh, (int)len) ||
	    !dl_nlmsg_valid_hdr(nlh, sizeof(struct ifinfomsg)))
		return -EBADMSG;
	*ret_cut = false;
	list = dl_nlmsg_find_attr(nlh, sizeof(struct ifinfomsg), IFLA_VFINFO_LIST);
	if (!list)
		return 0;
	for_each_nested(pos, list, rem) {
		if (dl_nla_type(pos) != IFLA_VF_INFO)
			continue;
		r = fn(pos, opaque);
		if (r < 0)
			return r;
		listed++;
	}
	*ret_cut = listed < told_number(nlh);
	return 0;
}

struct attrs_out {
	struct vf_attrs *ret;
	unsigned n;
	int seen;
};

static int take_attrs(struct nlattr *info, void *opaque)
{
	struct attrs_out *out = opaque;
	struct vf_attrs attrs;
	unsigned vf;
	int r = parse_vf(info, &vf, &attrs);

	if (r < 0 || vf >= out->n)
		return r;
	out->ret[vf] = attrs;
	out->seen++;
	return 0;
}

int vf_link_parse(const void *msg, size_t len, struct vf_attrs *ret, unsigned n)
{
	struct attrs_out out = { ret, n, 0 };
	bool cut;
	int r = each_vf(msg, len, take_attrs, &out, &cut);

	if (r < 0)
		return r;
	return cut && (unsigned)out.seen < n ? -EMSGSIZE : out.seen;
}

/* --- counters --------------------------------------------------------------------------------- */

static uint64_t counter(struct nlattr **tb, int type)
{
	const void *data = payload(tb, type, sizeof(uint64_t));
	uint64_t v = 0;

	if (data)
		memcpy(&v, data, sizeof(v)); /* attributes are aligned to 4 bytes */
	return v;
}

struct stats_out {
	struct vf_stats *ret;
	unsigned n;
	int seen;
	bool any;
};

static int take_stats(struct nlattr *info, void *opaque)
{
	static const struct vf_stats none;
	struct nlattr *tb[IFLA_VF_MAX + 1], *c[IFLA_VF_STATS_MAX + 1];
	struct stats_out *out = opaque;
	const struct ifla_vf_mac *mac;

	if (dl_nla_parse_nested(tb, IFLA_VF_MAX, info, NULL) < 0)
		return -EBADMSG;
	mac = payload(tb, IFLA_VF_MAC, sizeof(*mac));
	if (!mac || !tb[IFLA_VF_STATS] ||
	    dl_nla_parse_nested(c, IFLA_VF_STATS_MAX, tb[IFLA_VF_STATS], NULL) < 0)
		return -EBADMSG;
	if (mac->vf >= out->n)
		return 0;
	out->ret[mac->vf] = (struct vf_stats){
		.rx_packets = counter(c, IFLA_VF_STATS_RX_PACKETS),
		.tx_packets = counter(c, IFLA_VF_STATS_TX_PACKETS),
		.rx_bytes = counter(c, IFLA_VF_STATS_RX_BYTES),
		.tx_bytes = counter(c, IFLA_VF_STATS_TX_BYTES),
		.rx_dropped = counter(c, IFLA_VF_STATS_RX_DROPPED),
		.tx_dropped = counter(c, IFLA_VF_STATS_TX_DROPPED),
		.multicast = counter(c, IFLA_VF_STATS_MULTICAST),
		.broadcast = counter(c, IFLA_VF_STATS_BROADCAST),
	};
	out->any |= memcmp(&out->ret[mac->vf], &none, sizeof(none)) != 0;
	out->seen++;
	return 0;
}

int vf_link_parse_stats(const void *msg, size_t len, struct vf_stats *ret, unsigned n)
{
	struct stats_out out = { ret, n, 0, false };
	bool cut;
	int r = each_vf(msg, len, take_stats, &out, &cut);

	if (r < 0)
		return r;
	if (cut && (unsigned)out.seen < n)
		return -EMSGSIZE;
	return out.any ? out.seen : -ENODATA;
}

/* --- talking --------------------------------------------------------------------------------- */

static int open_socket(struct nl_sock **ret)
{
	struct nl_sock *sk;
	int r = dl_load(&libnl, NULL);

	if (r < 0)
		return r;
	sk = dl_nl_socket_alloc();
	if (!sk)
		return -ENOMEM;
	r = dl_nl_connect(sk, NETLINK_ROUTE); /* SOCK_CLOEXEC by libnl */
	if (r < 0) {
		dl_nl_socket_free(sk);
		return from_nl(r);
	}
	*ret = sk;
	return 0;
}

static int interface_index(int root, const struct pf *pf, int *ret)
{
	uint64_t index;
	int r;

	if (pf->netdevs != 1)
		return -EOPNOTSUPP;
	r = hostfs_read_u64(root, &index, "sys/class/net/%s/ifindex", pf->netdev);
	if (r < 0)
		return r;
	*ret = (int)index;
	return 0;
}

static struct nl_msg *new_message(int type, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	struct nl_msg *msg = dl_nlmsg_alloc_simple(type, NLM_F_REQUEST);

	if (msg && dl_nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) < 0) {
		dl_nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* One of the two is asked for. */
struct reading {
	struct vf_attrs *attrs;
	struct vf_stats *stats;
	unsigned n;
	int result; /* as vf_link_read()'s, or NO_ANSWER */
};
#define NO_ANSWER INT_MIN

static int on_link(struct nl_msg *msg, void *opaque)
{
	struct reading *r = opaque;
	struct nlmsghdr *nlh = dl_nlmsg_hdr(msg);

	if (nlh->nlmsg_type == RTM_NEWLINK && r->stats)
		r->result = vf_link_parse_stats(nlh, nlh->nlmsg_len, r->stats, r->n);
	else if (nlh->nlmsg_type == RTM_NEWLINK)
		r->result = vf_link_parse(nlh, nlh->nlmsg_len, r->attrs, r->n);
	return NL_OK;
}

static int ask(int root, const struct pf *pf, uint32_t mask, struct reading *reading)
{
	_cleanup_sock_ struct nl_sock *sk = NULL;
	_cleanup_msg_ struct nl_msg *msg = NULL;
	int ifindex = 0, r = interface_index(root, pf, &ifindex);

	if (r == 0)
		r = open_socket(&sk);
	if (r < 0)
		return r;
	msg = new_message(RTM_GETLINK, ifindex);
	if (!msg || dl_nla_put_u32(msg, IFLA_EXT_MASK, mask) < 0)
		return -ENOMEM;
	(void)dl_nl_socket_set_buffer_size(sk, ANSWER_ROOM, 0);
	dl_nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_link, reading);
	dl_nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &reading->result);
	r = dl_nl_send_auto(sk, msg);
	if (r >= 0)
		r = dl_nl_recvmsgs_default(sk);
	/* Nothing was told: libnl knows why, and of an answer that found no room that only. */
	if (r < 0 && reading->result == NO_ANSWER)
		return r == -NLE_NOMEM ? -EMSGSIZE : from_nl(r);
	return reading->result == NO_ANSWER ? -ENODEV : reading->result;
}

/*
 * Without the counters a VF takes two thirds of the room, and all of them must fit
 * into one attribute of 64 KiB.
 */
int vf_link_read(int root, const struct pf *pf, struct vf_attrs *ret, unsigned n)
{
	struct reading reading = { .attrs = ret, .n = n, .result = NO_ANSWER };

	return ask(root, pf, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS, &reading);
}

int vf_link_read_stats(int root, const struct pf *pf, struct vf_stats *ret, unsigned n)
{
	struct reading reading = { .stats = ret, .n = n, .result = NO_ANSWER };

	return ask(root, pf, RTEXT_FILTER_VF, &reading);
}

static int put_vlan(struct nl_msg *msg, unsigned vf, const struct vf_attrs *a)
{
	struct ifla_vf_vlan plain = { .vf = vf, .vlan = a->vlan, .qos = a->qos };
	struct ifla_vf_vlan_info info = {
		.vf = vf, .vlan = a->vlan, .qos = a->qos, .vlan_proto = htons(a->proto)
	};
	struct nlattr *list;
	int r;

	if (a->proto == VF_PROTO_8021Q)
		return dl_nla_put(msg, IFLA_VF_VLAN, sizeof(plain), &plain);
	list = dl_nla_nest_start(msg, IFLA_VF_VLAN_LIST);
	if (!list)
		return -NLE_NOMEM;
	r = dl_nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info);
	dl_nla_nest_end(msg, list);
	return r;
}

static int put_setting(struct nl_msg *msg, int type, unsigned vf, uint32_t setting)
{
	struct ifla_vf_spoofchk s = { .vf = vf, .setting = setting };

	return dl_nla_put(msg, type, sizeof(s), &s);
}

/* A number in the host's order, which the driver turns to the wire's. */
static int put_guid(struct nl_msg *msg, int type, unsigned vf, uint64_t guid)
{
	struct ifla_vf_guid g;

	memset(&g, 0, sizeof(g)); /* the gap in it, too */
	g.vf = vf;
	g.guid = guid;
	return dl_nla_put(msg, type, sizeof(g), &g);
}

static int put_group(struct nl_msg *msg, unsigned vf, enum vf_group group,
		     const struct vf_attrs *a)
{
	struct ifla_vf_rate rate = { vf, a->min_tx_rate, a->max_tx_rate };
	struct ifla_vf_mac mac = { .vf = vf };

	switch (group) {
	case VF_GROUP_MAC:
		memcpy(mac.mac, a->mac, 6);
		return dl_nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	case VF_GROUP_NODE_GUID: return put_guid(msg, IFLA_VF_IB_NODE_GUID, vf, a->node_guid);
	case VF_GROUP_PORT_GUID: return put_guid(msg, IFLA_VF_IB_PORT_GUID, vf, a->port_guid);
	case VF_GROUP_VLAN: return put_vlan(msg, vf, a);
	case VF_GROUP_RATE: return dl_nla_put(msg, IFLA_VF_RATE, sizeof(rate), &rate);
	case VF_GROUP_SPOOFCHK: return put_setting(msg, IFLA_VF_SPOOFCHK, vf, a->spoofchk);
	case VF_GROUP_TRUST: return put_setting(msg, IFLA_VF_TRUST, vf, a->trust);
	case VF_GROUP_QUERY_RSS: return put_setting(msg, IFLA_VF_RSS_QUERY_EN, vf, a->query_rss);
	case VF_GROUP_STATE: return put_setting(msg, IFLA_VF_LINK_STATE, vf, a->state);
	case VF_GROUP_COUNT: break;
	}
	return -NLE_INVAL;
}

int vf_link_request(int ifindex, unsigned vf, enum vf_group group, const struct vf_attrs *attrs,
		    struct nl_msg **ret)
{
	_cleanup_msg_ struct nl_msg *msg = NULL;
	struct nlattr *list, *info;
	int r = dl_load(&libnl, NULL);

	if (r < 0)
		return r;
	msg = new_message(RTM_SETLINK, ifindex);
	list = msg ? dl_nla_nest_start(msg, IFLA_VFINFO_LIST) : NULL;
	info = list ? dl_nla_nest_start(msg, IFLA_VF_INFO) : NULL;
	if (!info || put_group(msg, vf, group, attrs) < 0)
		return -ENOMEM;
	dl_nla_nest_end(msg, info);
	dl_nla_nest_end(msg, list);
	*ret = TAKE_PTR(msg);
	return 0;
}

static int send_group(int ifindex, unsigned vf, enum vf_group group, const struct vf_attrs *attrs)
{
	_cleanup_sock_ struct nl_sock *sk = NULL;
	_cleanup_msg_ struct nl_msg *msg = NULL;
	int error = 0, r = open_socket(&sk);

	if (r == 0)
		r = vf_link_request(ifindex, vf, group, attrs, &msg);
	if (r < 0)
		return r;
	dl_nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &error);
	r = dl_nl_send_sync(sk, msg); /* takes the message */
	msg = NULL;
	return r < 0 && error == 0 ? from_nl(r) : error;
}

int vf_link_set(int root, const struct pf *pf, unsigned vf, enum vf_group group,
		const struct vf_attrs *attrs)
{
	struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * 1000000l };
	int ifindex = 0, r = interface_index(root, pf, &ifindex);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < BUSY_TRIES; i++) {
		r = send_group(ifindex, vf, group, attrs);
		if (r != -EBUSY && r != -EAGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	return r;
}

/* --- the interface's own ---------------------------------------------------------------------- */

struct permanent {
	uint8_t mac[6];
	int result;
};

static int on_permanent(struct nl_msg *msg, void *opaque)
{
	struct permanent *p = opaque;
	struct nlattr *attr = dl_nlmsg_find_attr(dl_nlmsg_hdr(msg), sizeof(struct ifinfomsg),
					      IFLA_PERM_ADDRESS);

	p->result = attr && dl_nla_len(attr) == 6 ? 0 : -ENODATA;
	if (p->result == 0)
		memcpy(p->mac, dl_nla_data(attr), 6);
	return NL_OK;
}

/* What the interface has now is what it was made with: NET_ADDR_PERM, <linux/netdevice.h>. */
static bool unchanged_mac(int root, const char *netdev, uint8_t ret[6])
{
	struct vf_attrs a = { 0 };
	char text[32];
	uint64_t type;

	if (hostfs_read_u64(root, &type, "sys/class/net/%s/addr_assign_type", netdev) < 0 || type ||
	    hostfs_read(root, text, sizeof(text), "sys/class/net/%s/address", netdev) <= 0 ||
	    vf_attr_parse(&a, "mac", text, NULL) < 0)
		return false;
	memcpy(ret, a.mac, 6);
	return true;
}

int vf_link_permanent_mac(int root, const char *netdev, uint8_t ret[6])
{
	struct permanent p = { .result = -ENODATA };
	_cleanup_sock_ struct nl_sock *sk = NULL;
	_cleanup_msg_ struct nl_msg *msg = NULL;
	uint64_t ifindex;
	int r;

	if (unchanged_mac(root, netdev, ret))
		return 0;
	r = hostfs_read_u64(root, &ifindex, "sys/class/net/%s/ifindex", netdev);

	if (r == 0)
		r = open_socket(&sk);
	if (r < 0)
		return r;
	msg = new_message(RTM_GETLINK, (int)ifindex);
	if (!msg)
		return -ENOMEM;
	dl_nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_permanent, &p);
	dl_nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &p.result);
	r = dl_nl_send_auto(sk, msg);
	if (r >= 0)
		r = dl_nl_recvmsgs_default(sk);
	if (p.result == 0)
		memcpy(ret, p.mac, 6);
	return r < 0 && p.result >= 0 ? from_nl(r) : p.result;
}

/* Set one attribute of an interface. 0 or -errno. */
static int set_own(int root, const char *netdev, int type, const void *data, int len)
{
	_cleanup_sock_ struct nl_sock *sk = NULL;
	_cleanup_msg_ struct nl_msg *msg = NULL;
	uint64_t ifindex;
	int error = 0, r = hostfs_read_u64(root, &ifindex, "sys/class/net/%s/ifindex", netdev);

	if (r == 0)
		r = open_socket(&sk);
	if (r < 0)
		return r;
	msg = new_message(RTM_SETLINK, (int)ifindex);
	if (!msg || dl_nla_put(msg, type, len, data) < 0)
		return -ENOMEM;
	dl_nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &error);
	r = dl_nl_send_sync(sk, msg); /* takes the message */
	msg = NULL;
	return r < 0 && error == 0 ? from_nl(r) : error;
}

int vf_link_rename(int root, const char *netdev, const char *name)
{
	size_t len = strlen(name);

	/* Of a '%d' in it the kernel would make a number. */
	if (!len || len >= PF_NAME_MAX || strchr(name, '%'))
		return -EINVAL;
	return set_own(root, netdev, IFLA_IFNAME, name, (int)len + 1);
}

int vf_link_set_mac(int root, const char *netdev, const uint8_t mac[6])
{
	return set_own(root, netdev, IFLA_ADDRESS, mac, 6);
}
