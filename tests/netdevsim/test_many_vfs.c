// SPDX-License-Identifier: GPL-2.0-or-later
/* More VFs than an answer of the kernel holds comfortably, and more than it holds at all. */
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
#include "sriov/vf_set.h"
#include "tests/netdevsim/card.h"

/* Its own MAC in each answer's last place, so that a list cut short or shifted is seen. */
static void set_last(const struct card *card, unsigned n, struct vf_attrs *mac)
{
	struct err err = ERR_INIT;

	*mac = card_words("mac 02:00:00:00:00:00");
	mac->mac[4] = (uint8_t)(n >> 8);
	mac->mac[5] = (uint8_t)n;
	if (vf_set(card->root, &card->pf, n - 1, VF_GROUP_MAC, mac, &err) < 0)
		fail_msg("%u VFs: %s", n, err.text);
}

/* 320 take more than the 64 KiB that libnl's socket holds, and less than the list may be. */
static void test_all_of_hundreds_are_read(void **state)
{
	static const unsigned numbers[] = { 1, 64, 128, 256, 320 };

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		unsigned n = numbers[i];
		struct card *card = card_with_vfs(state, n);
		_cleanup_free_ struct vf_attrs *attrs = NULL;
		struct vf_attrs mac;

		set_last(card, n, &mac);
		attrs = card_attrs(card, n);
		assert_memory_equal(attrs[n - 1].mac, mac.mac, 6);
		for (unsigned vf = 0; vf < n; vf++) {
			assert_int_equal(attrs[vf].have, (1u << VF_NODE_GUID) - 1); /* it has no GUIDs */
			assert_int_equal(attrs[vf].mac[0], vf == n - 1 ? 2 : 0);
		}
	}
}

/* The driver has none, which the kernel tells as zeros, as long as they fit. */
static void test_counters_of_many(void **state)
{
	_cleanup_free_ struct vf_stats *stats = calloc(512, sizeof(*stats));
	struct card *card = card_with_vfs(state, 192);

	assert_int_equal(vf_link_read_stats(card->root, &card->pf, stats, 192), -ENODATA);
	card = card_with_vfs(state, 512);
	assert_int_equal(vf_link_read_stats(card->root, &card->pf, stats, 512), -EMSGSIZE);
}

static void test_more_than_a_list_holds_is_said(void **state)
{
	static const unsigned numbers[] = { 400, 512, 700, 1024 };
	_cleanup_free_ struct vf_attrs *attrs = calloc(1024, sizeof(*attrs));

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		unsigned n = numbers[i];
		struct card *card = card_with_vfs(state, n);
		struct vf_attrs mac = card_words("mac 02:00:00:00:00:01");
		struct err err = ERR_INIT;
		int r = vf_link_read(card->root, &card->pf, attrs, n);

		if (r != -EMSGSIZE)
			fail_msg("%u VFs: %d", n, r);
		assert_int_equal(vf_set(card->root, &card->pf, n - 1, VF_GROUP_MAC, &mac, &err), -EMSGSIZE);
		assert_non_null(strstr(err.text, "cannot read back mac of vf"));
		assert_non_null(strstr(err.hint, "the kernel lists"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_hundreds_are_read),
		cmocka_unit_test(test_counters_of_many),
		cmocka_unit_test(test_more_than_a_list_holds_is_said),
	};

	return cmocka_run_group_tests_name("netdevsim: many VFs", tests, card_open, card_close);
}
