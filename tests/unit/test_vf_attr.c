// SPDX-License-Identifier: GPL-2.0-or-later
/* The words of VF attributes: what is taken, what is refused, and the way back to text. */
#include "sriov/vf_attr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"

static void test_every_word_is_taken_and_given_back(void **state)
{
	static const struct {
		const char *word, *value;
	} rows[VF_ATTR_COUNT] = {
		{ "mac", "02:00:00:0a:0b:0c" }, { "vlan", "4094" },	 { "qos", "7" },
		{ "proto", "802.1ad" },		{ "spoofchk", "off" },	 { "trust", "on" },
		{ "state", "disable" },		{ "min_tx_rate", "10" }, { "max_tx_rate", "25000" },
		{ "query_rss", "on" },
		{ "node_guid", "00:11:22:33:44:55:66:f7" },
		{ "port_guid", "fe:11:22:33:44:55:66:78" },
	};
	struct vf_attrs a = { 0 };
	struct err err = ERR_INIT;
	char text[32];

	for (unsigned i = 0; i < VF_ATTR_COUNT; i++) {
		assert_int_equal(vf_attr_parse(&a, rows[i].word, rows[i].value, &err), 0);
		assert_true(VF_HAS(&a, i));
		assert_string_equal(vf_attr_format(&a, i, text, sizeof(text)), rows[i].value);
	}
	assert_int_equal(a.have, (1u << VF_ATTR_COUNT) - 1);
}

static void test_bad_values_are_usage_errors_and_change_nothing(void **state)
{
	static const struct {
		const char *word, *value, *says;
	} rows[] = {
		{ "mac", "01:00:5e:00:00:01", "multicast" },
		{ "mac", "02:00:00:00:00", "not a MAC" },
		{ "mac", "02:00:00:00:00:01:", "not a MAC" },
		{ "mac", "02:00:00:00:00:1", "not a MAC" },
		{ "mac", "02-00-00-00-00-01", "not a MAC" },
		{ "mac", "", "not a MAC" },
		{ "vlan", "4095", "0 to 4094" },
		{ "vlan", "-1", "0 to 4094" },
		{ "vlan", "1x", "0 to 4094" },
		{ "qos", "8", "0 to 7" },
		{ "proto", "802.1p", "802.1ad" },
		{ "spoofchk", "yes", "on or off" },
		{ "trust", "1", "on or off" },
		{ "state", "up", "auto, enable or disable" },
		{ "max_tx_rate", "4294967296", "4294967295" },
		{ "node_guid", "00:11:22:33:44:55:66", "eight bytes" },
		{ "node_guid", "00:11:22:33:44:55:66:77:88", "eight bytes" },
		{ "node_guid", "none", "eight bytes" },
		{ "port_guid", "0011:2233:4455:6677", "eight bytes" },
		{ "port_guid", "00:00:00:00:00:00:00:00", "no GUID" },
		{ "colour", "red", "not an attribute" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vf_attrs a = { .vlan = 5 }, before = a;
		struct err err = ERR_INIT;

		assert_int_equal(vf_attr_parse(&a, rows[i].word, rows[i].value, &err), -EINVAL);
		assert_memory_equal(&a, &before, sizeof(a));
		assert_true(err.usage);
		assert_non_null(strstr(err.text, rows[i].says));
	}
}

static void test_a_word_given_twice_is_refused(void **state)
{
	struct vf_attrs a = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(vf_attr_parse(&a, "vlan", "5", &err), 0);
	assert_int_equal(vf_attr_parse(&a, "vlan", "6", &err), -EINVAL);
	assert_int_equal(a.vlan, 5);
}

static void test_none_resets_the_mac_and_zero_is_none(void **state)
{
	struct vf_attrs zero = { .mac = { 1 } }, none = { .mac = { 1 } };
	static const uint8_t nothing[6];

	assert_int_equal(vf_attr_parse(&zero, "mac", "00:00:00:00:00:00", NULL), -EINVAL);
	assert_int_equal(zero.have, 0);
	assert_int_equal(vf_group_parse("mac 00:00:00:00:00:00", &zero), 0); /* of the journal */
	assert_int_equal(vf_attr_parse(&none, "mac", "none", NULL), 0);
	assert_memory_equal(zero.mac, nothing, 6);
	assert_memory_equal(none.mac, nothing, 6);
}

/* The journal's: what mlx5 tells of a VF that was given none. */
static void test_a_guid_of_zero_comes_back(void **state)
{
	struct vf_attrs a = { .have = 1u << VF_PORT_GUID }, b = { .port_guid = 1 };
	char text[64];

	assert_int_equal(vf_group_format(&a, VF_GROUP_PORT_GUID, text, sizeof(text)), 0);
	assert_string_equal(text, "port_guid 00:00:00:00:00:00:00:00");
	assert_int_equal(vf_group_parse(text, &b), 0);
	assert_true(b.have == a.have && b.port_guid == 0);
}

static void test_guids_count_up_below_their_maker(void **state)
{
	uint64_t guid = 7;

	assert_int_equal(vf_guid_add(0x0002c900000000ff, 3, &guid), 0);
	assert_true(guid == 0x0002c90000000102);
	assert_int_equal(vf_guid_add(0x0002c9fffffffffe, 1, &guid), 0);
	assert_true(guid == 0x0002c9ffffffffff);
	assert_int_equal(vf_guid_add(0x0002c9fffffffffe, 2, &guid), -ERANGE);
	assert_true(guid == 0x0002c9ffffffffff);
}

static void test_a_group_survives_text_and_back(void **state)
{
	struct vf_attrs a = { .have = vf_group_mask(VF_GROUP_VLAN), .vlan = 100, .qos = 3,
			      .proto = VF_PROTO_8021AD }, b;
	char text[64];

	assert_int_equal(vf_group_format(&a, VF_GROUP_VLAN, text, sizeof(text)), 0);
	assert_string_equal(text, "vlan 100 qos 3 proto 802.1ad");
	assert_int_equal(vf_group_parse(text, &b), 0);
	assert_int_equal(b.have, a.have);
	assert_int_equal(b.vlan, 100);
	assert_int_equal(b.qos, 3);
	assert_int_equal(b.proto, VF_PROTO_8021AD);
	assert_int_equal(vf_group_parse("vlan", &b), -EINVAL);
	assert_int_equal(vf_group_parse("", &b), -EINVAL);
	assert_int_equal(vf_group_parse("vlan 1 qos", &b), -EINVAL);
}

static void test_what_the_driver_does_not_tell_is_unsupported_and_not_zero(void **state)
{
	struct vf_attrs a = { .have = 1u << VF_MAC };
	char text[64] = "untouched";

	assert_int_equal(vf_group_format(&a, VF_GROUP_TRUST, text, sizeof(text)), -EOPNOTSUPP);
	assert_int_equal(vf_group_format(&a, VF_GROUP_RATE, text, sizeof(text)), -EOPNOTSUPP);
	assert_string_equal(text, "untouched");
}

static void test_a_new_vlan_starts_from_nothing_a_qos_alone_keeps_it(void **state)
{
	struct vf_attrs now = { .vlan = 100, .qos = 3, .proto = VF_PROTO_8021AD,
				.min_tx_rate = 7, .max_tx_rate = 9 };
	struct vf_attrs vlan = { .have = 1u << VF_VLAN, .vlan = 5 };
	struct vf_attrs qos = { .have = 1u << VF_QOS, .qos = 6 };
	struct vf_attrs rate = { .have = 1u << VF_MAX_TX_RATE, .max_tx_rate = 50 };

	vf_attrs_complete(&vlan, &now);
	assert_int_equal(vlan.qos, 0);
	assert_int_equal(vlan.proto, VF_PROTO_8021Q);
	vf_attrs_complete(&qos, &now);
	assert_int_equal(qos.vlan, 100);
	assert_int_equal(qos.qos, 6);
	assert_int_equal(qos.proto, VF_PROTO_8021AD);
	vf_attrs_complete(&rate, &now);
	assert_int_equal(rate.min_tx_rate, 7);
	assert_int_equal(rate.max_tx_rate, 50);
	assert_int_equal(rate.have, vf_group_mask(VF_GROUP_RATE));
}

static void test_macs_count_up_but_never_into_the_makers_half(void **state)
{
	static const uint8_t base[6] = { 2, 0, 0, 0, 0, 0xfe }, want[6] = { 2, 0, 0, 0, 1, 0 };
	static const uint8_t last[6] = { 2, 0, 0, 0xff, 0xff, 0xff }, zero[6];
	uint8_t mac[6] = { 9 };

	assert_int_equal(vf_mac_add(base, 2, mac), 0);
	assert_memory_equal(mac, want, 6);
	assert_int_equal(vf_mac_add(last, 0, mac), 0);
	assert_int_equal(vf_mac_add(last, 1, mac), -ERANGE);
	assert_memory_equal(mac, last, 6);
	assert_int_equal(vf_mac_add(zero, 3, mac), 0);
	assert_memory_equal(mac, zero, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_word_is_taken_and_given_back),
		cmocka_unit_test(test_bad_values_are_usage_errors_and_change_nothing),
		cmocka_unit_test(test_a_word_given_twice_is_refused),
		cmocka_unit_test(test_none_resets_the_mac_and_zero_is_none),
		cmocka_unit_test(test_a_guid_of_zero_comes_back),
		cmocka_unit_test(test_guids_count_up_below_their_maker),
		cmocka_unit_test(test_a_group_survives_text_and_back),
		cmocka_unit_test(test_what_the_driver_does_not_tell_is_unsupported_and_not_zero),
		cmocka_unit_test(test_a_new_vlan_starts_from_nothing_a_qos_alone_keeps_it),
		cmocka_unit_test(test_macs_count_up_but_never_into_the_makers_half),
	};

	return cmocka_run_group_tests_name("vf_attr", tests, NULL, NULL);
}
