// SPDX-License-Identifier: GPL-2.0-or-later
/* Which VF of several a guest's network device gets, and which it leaves to others. */
#include "tools/failover_pick.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/change.h"
#include "host/lease.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_open.h"

#define VF0 "0000:01:10.0"
#define NET "sys/class/net/eth0"

static struct fake_pf k;
static struct failover_want want;
static struct failover_vf got;
static struct err err;
static unsigned choice, binds, releases; /* how many there were to choose from */
static unsigned asked, returns, forgets;
static int return_gives;
static pid_t holder;

int __wrap_lease_take(int root, const struct lease_request *req, struct lease *ret, struct err *e);
int __wrap_lease_read(int root, struct bdf bdf, struct lease *ret);
int __wrap_lease_release(int root, struct bdf bdf, bool force, unsigned timeout_s, struct err *e);
int __wrap_change_bind(int root, const struct bind_request *req, const struct journal_owner *owner,
		       unsigned timeout_s, struct err *e);
int __wrap_vm_check_bound_for_run(int root, struct bdf bdf, struct pci_function *ret, struct err *e);

int __wrap_lease_take(int root, const struct lease_request *req, struct lease *ret, struct err *e)
{
	choice = (unsigned)req->count;
	asked++;
	if (!req->count)
		return err_plain(e, -EBUSY, "none of the %s is free", req->what);
	*ret = (struct lease){ .bdf = req->among[0] };
	return 0;
}

int __wrap_lease_read(int root, struct bdf bdf, struct lease *ret)
{
	*ret = (struct lease){ .bdf = bdf, .holder.pid = holder };
	return holder ? 0 : -ENOENT;
}

int __wrap_lease_release(int root, struct bdf bdf, bool force, unsigned timeout_s, struct err *e)
{
	releases++;
	return 0;
}

int __wrap_change_bind(int root, const struct bind_request *req, const struct journal_owner *owner,
		       unsigned timeout_s, struct err *e)
{
	binds++;
	return 0;
}

int __wrap_vm_check_bound_for_run(int root, struct bdf bdf, struct pci_function *ret, struct err *e)
{
	return 0;
}

int __wrap_change_return_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned timeout_s,
			    struct err *e);
int __wrap_change_return_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned timeout_s,
			    struct err *e)
{
	returns++;
	return return_gives ? err_plain(e, return_gives, "the lock is held") : 0;
}

int __wrap_change_forget_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned timeout_s,
			    struct err *e);
int __wrap_change_forget_vf(int root, struct bdf vf, struct bdf pf, unsigned index, unsigned timeout_s,
			    struct err *e)
{
	forgets++;
	return 0;
}

static int setup(void **state)
{
	fake_pf_init(&k);
	fake_pf_set(&k, 1);
	fake_sysfs_text(k.root, "0x1003", NET "/flags");
	fake_sysfs_text(k.root, "1", NET "/carrier");
	fake_sysfs_remove(k.root, "sys/bus/pci/devices/" VF0 "/driver");
	want = (struct failover_want){ .vf = "auto", .bridge = "", .bind = true, .near_node = -1 };
	err = (struct err)ERR_INIT;
	choice = binds = releases = returns = forgets = 0;
	return_gives = 0;
	holder = 0;
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

static int pick(void)
{
	err = (struct err)ERR_INIT;
	choice = 99;
	asked = 0;
	return failover_pick(k.root, &want, &got, &err);
}

static void test_one_without_a_driver_is_bound_where_that_was_asked_for(void **state)
{
	assert_int_equal(pick(), 0);
	assert_int_equal(choice, 1);
	assert_int_equal(binds, 1);
	assert_int_equal(got.bdf.dev, 0x10);
	want.bind = false;
	assert_int_equal(pick(), -EBUSY);
	assert_int_equal(choice, 0);
	assert_non_null(strstr(err.text, "of no use now: " VF0 " (vf-unbound)"));
}

static void test_what_the_host_unbound_is_not_bound_again(void **state)
{
	struct bdf bdf = { .bus = 1, .dev = 0x10 };

	for (unsigned i = 0; i < 20; i++) /* said once or often */
		failover_pick_remember(k.root, &want.wanted_back, bdf);
	assert_int_equal(want.wanted_back.next, 1);
	assert_int_equal(pick(), -EBUSY);
	assert_int_equal(binds, 0);
	assert_non_null(strstr(err.text, VF0 " (vf-unbound)"));
	/* By whoever bound it. */
	fake_sysfs_link(k.root, "../../../../bus/pci/drivers/vfio-pci", "sys/bus/pci/devices/" VF0 "/driver");
	assert_int_equal(pick(), 0);
	fake_sysfs_remove(k.root, "sys/bus/pci/devices/" VF0 "/driver");
	assert_int_equal(pick(), -EBUSY);
	/* One that is made anew is another one: in sysfs no number comes twice. */
	want.wanted_back.vf[0]++;
	assert_int_equal(pick(), 0);
	/* And one that is gone is nobody's to remember. */
	fake_pf_set(&k, 0);
	failover_pick_remember(k.root, &want.wanted_back, bdf);
	fake_pf_set(&k, 1);
	fake_sysfs_remove(k.root, "sys/bus/pci/devices/" VF0 "/driver");
	want.wanted_back.vf[0]++;
	assert_int_equal(pick(), 0);
}

static void test_a_lease_that_is_not_ours_is_left(void **state)
{
	struct failover_vf vf = { .have = true, .bdf = { .bus = 1, .dev = 0x10 } };

	holder = getpid() + 1;
	failover_pick_release(k.root, &want, &vf);
	assert_false(vf.have);
	assert_int_equal(releases, 0);
	vf.have = true;
	holder = getpid();
	failover_pick_release(k.root, &want, &vf);
	assert_int_equal(releases, 1);
	failover_pick_release(k.root, &want, &vf); /* it has none any more */
	assert_int_equal(releases, 1);
}

static void test_what_is_given_up_is_put_back_for_others(void **state)
{
	struct failover_vf vf = { .have = true, .bdf = { .bus = 1, .dev = 0x10 } };

	holder = getpid();
	failover_pick_give_up(k.root, &want, &vf);
	assert_false(vf.have);
	assert_int_equal(returns, 1);
	assert_int_equal(releases, 1);
	failover_pick_give_up(k.root, &want, &vf); /* it has none any more */
	assert_int_equal(returns, 1);
	return_gives = -ETIMEDOUT;
	vf.have = true;
	failover_pick_give_up(k.root, &want, &vf);
	assert_int_equal(releases, 2);
	/* Its own MAC is the guest's, who goes on with it. */
	vf = (struct failover_vf){ .have = true, .bdf = vf.bdf, .has_own_mac = true };
	failover_pick_give_up(k.root, &want, &vf);
	assert_int_equal(returns, 2);
	assert_int_equal(releases, 3);
	/* What is gone cannot be put back, and whoever makes it anew is not kept from it. */
	assert_int_equal(forgets, 0);
	fake_pf_set(&k, 0);
	vf.have = true;
	failover_pick_give_up(k.root, &want, &vf);
	assert_int_equal(returns, 2);
	assert_int_equal(forgets, 1);
}

static void test_what_was_refused_is_not_tried_again_in_this_search(void **state)
{
	failover_pick_remember(k.root, &want.refused, (struct bdf){ .bus = 1, .dev = 0x10 });
	assert_int_equal(pick(), -EBUSY);
	assert_non_null(strstr(err.text, "of no use now: " VF0 " (refused)"));
	want.refused = (struct vf_memory){ 0 };
	assert_int_equal(pick(), 0);
}

static void bridge_over_the_card(void)
{
	static const struct fake_node nodes[] = {
		{ "sys/class/net/br0/lower_eth0" },
		{ "sys/class/net/macvtap0/lower_eth0" },
		{ 0 },
	};

	fake_sysfs_add(k.root, nodes);
}

/* Its own card's may carry what stands by as well, while the VF is without its MAC. */
static void test_the_standbys_own_card_is_the_last(void **state)
{
	bridge_over_the_card();
	want.bridge = "br0";
	assert_int_equal(pick(), 0);
	assert_int_equal(asked, 2); /* none of other cards */
	assert_true(got.own_uplink);
	want.vf = VF0;
	assert_int_equal(pick(), 0);
	assert_true(got.own_uplink);
	/* Not if its driver keeps MACs. */
	want.vf = "auto";
	want.no_own = true;
	assert_int_equal(pick(), -EBUSY);
	assert_non_null(strstr(err.text, "of no use now: " VF0 " (the standby's own card, which keeps MACs)"));
	want.bridge = "br1";
	assert_int_equal(pick(), 0);
	assert_int_equal(asked, 1);
	assert_false(got.own_uplink);
}

static void test_a_macvtap_of_the_same_card_does_not_stand_by(void **state)
{
	bridge_over_the_card();
	want.bridge = "macvtap0";
	want.macvtap = true;
	assert_int_equal(pick(), -EBUSY);
	assert_non_null(strstr(err.text, "of no use now: " VF0 " (the macvtap's own card)"));
	want.vf = VF0;
	assert_int_equal(pick(), -EINVAL);
	assert_string_equal(err.text, "--nic: macvtap0 cannot stand by for " VF0 ": a macvtap of that VF's own card "
				      "0000:01:00.0 keeps the guest's MAC there, and the VF needs it");
	assert_non_null(strstr(err.hint, "a bridge over that card"));
	assert_int_equal(binds, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_without_a_driver_is_bound_where_that_was_asked_for),
		T(test_what_the_host_unbound_is_not_bound_again),
		T(test_a_lease_that_is_not_ours_is_left),
		T(test_what_is_given_up_is_put_back_for_others),
		T(test_what_was_refused_is_not_tried_again_in_this_search),
		T(test_the_standbys_own_card_is_the_last),
		T(test_a_macvtap_of_the_same_card_does_not_stand_by),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
