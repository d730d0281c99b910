// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's answer about an eswitch, as bytes. */
#include "sriov/devlink.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "base/fd.h"

struct answer {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	struct nlattr attr;
	uint16_t mode;
	uint16_t pad;
};

static struct answer answer(uint16_t type, uint16_t mode)
{
	return (struct answer){ .nlh = { .nlmsg_len = sizeof(struct answer), .nlmsg_type = 20 },
				.genl = { .cmd = DEVLINK_CMD_ESWITCH_GET },
				.attr = { .nla_len = sizeof(struct nlattr) + 2, .nla_type = type },
				.mode = mode };
}

static void test_the_mode_is_read(void **state)
{
	struct answer legacy = answer(DEVLINK_ATTR_ESWITCH_MODE, 0);
	struct answer switchdev = answer(DEVLINK_ATTR_ESWITCH_MODE, 1);
	enum devlink_eswitch mode = DEVLINK_SWITCHDEV;

	assert_int_equal(devlink_eswitch_parse(&legacy, sizeof(legacy), &mode), 0);
	assert_int_equal(mode, DEVLINK_LEGACY);
	assert_int_equal(devlink_eswitch_parse(&switchdev, sizeof(switchdev), &mode), 0);
	assert_string_equal(devlink_eswitch_word(mode), "switchdev");
}

static void test_no_mode_and_a_new_one_are_unsupported(void **state)
{
	struct answer other = answer(DEVLINK_ATTR_ESWITCH_INLINE_MODE, 1);
	struct answer later = answer(DEVLINK_ATTR_ESWITCH_MODE, 2);
	enum devlink_eswitch mode = DEVLINK_LEGACY;

	assert_int_equal(devlink_eswitch_parse(&other, sizeof(other), &mode), -EOPNOTSUPP);
	assert_int_equal(devlink_eswitch_parse(&later, sizeof(later), &mode), -EOPNOTSUPP);
	assert_int_equal(mode, DEVLINK_LEGACY);
}

static void test_an_answer_cut_anywhere_is_no_mode(void **state)
{
	struct answer a = answer(DEVLINK_ATTR_ESWITCH_MODE, 1);
	enum devlink_eswitch mode = DEVLINK_LEGACY;

	for (size_t len = 0; len < offsetof(struct answer, pad); len++) {
		a.nlh.nlmsg_len = (uint32_t)len;
		assert_true(devlink_eswitch_parse(&a, len, &mode) < 0);
	}
	a = answer(DEVLINK_ATTR_ESWITCH_MODE, 1);
	a.attr.nla_len = sizeof(struct nlattr) + 1;
	assert_int_equal(devlink_eswitch_parse(&a, sizeof(a), &mode), -EBADMSG);
	assert_int_equal(mode, DEVLINK_LEGACY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_mode_is_read),
		cmocka_unit_test(test_no_mode_and_a_new_one_are_unsupported),
		cmocka_unit_test(test_an_answer_cut_anywhere_is_no_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
