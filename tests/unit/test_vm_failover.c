// SPDX-License-Identifier: GPL-2.0-or-later
/* A network device's VF on a host and with a VMM that do not always do what is wanted. */
#include "tools/vm_failover.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "sriov/bridge.h"
#include "sriov/link_watch.h"
#include "sriov/pf_announce.h"
#include "tests/fake/sysfs.h"
#include "tools/failover_pick.h"
#include "tools/failover_vf.h"
#include "tools/vm_attach.h"
#include "tools/vm_client.h"
#include "tools/vm_opts.h"
#include "vfio/hotplug.h"

#define ONE "0000:01:10.0"
#define TWO "0000:02:10.0"

static const struct failover_vf vfs[] = {
	{ .have = true, .bdf = { .bus = 1, .dev = 0x10 }, .pf = { .bus = 1 } },
	{ .have = true, .bdf = { .bus = 2, .dev = 0x10 }, .pf = { .bus = 2 } },
};

static int root, sock[2], uevent, links;
static struct loop *loop;
static struct vm_failover *f;
static struct vm_opts opts;
static struct vmm_config config;
static struct hotplug_event told; /* the next uevent; its action is "" when it was taken */

static enum failover_fault fault[2]; /* of each VF */
static unsigned own; /* which of them is the standby's card's */
static int attach_gives, detach_gives, rest_gives, claim_gives;
static unsigned attaches, detaches, rests, readies, picks, given_up, announced, notes;
static char forgot[16]; /* the port */
static const char *changed = "eth0";
static char attached[BDF_STRLEN];

/* --- the kernel, the card and the VM -------------------------------------------------------------- */

int __wrap_hotplug_open(int r, struct hotplug **ret, struct err *err);
void __wrap_hotplug_close(struct hotplug *h);
int __wrap_hotplug_fd(struct hotplug *h);
int __wrap_hotplug_next(struct hotplug *h, struct hotplug_event *ret);
int __wrap_link_watch_open(void);
int __wrap_link_watch_read(int fd, link_change_fn fn, void *opaque);
int __wrap_vm_client_open(int r, const char *name, struct vm_client *ret, struct err *err);
int __wrap_vm_attach_device(int r, struct vm_client *vm, const struct vm_attach *device, struct err *err);
int __wrap_vm_detach_device(struct vm_client *vm, struct bdf bdf, bool now, struct err *err);
int __wrap_failover_pick(int r, const struct failover_want *want, struct failover_vf *ret, struct err *err);
void __wrap_failover_pick_release(int r, const struct failover_want *want, struct failover_vf *vf);
enum failover_fault __wrap_failover_vf_look(int r, const struct failover_vf *vf);
int __wrap_failover_vf_mac(int r, const struct failover_vf *vf, uint8_t ret[6], struct err *err);
int __wrap_failover_vf_claim(int r, struct failover_vf *vf, const uint8_t mac[6], unsigned s, struct err *err);
int __wrap_failover_vf_ready(int r, const struct failover_vf *vf, struct err *err);
int __wrap_failover_vf_rest(int r, const struct failover_vf *vf, struct err *err);
void __wrap_failover_vf_note(int r, struct failover_vf *vf);
void __wrap_failover_pick_give_up(int r, const struct failover_want *want, struct failover_vf *vf);
int __wrap_bridge_forget(const char *port, const uint8_t mac[6]);
int __wrap_pf_read_interface(int r, struct bdf bdf, struct pf *ret);
int __wrap_pf_announce(const char *netdev, const uint8_t mac[6]);

int __wrap_hotplug_open(int r, struct hotplug **ret, struct err *err)
{
	uevent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*ret = (struct hotplug *)&told;
	return uevent < 0 ? -errno : 0;
}

void __wrap_hotplug_close(struct hotplug *h)
{
	close_fdp(&uevent);
}

int __wrap_hotplug_fd(struct hotplug *h)
{
	return uevent;
}

int __wrap_hotplug_next(struct hotplug *h, struct hotplug_event *ret)
{
	eventfd_t n;

	if (!told.action[0])
		return eventfd_read(uevent, &n) < 0 ? 0 : 0;
	*ret = told;
	told.action[0] = '\0';
	return 1;
}

int __wrap_link_watch_open(void)
{
	links = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return links;
}

/* Always of a link that is called so. */
int __wrap_link_watch_read(int fd, link_change_fn fn, void *opaque)
{
	struct link_change change = { .index = 2 };
	eventfd_t n;

	strcpy(change.name, changed);
	if (eventfd_read(fd, &n) == 0)
		fn(&change, opaque);
	return 0;
}

int __wrap_vm_client_open(int r, const char *name, struct vm_client *ret, struct err *err)
{
	*ret = (struct vm_client){ .name = name, .fd = dup(uevent) };
	return 0;
}

int __wrap_vm_attach_device(int r, struct vm_client *vm, const struct vm_attach *device, struct err *err)
{
	attaches++;
	bdf_str(device->bdf, attached);
	return attach_gives ? err_plain(err, attach_gives, "not attached") : 0;
}

int __wrap_vm_detach_device(struct vm_client *vm, struct bdf bdf, bool now, struct err *err)
{
	detaches++;
	return detach_gives ? err_plain(err, detach_gives, "not detached") : 0;
}

static unsigned of(const struct failover_vf *vf)
{
	return vf->bdf.bus - 1u;
}

/* The first that is well. */
int __wrap_failover_pick(int r, const struct failover_want *want, struct failover_vf *ret, struct err *err)
{
	picks++;
	for (unsigned i = 0; i < 2; i++) {
		if (fault[i] != FAILOVER_WELL)
			continue;
		if ((i == own && want->no_own) || (i == 0 && want->refused.next))
			continue;
		*ret = vfs[i];
		ret->own_uplink = i == own;
		return 0;
	}
	return err_plain(err, -EBUSY, "none is free");
}

void __wrap_failover_pick_release(int r, const struct failover_want *want, struct failover_vf *vf)
{
	vf->have = false;
}

enum failover_fault __wrap_failover_vf_look(int r, const struct failover_vf *vf)
{
	return vf->have ? fault[of(vf)] : FAILOVER_NO_VF;
}

int __wrap_failover_vf_mac(int r, const struct failover_vf *vf, uint8_t ret[6], struct err *err)
{
	memset(ret, 2, 6);
	return 0;
}

int __wrap_failover_vf_claim(int r, struct failover_vf *vf, const uint8_t mac[6], unsigned s, struct err *err)
{
	return claim_gives && of(vf) == 0 ? err_plain(err, claim_gives, "another has it") : 0;
}

int __wrap_failover_vf_ready(int r, const struct failover_vf *vf, struct err *err)
{
	readies++;
	return 0;
}

int __wrap_failover_vf_rest(int r, const struct failover_vf *vf, struct err *err)
{
	rests++;
	return rest_gives ? err_plain(err, rest_gives, "its driver keeps it") : 0;
}

void __wrap_failover_vf_note(int r, struct failover_vf *vf)
{
	notes++;
}

void __wrap_failover_pick_give_up(int r, const struct failover_want *want, struct failover_vf *vf)
{
	given_up += vf->have;
	vf->have = false;
}

int __wrap_bridge_forget(const char *port, const uint8_t mac[6])
{
	snprintf(forgot, sizeof(forgot), "%s", port);
	return 0;
}

int __wrap_pf_read_interface(int r, struct bdf bdf, struct pf *ret)
{
	*ret = (struct pf){ .netdevs = 1, .netdev = "eth0" };
	return 0;
}

int __wrap_pf_announce(const char *netdev, const uint8_t mac[6])
{
	assert_string_equal(netdev, "eth0");
	announced++;
	return 0;
}

/* --- a VM of which one network device has one of two VFs ------------------------------------------- */

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "sys/bus/pci/devices" }, { 0 } };

	root = fake_sysfs(nodes);
	memset(fault, 0, sizeof(fault));
	attach_gives = detach_gives = rest_gives = claim_gives = 0;
	attaches = detaches = rests = readies = given_up = announced = notes = 0;
	forgot[0] = attached[0] = '\0';
	own = 9;
	told.action[0] = '\0';
	opts = (struct vm_opts){ .nic_count = 1, .nodes = 1 };
	strcpy(opts.nics[0].vf, "pool:p");
	strcpy(opts.nics[0].bridge, "br0");
	config = (struct vmm_config){ .nic_count = 1, .numa = { .nodes = 1 } };
	strcpy(config.nics[0].host, "tap7");
	loop = loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock), 0);
	assert_int_equal(vm_failover_new(root, &opts, 0, 0, &f, NULL), 0);
	assert_int_equal(vm_failover_claim(f, &config, NULL), 0);
	assert_int_equal(vm_failover_start(f, loop, "vm", sock[0], NULL), 0);
	rests = 0;
	return 0;
}

static int teardown(void **state)
{
	vm_failover_stop(f);
	f = vm_failover_free(f);
	loop = loop_free(loop);
	close(sock[0]);
	close(sock[1]);
	fake_sysfs_free(&root);
	return 0;
}

static void on_time(void *opaque, int fd)
{
	loop_quit(loop, 0);
}

static void pass(unsigned ms)
{
	int timer;

	assert_int_equal(loop_timer_new(loop, on_time, NULL, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, ms * 1000000ull), 0);
	(void)loop_run(loop);
	loop_del(loop, timer);
	close(timer);
}

static void device(enum vm_device_event event, const char *name)
{
	assert_true(vm_failover_device(f, event, name));
}

static void link_changes(unsigned i, enum failover_fault now)
{
	fault[i] = now;
	assert_int_equal(eventfd_write(uevent, 1), 0);
	told = (struct hotplug_event){ .bdf = vfs[i].pf, .action = "change" };
	pass(50);
}

static void goes_by(const char *name)
{
	assert_string_equal(attached, name);
	device(VM_DEVICE_ADDED, name);
	device(VM_DEVICE_STARTED, name);
}

static void begin(void)
{
	vm_failover_nic(f, 0, VM_NIC_ACKNOWLEDGED);
	assert_int_equal(attaches, 1);
	goes_by(ONE);
}

/* What the VMM was told last. */
static struct vmm_nic_state latest(void)
{
	struct vmm_nic_state last = { 0 };
	struct vmm_order order;

	while (handover_next_command(sock[1], &order) == 0)
		if (order.nic.report)
			last = order.nic;
	return last;
}

static void test_a_dead_vf_is_taken_when_the_vmm_can_be_told(void **state)
{
	begin();
	detach_gives = -EIO; /* too many clients */
	link_changes(0, FAILOVER_NO_LINK);
	assert_int_equal(detaches, 1);
	detach_gives = 0;
	pass(1500);
	assert_int_equal(detaches, 2);
	pass(1500);
	assert_int_equal(detaches, 2);
}

static void test_a_vmm_that_answers_too_late_is_believed_later(void **state)
{
	attach_gives = -ETIMEDOUT;
	vm_failover_nic(f, 0, VM_NIC_ACKNOWLEDGED);
	assert_int_equal(attaches, 1);
	assert_int_equal(rests, 0); /* it is about to be in the guest */
	goes_by(ONE);
	assert_true(latest().primary);
	/* One that is refused is out. */
	link_changes(0, FAILOVER_NO_LINK);
	device(VM_DEVICE_REMOVED, ONE);
	attach_gives = -EIO;
	rests = 0;
	pass(4000);
	assert_int_equal(attaches, 2); /* of the other card */
	assert_string_equal(attached, TWO);
	assert_true(rests >= 2); /* claimed, and refused */
}

/* The link is lost in the recovery: the VF is given up, and nobody hears how that ends. */
static void test_an_error_of_one_card_is_not_the_others(void **state)
{
	begin();
	device(VM_DEVICE_ERROR, ONE);
	device(VM_DEVICE_REMOVED, ONE);
	link_changes(0, FAILOVER_NO_LINK);
	pass(4500);
	assert_int_equal(attaches, 2);
	goes_by(TWO);
	assert_string_equal(latest().device, TWO);
}

/* A VMM that does not read: nothing waits for it, and it hears how things are when it does. */
static void test_a_vmm_that_does_not_read_hears_of_it_later(void **state)
{
	begin();
	alarm(20); /* where somebody waits */
	while (handover_command(sock[0], VMM_COMMAND_POWER_BUTTON, -1) == 0)
		;
	device(VM_DEVICE_STOPPED, ONE);
	alarm(0);
	assert_true(latest().primary); /* as it was before */
	pass(700);
	assert_false(latest().primary);
}

/* Of containers that come and go, say: a search for each would leave the host's other commands no lock. */
static void test_a_host_on_which_much_happens_is_not_searched_all_the_time(void **state)
{
	begin();
	link_changes(0, FAILOVER_NO_LINK);
	device(VM_DEVICE_REMOVED, ONE);
	fault[1] = FAILOVER_PF_DOWN;
	picks = 0;
	for (unsigned i = 0; i < 40; i++)
		link_changes(0, FAILOVER_NO_LINK);
	assert_in_range(picks, 2, 10); /* in two seconds */
	/* What changes meanwhile is seen all the same, and soon. */
	link_changes(1, FAILOVER_WELL);
	pass(600);
	vm_failover_nic(f, 0, VM_NIC_WANT_PRIMARY);
	assert_string_equal(attached, TWO);
}

/* The RARPs out of the PF do not come back to a bridge of which that is the uplink. */
static void test_the_bridge_forgets_the_tap(void **state)
{
	begin();
	assert_true(announced > 0);
	assert_string_equal(forgot, "tap7");
	forgot[0] = '\0';
	announced = 0;
	device(VM_DEVICE_STOPPED, ONE);
	pass(50);
	assert_int_equal(announced, 0);
	assert_string_equal(forgot, ""); /* that is where the guest is */
}

static void somebody_sets(const char *netdev)
{
	changed = netdev;
	assert_int_equal(eventfd_write(links, 1), 0);
	pass(20);
}

/* As by `vf set`, of which the kernel tells as of a change of the PF's link. */
static void test_what_is_set_meanwhile_is_not_undone(void **state)
{
	begin();
	somebody_sets("eth7");
	assert_int_equal(notes, 0);
	somebody_sets("eth0");
	assert_int_equal(notes, 1);
	vm_failover_nic(f, 0, VM_NIC_WANT_STANDBY);
	device(VM_DEVICE_STOPPED, ONE);
	device(VM_DEVICE_REMOVED, ONE);
	somebody_sets("eth0");
	assert_int_equal(notes, 2);
	vm_failover_nic(f, 0, VM_NIC_WANT_PRIMARY);
	goes_by(ONE);
	/* What a driver says whose card has just been down is not what somebody wants. */
	fault[0] = FAILOVER_PF_DOWN;
	somebody_sets("eth0");
	device(VM_DEVICE_REMOVED, ONE);
	assert_int_equal(notes, 2);
}

static int claim_anew(const char *vf, unsigned its_own, struct err *err)
{
	teardown(NULL);
	setup(NULL);
	vm_failover_stop(f);
	vm_failover_free(f);
	strcpy(opts.nics[0].vf, vf);
	own = its_own;
	fault[1] = FAILOVER_PF_DOWN;
	rest_gives = -EIO;
	assert_int_equal(vm_failover_new(root, &opts, 0, 0, &f, err), 0);
	return vm_failover_claim(f, &config, err);
}

/* A driver that takes no MAC from a VF: the standby behind the same card would not be heard. */
static void test_a_card_that_keeps_macs_is_no_uplink(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(claim_anew(ONE, 0, &err), -EIO);
	assert_string_equal(err.text, "--nic: br0 cannot stand by for " ONE ": its uplink is that VF's own card, "
				      "and its driver keeps it");
	assert_non_null(strstr(err.hint, "a VF of another card"));
	assert_int_equal(given_up, 0); /* vm run ends with that */
	/* Behind another card that is no more than a warning. */
	err = (struct err)ERR_INIT;
	assert_int_equal(claim_anew(ONE, 1, &err), 0);
	assert_int_equal(given_up, 0);
	/* Of several it is none; there may be another one later. */
	assert_int_equal(claim_anew("auto", 0, &err), 0);
	assert_int_equal(given_up, 1);
	assert_int_equal(vm_failover_start(f, loop, "vm", sock[0], NULL), 0);
	vm_failover_nic(f, 0, VM_NIC_ACKNOWLEDGED);
	assert_int_equal(attaches, 0);
	pass(600);
	rest_gives = 0;
	link_changes(1, FAILOVER_WELL);
	pass(600);
	assert_string_equal(attached, TWO);
	assert_int_equal(given_up, 1);
}

/* Somebody else's journal has it, say: that one is passed over, and the guest starts all the same. */
static void test_a_vf_that_cannot_be_claimed_is_passed_over(void **state)
{
	struct err err = ERR_INIT;

	teardown(NULL);
	setup(NULL);
	vm_failover_stop(f);
	vm_failover_free(f);
	claim_gives = -EBUSY;
	assert_int_equal(vm_failover_new(root, &opts, 0, 0, &f, &err), 0);
	assert_int_equal(vm_failover_claim(f, &config, &err), 0);
	assert_int_equal(given_up, 1);
	assert_int_equal(vm_failover_start(f, loop, "vm", sock[0], NULL), 0);
	vm_failover_nic(f, 0, VM_NIC_ACKNOWLEDGED);
	assert_string_equal(attached, TWO);
	assert_int_equal(given_up, 2);
}

static void test_what_is_busy_may_do_later(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(claim_anew("auto", 0, &err), 0); /* -EIO: that is its driver's word */
	rest_gives = 0;
	assert_int_equal(vm_failover_start(f, loop, "vm", sock[0], NULL), 0);
	vm_failover_nic(f, 0, VM_NIC_ACKNOWLEDGED);
	pass(600);
	assert_int_equal(attaches, 0);

	teardown(NULL);
	setup(NULL);
	vm_failover_stop(f);
	vm_failover_free(f);
	own = 0;
	rest_gives = -EBUSY;
	assert_int_equal(vm_failover_new(root, &opts, 0, 0, &f, &err), 0);
	assert_int_equal(vm_failover_claim(f, &config, &err), 0);
	rest_gives = 0;
	assert_int_equal(vm_failover_start(f, loop, "vm", sock[0], NULL), 0);
	vm_failover_nic(f, 0, VM_NIC_ACKNOWLEDGED);
	assert_string_equal(attached, ONE);
}

/* Behind one card the standby is not heard while the VF has the MAC. */
static void test_a_vf_that_stops_leaves_its_own_card_to_the_standby(void **state)
{
	begin();
	device(VM_DEVICE_STOPPED, ONE);
	assert_int_equal(rests, 0); /* another card */
	teardown(NULL);
	setup(NULL);
	vm_failover_stop(f);
	vm_failover_free(f);
	own = 0;
	assert_int_equal(vm_failover_new(root, &opts, 0, 0, &f, NULL), 0);
	assert_int_equal(vm_failover_claim(f, &config, NULL), 0);
	assert_int_equal(vm_failover_start(f, loop, "vm", sock[0], NULL), 0);
	begin();
	rests = readies = 0;
	device(VM_DEVICE_STOPPED, ONE);
	assert_int_equal(rests, 1);
	device(VM_DEVICE_STARTED, ONE);
	assert_int_equal(readies, 1);
	device(VM_DEVICE_STARTED, ONE);
	assert_int_equal(readies, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_dead_vf_is_taken_when_the_vmm_can_be_told),
		T(test_a_vmm_that_answers_too_late_is_believed_later),
		T(test_an_error_of_one_card_is_not_the_others),
		T(test_a_host_on_which_much_happens_is_not_searched_all_the_time),
		T(test_a_vmm_that_does_not_read_hears_of_it_later),
		T(test_the_bridge_forgets_the_tap),
		T(test_a_card_that_keeps_macs_is_no_uplink),
		T(test_a_vf_that_cannot_be_claimed_is_passed_over),
		T(test_what_is_busy_may_do_later),
		T(test_what_is_set_meanwhile_is_not_undone),
		T(test_a_vf_that_stops_leaves_its_own_card_to_the_standby),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests_name("vm_failover", tests, NULL, NULL);
}
