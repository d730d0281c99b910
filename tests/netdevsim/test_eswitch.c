// SPDX-License-Identifier: GPL-2.0-or-later
/* A switch that changes its mode, and the interfaces that come and go with it. */
#include "sriov/devlink.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "sriov/link_watch.h"
#include "sriov/vf_link.h"
#include "sriov/vf_set.h"
#include "tests/netdevsim/card.h"

#define VFS 4

static const struct step_ops *const ops[] = { &eswitch_step_ops, NULL };

static enum devlink_eswitch mode_now(void)
{
	enum devlink_eswitch mode;

	assert_int_equal(devlink_eswitch_get("netdevsim", CARD_NAME, &mode), 0);
	return mode;
}

static void set_mode(enum devlink_eswitch mode)
{
	assert_int_equal(devlink_eswitch_set("netdevsim", CARD_NAME, mode), 0);
	assert_int_equal(mode_now(), mode);
}

static int count(const char *name, void *opaque)
{
	++*(unsigned *)opaque;
	return 0;
}

/* All that hang under the card, representors too. */
static unsigned interfaces(const struct card *card)
{
	unsigned n = 0;

	assert_int_equal(hostfs_list(card->root, count, &n, CARD_SYSFS "/net"), 0);
	return n;
}

static void test_the_mode_goes_there_and_back(void **state)
{
	struct card *card = card_with_vfs(state, VFS);

	assert_int_equal(mode_now(), DEVLINK_LEGACY);
	assert_int_equal(interfaces(card), 1);
	set_mode(DEVLINK_SWITCHDEV);
	assert_int_equal(interfaces(card), 1 + VFS);
	set_mode(DEVLINK_SWITCHDEV);
	set_mode(DEVLINK_LEGACY);
	assert_int_equal(interfaces(card), 1);
}

static void test_representors_are_not_the_pfs_interfaces(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	char before[PF_NAME_MAX];

	strcpy(before, card->pf.netdev);
	set_mode(DEVLINK_SWITCHDEV);
	card_look(card);
	assert_int_equal(card->pf.netdevs, 1);
	assert_string_equal(card->pf.netdev, before);
}

static void test_attributes_in_switchdev_mode(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	struct vf_attrs mac = card_words("mac 02:00:00:00:00:55"), rate = card_words("min_tx_rate 0 max_tx_rate 9");
	_cleanup_free_ struct vf_attrs *attrs = NULL;
	struct err err = ERR_INIT;

	set_mode(DEVLINK_SWITCHDEV);
	card_look(card);
	assert_int_equal(vf_set(card->root, &card->pf, VFS - 1, VF_GROUP_MAC, &mac, &err), 0);
	assert_int_equal(vf_set(card->root, &card->pf, 0, VF_GROUP_RATE, &rate, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "has no rate for VFs (vf0)"));
	assert_non_null(strstr(err.hint, "switchdev"));
	attrs = card_attrs(card, VFS);
	assert_memory_equal(attrs[VFS - 1].mac, mac.mac, 6);
	assert_int_equal(attrs[0].max_tx_rate, 0);
}

static void test_what_devlink_does_not_know_is_unsupported(void **state)
{
	enum devlink_eswitch mode = DEVLINK_SWITCHDEV;

	(void)card_with_vfs(state, 0);
	assert_int_equal(devlink_eswitch_get("netdevsim", "netdevsim99", &mode), -EOPNOTSUPP);
	assert_int_equal(devlink_eswitch_get("pci", "0000:01:00.0", &mode), -EOPNOTSUPP); /* igb */
	assert_int_equal(devlink_eswitch_get("", "", &mode), -EOPNOTSUPP);
	assert_int_equal(mode, DEVLINK_SWITCHDEV);
	assert_int_equal(devlink_eswitch_set("netdevsim", "netdevsim99", DEVLINK_LEGACY), -ENODEV);
}

/* Without VFs the card may switch too, and its VFs come with representors. */
static void test_vfs_made_in_switchdev_mode(void **state)
{
	struct card *card = card_with_vfs(state, 0);

	assert_int_equal(hostfs_write(card->root, "4", HOSTFS_DEADLINE_MS, NULL,
				      "sys/kernel/debug/netdevsim/" CARD_NAME "/max_vfs"), 0);
	set_mode(DEVLINK_SWITCHDEV);
	assert_int_equal(hostfs_write(card->root, "4", HOSTFS_DEADLINE_MS, NULL, CARD_SYSFS "/sriov_numvfs"),
			 0);
	card_look(card);
	assert_int_equal(card->pf.numvfs, VFS);
	assert_int_equal(card->pf.netdevs, 1);
	assert_int_equal(interfaces(card), 1 + VFS);
}

/* --- as a journalled change ------------------------------------------------------------------- */

static int apply(const struct card *card, const char *mode, struct err *err)
{
	static const struct journal_owner owner = { .command = "test" };
	struct step step = { .op = "eswitch", .dev = CARD };
	struct plan plan = PLAN_INIT;
	struct txn *txn = NULL;
	int r;

	snprintf(step.after, sizeof(step.after), "%s", mode);
	assert_int_equal(plan_add(&plan, &step), 0);
	r = txn_begin(card->root, ops, &plan, &owner, 5, &txn, err);
	plan_fini(&plan);
	return r < 0 || !txn ? r : txn_apply(txn, err);
}

static void test_restore_brings_the_mode_back(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	struct err err = ERR_INIT;
	unsigned undone = 0;

	assert_int_equal(apply(card, "switchdev", &err), 0);
	assert_int_equal(mode_now(), DEVLINK_SWITCHDEV);
	assert_int_equal(journal_restore(card->root, ops, CARD, 5, &undone, &err), 0);
	assert_int_equal(undone, 1);
	assert_int_equal(mode_now(), DEVLINK_LEGACY);
}

static void test_a_mode_that_is_so_already_is_no_change(void **state)
{
	struct card *card = card_with_vfs(state, VFS);
	struct err err = ERR_INIT;
	unsigned undone = 0;

	assert_int_equal(apply(card, "legacy", &err), 0);
	assert_int_equal(journal_restore(card->root, ops, CARD, 5, &undone, &err), 0);
	assert_int_equal(undone, 0);
}

/* --- links ------------------------------------------------------------------------------------ */

struct seen {
	int index[VFS];
	unsigned came, went, indexes;
};

static void note(const struct link_change *c, void *opaque)
{
	struct seen *s = opaque;

	for (unsigned i = 0; i < s->indexes; i++) {
		if (s->index[i] == c->index) {
			s->went += c->gone;
			return;
		}
	}
	if (c->gone || s->indexes == VFS)
		return;
	assert_true(c->name[0]);
	s->index[s->indexes++] = c->index;
	s->came++;
}

static void watch(int fd, struct seen *s, const unsigned *until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (*until < VFS && poll(&p, 1, 5000) == 1)
		assert_int_equal(link_watch_read(fd, note, s), 0);
	assert_int_equal(*until, VFS);
}

static void test_links_of_representors_are_told(void **state)
{
	(void)card_with_vfs(state, VFS);
	_cleanup_close_ int fd = link_watch_open();
	struct seen s = { 0 };

	assert_true(fd >= 0);
	set_mode(DEVLINK_SWITCHDEV);
	watch(fd, &s, &s.came);
	set_mode(DEVLINK_LEGACY);
	watch(fd, &s, &s.went);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_mode_goes_there_and_back),
		cmocka_unit_test(test_representors_are_not_the_pfs_interfaces),
		cmocka_unit_test(test_attributes_in_switchdev_mode),
		cmocka_unit_test(test_what_devlink_does_not_know_is_unsupported),
		cmocka_unit_test(test_vfs_made_in_switchdev_mode),
		cmocka_unit_test(test_restore_brings_the_mode_back),
		cmocka_unit_test(test_a_mode_that_is_so_already_is_no_change),
		cmocka_unit_test(test_links_of_representors_are_told),
	};

	return cmocka_run_group_tests_name("netdevsim: eswitch", tests, card_open, card_close);
}
