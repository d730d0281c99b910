// SPDX-License-Identifier: GPL-2.0-or-later
/* The attributes of VFs on real netlink, with a driver that has all of them. */
#include "sriov/vf_link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/journal.h"
#include "sriov/vf_plan.h"
#include "sriov/vf_set.h"
#include "tests/netdevsim/card.h"

#define VFS 4

static const struct step_ops *const ops[] = { &vfattr_step_ops, NULL };

static const char fresh[] = "mac 00:00:00:00:00:00 vlan 0 qos 0 proto 802.1Q spoofchk off trust off "
			    "state auto min_tx_rate 0 max_tx_rate 0 query_rss off";
static const char full[] = "mac 02:00:00:00:00:22 vlan 4094 qos 7 proto 802.1ad spoofchk on trust on "
			   "state disable min_tx_rate 100 max_tx_rate 40000 query_rss on";

/* Another MAC: no two VFs may have one. */
static const char other[] = "mac 02:00:00:00:00:33 vlan 4094 qos 7 proto 802.1ad spoofchk on trust on "
			    "state disable min_tx_rate 100 max_tx_rate 40000 query_rss on";

static char *text_of(const struct vf_attrs *attrs, char *buf, size_t size)
{
	size_t len = 0;
	char value[32];

	buf[0] = '\0';
	for (unsigned i = 0; i < VF_ATTR_COUNT; i++) {
		if (VF_HAS(attrs, i))
			len += (size_t)snprintf(buf + len, size - len, "%s%s %s", len ? " " : "",
						vf_attr_word(i),
						vf_attr_format(attrs, i, value, sizeof(value)));
	}
	return buf;
}

static void assert_vf(const struct card *card, unsigned vf, const char *words)
{
	_cleanup_free_ struct vf_attrs *attrs = card_attrs(card, VFS);
	char buf[512];

	assert_string_equal(text_of(&attrs[vf], buf, sizeof(buf)), words);
}

static int set(const struct card *card, unsigned vf, const char *words, struct err *err)
{
	struct vf_attrs attrs = card_words(words);
	int r = 0;

	for (unsigned g = 0; g < VF_GROUP_COUNT && r == 0; g++) {
		if (attrs.have & vf_group_mask(g))
			r = vf_set(card->root, &card->pf, vf, g, &attrs, err);
	}
	return r;
}

static void assert_set(const struct card *card, unsigned vf, const char *words)
{
	struct err err = ERR_INIT;

	if (set(card, vf, words, &err) < 0)
		fail_msg("vf%u %s: %s", vf, words, err.text);
}

static void test_a_new_vf_has_nothing(void **state)
{
	struct card *card = card_with_vfs(state, VFS);

	for (unsigned vf = 0; vf < VFS; vf++)
		assert_vf(card, vf, fresh);
}

/* The kernel's number, not only our word for what we read. */
static void test_a_new_vf_speaks_8021q(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	_cleanup_free_ struct vf_attrs *attrs = card_attrs(card, VFS);

	assert_int_equal(attrs[0].proto, VF_PROTO_8021Q);
	assert_int_equal(vf_link_set(card->root, &card->pf, 0, VF_GROUP_VLAN, &attrs[0]), 0);
}

static void test_every_attribute_is_set_on_its_vf_alone(void **state)
{
	struct card *card = card_with_vfs(state, VFS);

	assert_set(card, 2, full);
	assert_vf(card, 2, full);
	assert_vf(card, 1, fresh);
	assert_vf(card, 3, fresh);
	assert_set(card, 2, fresh);
	assert_vf(card, 2, fresh);
}

static void test_each_link_state(void **state)
{
	static const char *const states[] = { "enable", "disable", "auto" };
	struct card *card = card_with_vfs(state, VFS);

	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		_cleanup_free_ struct vf_attrs *attrs = NULL;
		char words[32];

		snprintf(words, sizeof(words), "state %s", states[i]);
		assert_set(card, 1, words);
		attrs = card_attrs(card, VFS);
		assert_int_equal(attrs[1].state, card_words(words).state);
	}
}

static void test_the_vlan_protocol_goes_both_ways(void **state)
{
	static const char *const vlans[] = { "vlan 100 qos 3 proto 802.1ad", "vlan 100 qos 3 proto 802.1Q",
					     "vlan 7 qos 0 proto 802.1ad", "vlan 0 qos 0 proto 802.1Q" };
	struct card *card = card_with_vfs(state, VFS);

	for (unsigned i = 0; i < ARRAY_SIZE(vlans); i++) {
		_cleanup_free_ struct vf_attrs *attrs = NULL;
		char buf[64];

		assert_set(card, 3, vlans[i]);
		attrs = card_attrs(card, VFS);
		assert_int_equal(vf_group_format(&attrs[3], VF_GROUP_VLAN, buf, sizeof(buf)), 0);
		assert_string_equal(buf, vlans[i]);
	}
}

/* --- refusals --------------------------------------------------------------------------------- */

struct refusal {
	unsigned vf;
	enum vf_group group;
	struct vf_attrs attrs;
	int want;
};

static const struct refusal refusals[] = {
	{ VFS, VF_GROUP_MAC, { .mac = { 2 } }, -EINVAL }, /* one past the last */
	{ VFS, VF_GROUP_VLAN, { .vlan = 1, .proto = VF_PROTO_8021AD }, -EINVAL },
	{ VFS, VF_GROUP_RATE, { .max_tx_rate = 1 }, -EINVAL },
	{ VFS, VF_GROUP_SPOOFCHK, { .spoofchk = true }, -EINVAL },
	{ VFS, VF_GROUP_TRUST, { .trust = true }, -EINVAL },
	{ VFS, VF_GROUP_QUERY_RSS, { .query_rss = true }, -EINVAL },
	{ VFS, VF_GROUP_STATE, { .state = VF_STATE_ENABLE }, -EINVAL },
	{ 65535, VF_GROUP_MAC, { .mac = { 2 } }, -EINVAL },
	{ 1, VF_GROUP_MAC, { .mac = { 1, 0, 0x5e } }, -EINVAL },
	{ 1, VF_GROUP_VLAN, { .vlan = 4096, .proto = VF_PROTO_8021Q }, -EINVAL },
	{ 1, VF_GROUP_VLAN, { .vlan = 1, .qos = 8, .proto = VF_PROTO_8021AD }, -EINVAL },
	{ 1, VF_GROUP_RATE, { .min_tx_rate = 200, .max_tx_rate = 100 }, -EINVAL },
	{ 1, VF_GROUP_STATE, { .state = VF_STATE_DISABLE + 1 }, -EINVAL },
};

static void test_what_the_kernel_refuses_changes_nothing(void **state)
{
	struct card *card = card_with_vfs(state, VFS);

	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *f = &refusals[i];
		int r = vf_link_set(card->root, &card->pf, f->vf, f->group, &f->attrs);

		if (r != f->want)
			fail_msg("vf%u %s (row %u): %d, not %d", f->vf, vf_group_word(f->group), i, r,
				 f->want);
	}
	for (unsigned vf = 0; vf < VFS; vf++)
		assert_vf(card, vf, fresh);
}

static void test_an_interface_without_vfs_has_no_attributes(void **state)
{
	struct card *card = card_with_vfs(state, 0);
	struct pf lo = { .netdev = "lo", .netdevs = 1, .driver = "none" };
	struct vf_attrs attrs = card_words(full);
	struct err err = ERR_INIT;

	assert_int_equal(vf_link_read(card->root, &card->pf, &attrs, 1), 0);
	assert_int_equal(vf_link_read(card->root, &lo, &attrs, 1), 0);
	for (unsigned g = 0; g < VF_GROUP_COUNT; g++)
		assert_int_equal(vf_link_set(card->root, &lo, 0, g, &attrs), -EOPNOTSUPP);
	assert_int_equal(vf_set(card->root, &lo, 0, VF_GROUP_STATE, &attrs, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "the none driver has no state for VFs (vf0)"));
}

static void test_a_refusal_is_told_with_the_driver_and_the_value(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	struct err err = ERR_INIT;

	assert_int_equal(set(card, 1, "min_tx_rate 200 max_tx_rate 100", &err), -EINVAL);
	assert_non_null(strstr(err.text, CARD ": the netdevsim driver refuses min_tx_rate 200 "
					 "max_tx_rate 100 for vf1: Invalid argument"));
	assert_true(err.hint[0]);
}

/* netdevsim counts nothing for VFs, and the kernel tells zeros for it. */
static void test_zeros_are_no_counters(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	struct vf_stats stats[VFS];

	assert_int_equal(vf_link_read_stats(card->root, &card->pf, stats, VFS), -ENODATA);
}

/* --- as journalled changes -------------------------------------------------------------------- */

static int apply(const struct card *card, const struct plan *plan, struct err *err)
{
	static const struct journal_owner owner = { .command = "test" };
	struct txn *txn = NULL;
	int r = txn_begin(card->root, ops, plan, &owner, 5, &txn, err);

	return r < 0 || !txn ? r : txn_apply(txn, err);
}

static void plan_vf(const struct card *card, unsigned vf, const char *words, struct plan *plan)
{
	struct vf_attrs attrs = card_words(words);
	struct err err = ERR_INIT;

	if (vf_plan_set(card->root, &card->pf, vf, &attrs, plan, &err) < 0)
		fail_msg("%s", err.text);
}

/* vf0 has never had anything: its MAC of zeros is to come back as that. */
static void test_all_attributes_come_back(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	struct plan plan = PLAN_INIT;
	struct err err = ERR_INIT;
	unsigned undone;

	assert_set(card, 1, other);
	assert_set(card, 2, "mac 02:00:00:00:00:09 state enable vlan 5 qos 1 proto 802.1ad");
	for (unsigned vf = 0; vf < VFS; vf++)
		plan_vf(card, vf, vf == 1 ? fresh : full, &plan);
	assert_int_equal(apply(card, &plan, &err), 0);
	plan_fini(&plan);
	assert_vf(card, 0, full);
	assert_vf(card, 1, fresh);
	assert_int_equal(journal_restore(card->root, ops, CARD, 5, &undone, &err), 0);
	assert_true(undone >= (VF_GROUP_COUNT - 2) * VFS - 1); /* it has no GUIDs */
	assert_vf(card, 0, fresh);
	assert_vf(card, 1, other);
	assert_vf(card, 2, "mac 02:00:00:00:00:09 vlan 5 qos 1 proto 802.1ad spoofchk off trust off "
			   "state enable min_tx_rate 0 max_tx_rate 0 query_rss off");
	assert_vf(card, 3, fresh);
}

static void test_a_failure_in_the_middle_puts_back_what_was_done(void **state)
{
	struct step bad = { .op = "vfattr", .dev = CARD, .key = "vf2 rate",
			    .after = "min_tx_rate 200 max_tx_rate 100" };
	struct card *card = card_with_vfs(state, VFS);
	struct plan plan = PLAN_INIT;
	struct err err = ERR_INIT;
	unsigned undone = 0;

	assert_set(card, 1, "mac 02:00:00:00:00:11 vlan 9 qos 2 proto 802.1ad state enable");
	plan_vf(card, 0, full, &plan);
	plan_vf(card, 1, full, &plan);
	assert_int_equal(plan_add(&plan, &bad), 0);
	plan_vf(card, 3, full, &plan);
	assert_int_equal(apply(card, &plan, &err), -EINVAL);
	plan_fini(&plan);
	assert_non_null(strstr(err.text, "refuses min_tx_rate 200 max_tx_rate 100 for vf2"));
	assert_vf(card, 0, fresh);
	assert_vf(card, 1, "mac 02:00:00:00:00:11 vlan 9 qos 2 proto 802.1ad spoofchk off trust off "
			   "state enable min_tx_rate 0 max_tx_rate 0 query_rss off");
	assert_vf(card, 2, fresh);
	assert_vf(card, 3, fresh);
	err = (struct err)ERR_INIT;
	assert_int_equal(journal_restore(card->root, ops, CARD, 5, &undone, &err), 0);
	assert_int_equal(undone, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_vf_has_nothing),
		cmocka_unit_test(test_a_new_vf_speaks_8021q),
		cmocka_unit_test(test_every_attribute_is_set_on_its_vf_alone),
		cmocka_unit_test(test_each_link_state),
		cmocka_unit_test(test_the_vlan_protocol_goes_both_ways),
		cmocka_unit_test(test_what_the_kernel_refuses_changes_nothing),
		cmocka_unit_test(test_an_interface_without_vfs_has_no_attributes),
		cmocka_unit_test(test_a_refusal_is_told_with_the_driver_and_the_value),
		cmocka_unit_test(test_zeros_are_no_counters),
		cmocka_unit_test(test_all_attributes_come_back),
		cmocka_unit_test(test_a_failure_in_the_middle_puts_back_what_was_done),
	};

	return cmocka_run_group_tests_name("netdevsim: vf attributes", tests, card_open, card_close);
}
