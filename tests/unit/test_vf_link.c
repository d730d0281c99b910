// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's lists of VFs, whole, old and broken. */
#include "sriov/vf_link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "sriov/vf_set.h"

static struct nl_msg *msg;
static struct nlattr *list;

static int setup(void **state)
{
	struct ifinfomsg ifi = { .ifi_index = 7 };

	msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	assert_int_equal(nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_string(msg, IFLA_IFNAME, "eth0"), 0);
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	return 0;
}

static int teardown(void **state)
{
	nlmsg_free(msg);
	return 0;
}

static void put_two(int type, uint32_t vf, uint32_t value)
{
	uint32_t words[] = { vf, value };

	assert_int_equal(nla_put(msg, type, sizeof(words), words), 0);
}

/* As 82576's driver fills it in: no query_rss. */
static void put_vf(uint32_t vf, uint8_t last, uint32_t trust)
{
	struct ifla_vf_mac mac = { .vf = vf, .mac = { 2, 0, 0, 0, 0, last } };
	struct ifla_vf_vlan vlan = { vf, 100, 3 };
	struct ifla_vf_vlan_info info = { vf, 100, 3, htons(VF_PROTO_8021AD) };
	struct ifla_vf_rate rate = { vf, 5, 100 };
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO), *vlans;

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	nla_put(msg, IFLA_VF_VLAN, sizeof(vlan), &vlan);
	nla_put(msg, IFLA_VF_RATE, sizeof(rate), &rate);
	put_two(IFLA_VF_SPOOFCHK, vf, 1);
	put_two(IFLA_VF_LINK_STATE, vf, IFLA_VF_LINK_STATE_DISABLE);
	put_two(IFLA_VF_RSS_QUERY_EN, vf, UINT32_MAX);
	put_two(IFLA_VF_TRUST, vf, trust);
	vlans = nla_nest_start(msg, IFLA_VF_VLAN_LIST);
	nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info);
	nla_nest_end(msg, vlans);
	nla_nest_end(msg, nest);
}

static void put_stats(uint32_t vf, uint64_t rx_bytes, uint64_t tx_dropped)
{
	struct ifla_vf_mac mac = { .vf = vf };
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO), *stats;

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	stats = nla_nest_start(msg, IFLA_VF_STATS);
	nla_put(msg, IFLA_VF_STATS_RX_BYTES, sizeof(rx_bytes), &rx_bytes);
	nla_put(msg, IFLA_VF_STATS_TX_DROPPED, sizeof(tx_dropped), &tx_dropped);
	nla_nest_end(msg, stats);
	nla_nest_end(msg, nest);
}

static int parse(struct vf_attrs *ret, unsigned n)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);

	nla_nest_end(msg, list);
	return vf_link_parse(nlh, nlh->nlmsg_len, ret, n);
}

static void test_every_attribute_is_read(void **state)
{
	struct vf_attrs vfs[2] = { 0 };

	put_vf(0, 0x10, 0);
	put_vf(1, 0x11, 1);
	assert_int_equal(parse(vfs, 2), 2);
	assert_int_equal(vfs[1].mac[5], 0x11);
	assert_int_equal(vfs[1].vlan, 100);
	assert_int_equal(vfs[1].qos, 3);
	assert_int_equal(vfs[1].proto, VF_PROTO_8021AD);
	assert_int_equal(vfs[1].min_tx_rate, 5);
	assert_int_equal(vfs[1].max_tx_rate, 100);
	assert_int_equal(vfs[1].state, VF_STATE_DISABLE);
	assert_true(vfs[1].spoofchk && vfs[1].trust && !vfs[0].trust);
}

static void test_what_the_driver_left_out_is_unsupported(void **state)
{
	struct vf_attrs vf = { 0 };

	put_vf(0, 0x10, UINT32_MAX);
	assert_int_equal(parse(&vf, 1), 1);
	assert_false(VF_HAS(&vf, VF_QUERY_RSS));
	assert_false(VF_HAS(&vf, VF_TRUST));
	assert_true(VF_HAS(&vf, VF_SPOOFCHK));
}

static void test_a_kernel_without_vlan_lists_means_8021q(void **state)
{
	struct ifla_vf_mac mac = { .vf = 0 };
	struct ifla_vf_vlan vlan = { 0, 7, 1 };
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO);
	struct vf_attrs vf = { 0 };

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	nla_put(msg, IFLA_VF_VLAN, sizeof(vlan), &vlan);
	nla_nest_end(msg, nest);
	assert_int_equal(parse(&vf, 1), 1);
	assert_int_equal(vf.vlan, 7);
	assert_int_equal(vf.proto, VF_PROTO_8021Q);
	assert_false(VF_HAS(&vf, VF_MAX_TX_RATE));
}

static void test_no_vlan_protocol_means_8021q(void **state)
{
	struct ifla_vf_vlan_info info = { .vf = 0, .vlan = 7 };
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO), *vlans;
	struct ifla_vf_mac mac = { .vf = 0 };
	struct vf_attrs vf = { 0 };

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	vlans = nla_nest_start(msg, IFLA_VF_VLAN_LIST);
	nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info);
	nla_nest_end(msg, vlans);
	nla_nest_end(msg, nest);
	assert_int_equal(parse(&vf, 1), 1);
	assert_int_equal(vf.vlan, 7);
	assert_int_equal(vf.proto, VF_PROTO_8021Q);
}

/* The kernel lets the length of a list over 64 KiB overflow: what is left of it is a short list. */
static void test_a_list_that_is_cut_is_enough_for_its_vfs_only(void **state)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct vf_stats stats[3] = { 0 };
	struct vf_attrs vfs[3] = { 0 };

	put_stats(0, 1, 0);
	put_stats(1, 1, 0);
	nla_nest_end(msg, list);
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 400), 0);
	assert_int_equal(vf_link_parse(nlh, nlh->nlmsg_len, vfs, 2), 2);
	assert_int_equal(vf_link_parse(nlh, nlh->nlmsg_len, vfs, 3), -EMSGSIZE);
	assert_int_equal(vf_link_parse_stats(nlh, nlh->nlmsg_len, stats, 2), 2);
	assert_int_equal(vf_link_parse_stats(nlh, nlh->nlmsg_len, stats, 3), -EMSGSIZE);
}

static void test_more_may_be_asked_for_than_there_are(void **state)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct vf_attrs vfs[3] = { 0 };

	put_stats(0, 1, 0);
	nla_nest_end(msg, list);
	assert_int_equal(nla_put_u32(msg, IFLA_NUM_VF, 1), 0);
	assert_int_equal(vf_link_parse(nlh, nlh->nlmsg_len, vfs, 3), 1);
}

static void test_vfs_beyond_the_array_are_left_out(void **state)
{
	struct vf_attrs vfs[2] = { 0 };

	put_vf(0, 0x10, 0);
	put_vf(1, 0x11, 0);
	put_vf(70000, 0x12, 0);
	assert_int_equal(parse(vfs, 1), 1);
	assert_int_equal(vfs[1].have, 0);
}

static void test_counters_of_each_vf(void **state)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct vf_stats stats[2] = { 0 };

	put_stats(0, 0, 0);
	put_stats(1, 5000000000, 3);
	put_stats(7, 1, 1);
	nla_nest_end(msg, list);
	assert_int_equal(vf_link_parse_stats(nlh, nlh->nlmsg_len, stats, 2), 2);
	assert_int_equal(stats[0].rx_bytes, 0);
	assert_true(stats[1].rx_bytes == 5000000000 && stats[1].tx_dropped == 3);
	assert_int_equal(stats[1].tx_bytes, 0);
}

/* The kernel writes zeros for a driver that has no counters. */
static void test_nothing_but_zeros_are_no_counters(void **state)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct vf_stats stats[2] = { 0 };

	put_stats(0, 0, 0);
	put_stats(1, 0, 0);
	nla_nest_end(msg, list);
	assert_int_equal(vf_link_parse_stats(nlh, nlh->nlmsg_len, stats, 2), -ENODATA);
}

static void put_guid(int type, uint32_t vf, uint64_t guid)
{
	uint8_t bytes[16] = { 0 };

	memcpy(bytes, &vf, sizeof(vf));
	memcpy(bytes + 8, &guid, sizeof(guid));
	assert_int_equal(nla_put(msg, type, sizeof(bytes), bytes), 0);
}

/* As ipoib has it for mlx5: no MAC, nothing but GUIDs and the link's state. */
static void test_guids_are_read_where_they_are_told(void **state)
{
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO);
	struct ifla_vf_mac mac = { .vf = 0 };
	struct vf_attrs vfs[2] = { 0 };
	char text[64];

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	put_two(IFLA_VF_LINK_STATE, 0, IFLA_VF_LINK_STATE_ENABLE);
	put_guid(IFLA_VF_IB_NODE_GUID, 0, 0x0011223344556677);
	put_guid(IFLA_VF_IB_PORT_GUID, 0, 0);
	nla_nest_end(msg, nest);
	put_vf(1, 0x11, 1);
	assert_int_equal(parse(vfs, 2), 2);
	assert_int_equal(vf_group_format(&vfs[0], VF_GROUP_NODE_GUID, text, sizeof(text)), 0);
	assert_string_equal(text, "node_guid 00:11:22:33:44:55:66:77");
	assert_int_equal(vf_group_format(&vfs[0], VF_GROUP_PORT_GUID, text, sizeof(text)), 0);
	assert_string_equal(text, "port_guid 00:00:00:00:00:00:00:00");
	assert_false(VF_HAS(&vfs[1], VF_NODE_GUID) || VF_HAS(&vfs[1], VF_PORT_GUID));
}

static void test_a_guid_that_is_cut_off_is_none(void **state)
{
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO);
	struct ifla_vf_mac mac = { .vf = 0 };
	struct vf_attrs vf = { 0 };

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	put_two(IFLA_VF_IB_NODE_GUID, 0, 1);
	nla_nest_end(msg, nest);
	assert_int_equal(parse(&vf, 1), 1);
	assert_int_equal(vf.have, 1u << VF_MAC);
}

/* The one attribute of a request to set `group`, at `ret_len` bytes. */
static const uint8_t *request(enum vf_group group, const struct vf_attrs *attrs, int type, int *ret_len)
{
	struct nlattr *found;
	struct nlmsghdr *nlh;

	nlmsg_free(msg);
	assert_int_equal(vf_link_request(7, 3, group, attrs, &msg), 0);
	nlh = nlmsg_hdr(msg);
	assert_int_equal(nlh->nlmsg_type, RTM_SETLINK);
	found = nlmsg_find_attr(nlh, sizeof(struct ifinfomsg), IFLA_VFINFO_LIST);
	assert_non_null(found);
	found = nla_find(nla_data(found), nla_len(found), IFLA_VF_INFO);
	assert_non_null(found);
	*ret_len = nla_len(nla_find(nla_data(found), nla_len(found), type));
	assert_int_equal(nla_total_size(*ret_len), nla_len(found)); /* and no other */
	return nla_data(nla_find(nla_data(found), nla_len(found), type));
}

static void test_a_guid_is_set_as_the_kernel_wants_it(void **state)
{
	static const struct vf_attrs attrs = { .node_guid = 0x0011223344556677,
					       .port_guid = 0xfe00000000000001 };
	/* VF, gap, number: an x86-64's. */
	static const uint8_t node[16] = { 3, 0, 0, 0, 0, 0, 0, 0, 0x77, 0x66, 0x55, 0x44, 0x33,
					  0x22, 0x11, 0 };
	static const uint8_t port[16] = { 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xfe };
	int len;

	assert_memory_equal(request(VF_GROUP_NODE_GUID, &attrs, IFLA_VF_IB_NODE_GUID, &len), node, 16);
	assert_int_equal(len, 16);
	assert_memory_equal(request(VF_GROUP_PORT_GUID, &attrs, IFLA_VF_IB_PORT_GUID, &len), port, 16);
	assert_int_equal(len, 16);
}

static void test_short_attributes_are_not_read_past_their_end(void **state)
{
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO);
	struct ifla_vf_mac mac = { .vf = 0 };
	uint32_t half = 0;
	struct vf_attrs vf = { 0 };

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	nla_put(msg, IFLA_VF_RATE, sizeof(half), &half);
	nla_put(msg, IFLA_VF_TRUST, sizeof(half), &half);
	nla_put(msg, IFLA_VF_VLAN, sizeof(half), &half);
	nla_nest_end(msg, nest);
	assert_int_equal(parse(&vf, 1), 1);
	assert_int_equal(vf.have, 1u << VF_MAC);
}

static void test_broken_messages_are_refused(void **state)
{
	struct nlattr *nest = nla_nest_start(msg, IFLA_VF_INFO);
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct vf_attrs vf = { 0 };

	put_two(IFLA_VF_TRUST, 0, 1);
	nla_nest_end(msg, nest);
	assert_int_equal(parse(&vf, 1), -EBADMSG); /* no MAC: whose attributes are these? */
	assert_int_equal(vf_link_parse(nlh, 8, &vf, 1), -EBADMSG);
	assert_int_equal(vf_link_parse(nlh, nlh->nlmsg_len - 4, &vf, 1), -EBADMSG);
	assert_int_equal(vf.have, 0);
}

static void test_keys_name_a_vf_and_a_group(void **state)
{
	static const char *const bad[] = { "vf3", "vf3 colour", "3 vlan", "vf3 vlan x", "vf-1 mac",
					   "vf70000 mac" };
	enum vf_group group = VF_GROUP_COUNT;
	unsigned vf = 99;

	assert_int_equal(vf_set_parse_key("vf12 rate", &vf, &group), 0);
	assert_int_equal(vf, 12);
	assert_int_equal(group, VF_GROUP_RATE);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vf_set_parse_key(bad[i], &vf, &group), -EINVAL);
	assert_int_equal(vf, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_every_attribute_is_read),
		T(test_what_the_driver_left_out_is_unsupported),
		T(test_a_kernel_without_vlan_lists_means_8021q),
		T(test_no_vlan_protocol_means_8021q),
		T(test_a_list_that_is_cut_is_enough_for_its_vfs_only),
		T(test_more_may_be_asked_for_than_there_are),
		T(test_vfs_beyond_the_array_are_left_out),
		T(test_counters_of_each_vf),
		T(test_nothing_but_zeros_are_no_counters),
		T(test_guids_are_read_where_they_are_told),
		T(test_a_guid_that_is_cut_off_is_none),
		T(test_a_guid_is_set_as_the_kernel_wants_it),
		T(test_short_attributes_are_not_read_past_their_end),
		T(test_broken_messages_are_refused),
		cmocka_unit_test(test_keys_name_a_vf_and_a_group),
#undef T
	};

	return cmocka_run_group_tests_name("vf_link", tests, NULL, NULL);
}
