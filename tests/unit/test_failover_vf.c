// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a VF could carry a guest's traffic, as sysfs tells it; and by which card a bridge does. */
#include "tools/failover_vf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rarp.h"
#include "host/change.h"
#include "sriov/vf_link.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"
#include "tools/failover_uplink.h"

#define VF0 "0000:01:10.0"
#define NET "sys/class/net/eth0"

static struct fake_pf k;
static const struct bdf pf_bdf = { .bus = 1 }, vf_bdf0 = { .bus = 1, .dev = 0x10 };
static struct failover_vf vf;

/* What the PF has of its VFs, for all processes of a test. */
static struct vf_attrs *card;
/* What its driver says to a MAC; above 0: that it took it, which is not true. */
static int set_gives;

int __wrap_vf_link_read(int root, const struct pf *pf, struct vf_attrs *ret, unsigned n);
int __wrap_vf_link_set(int root, const struct pf *pf, unsigned vf, enum vf_group group,
		       const struct vf_attrs *attrs);

int __wrap_vf_link_read(int root, const struct pf *pf, struct vf_attrs *ret, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ret[i] = card[i];
	return (int)n;
}

int __wrap_vf_link_set(int root, const struct pf *pf, unsigned index, enum vf_group group,
		       const struct vf_attrs *attrs)
{
	assert_int_equal(group, VF_GROUP_MAC);
	if (set_gives == 0)
		memcpy(card[index].mac, attrs->mac, 6);
	return set_gives > 0 ? 0 : set_gives;
}

static void link_state(const char *flags, const char *carrier)
{
	fake_sysfs_text(k.root, flags, NET "/flags");
	fake_sysfs_text(k.root, carrier, NET "/carrier");
}

static void bound_to(const char *driver)
{
	fake_sysfs_remove(k.root, "sys/bus/pci/devices/" VF0 "/driver");
	if (driver)
		fake_sysfs_link(k.root, driver, "sys/bus/pci/devices/" VF0 "/driver");
}

static int setup(void **state)
{
	fake_pf_init(&k);
	fake_pf_set(&k, 2);
	card = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(card, MAP_FAILED);
	card[0] = (struct vf_attrs){ .have = 1u << VF_MAC, .mac = { 2, 0, 0, 0, 0, 7 } };
	card[1].have = 1u << VF_MAC;
	set_gives = 0;
	assert_int_equal(failover_vf_describe(k.root, vf_bdf0, &vf, NULL), 0);
	link_state("0x1003", "1");
	bound_to("../../../../bus/pci/drivers/vfio-pci");
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	munmap(card, 4096);
	return 0;
}

static void test_it_is_a_vf_of_its_pf(void **state)
{
	assert_true(vf.have);
	assert_true(bdf_eq(vf.bdf, vf_bdf0));
	assert_true(bdf_eq(vf.pf, pf_bdf));
	assert_int_equal(vf.index, 0);
}

static void test_what_is_no_vf_is_refused(void **state)
{
	struct err pf = ERR_INIT, none = ERR_INIT;
	struct failover_vf other = { .index = 77 };

	assert_int_equal(failover_vf_describe(k.root, pf_bdf, &other, &pf), -EINVAL);
	assert_string_equal(pf.text, "--nic: 0000:01:00.0 is no VF: its MAC cannot be given away");
	assert_non_null(strstr(pf.hint, "thruway vf create"));
	assert_int_equal(failover_vf_describe(k.root, (struct bdf){ .bus = 9 }, &other, &none),
			 -ENODEV);
	assert_int_equal(other.index, 77);
}

static void test_each_thing_that_keeps_it_from_working(void **state)
{
	const struct failover_vf none = { .have = false };

	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_WELL);
	assert_int_equal(failover_vf_look(k.root, &none), FAILOVER_NO_VF);
	bound_to(NULL);
	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_UNBOUND);
	bound_to("../../../../bus/pci/drivers/igbvf");
	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_UNBOUND);
	link_state("0x1003", "0");
	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_NO_LINK);
	link_state("0x1002", "0");
	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_PF_DOWN);
	link_state("0x1003", "1");
	fake_pf_set(&k, 0);
	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_VF_GONE);
	fake_sysfs_remove(k.root, FAKE_PF_DIR "/net");
	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_PF_GONE);
}

/* Destroying VFs holds their PF's lock until the guest lets go: whoever waited for it would be late for that. */
static void test_it_is_looked_at_while_its_pf_is_busy(void **state)
{
	static const uint8_t none[6];
	pid_t aside;

	fake_sysfs_remove(k.root, FAKE_PF_DIR "/sriov_numvfs");
	assert_int_equal(mkfifoat(k.root, FAKE_PF_DIR "/sriov_numvfs", 0600), 0);
	assert_int_equal(failover_vf_look(k.root, &vf), FAILOVER_WELL);
	assert_int_equal(failover_vf_rest(k.root, &vf, NULL), 0);
	assert_memory_equal(card[0].mac, none, 6);
	/* None was left behind that waits for what cannot be read. */
	aside = waitpid(-1, NULL, WNOHANG);
	assert_int_equal(aside, -1);
	assert_int_equal(errno, ECHILD);
	/* With the VF its MAC is gone. */
	card[0].mac[0] = 2;
	fake_sysfs_remove(k.root, FAKE_PF_DIR "/sriov_numvfs");
	fake_sysfs_text(k.root, "2", FAKE_PF_DIR "/sriov_numvfs");
	fake_pf_set(&k, 0);
	assert_int_equal(failover_vf_rest(k.root, &vf, NULL), 0);
	assert_int_equal(card[0].mac[0], 2);
}

static int count_step(const struct step *step, void *opaque)
{
	++*(unsigned *)opaque;
	return 0;
}

static void test_a_driver_that_keeps_its_mac_is_found_out(void **state)
{
	unsigned steps = 0;

	static const uint8_t own[6] = { 2, 0, 0, 0, 0, 7 }, guests[6] = { 2, 0, 0, 0, 0, 8 };
	struct err refused = ERR_INIT, lied = ERR_INIT;

	fake_sysfs_remove(k.root, "proc");
	fake_sysfs_link(k.root, "/proc", "proc");
	assert_int_equal(failover_vf_claim(k.root, &vf, guests, 0, NULL), 0);
	assert_false(vf.has_own_mac);
	set_gives = -EINVAL;
	assert_int_equal(failover_vf_rest(k.root, &vf, &refused), -EINVAL);
	assert_string_equal(refused.text, "0000:01:00.0: its driver does not take the guest's MAC from vf0: Invalid argument");
	set_gives = 1;
	assert_int_equal(failover_vf_rest(k.root, &vf, &lied), -EIO);
	/* One that gives it another one does. */
	card[0].mac[5] = 99;
	assert_int_equal(failover_vf_rest(k.root, &vf, NULL), 0);
	set_gives = 0;
	assert_int_equal(change_return_vf(k.root, vf.bdf, vf.pf, 1, 0, NULL), 0); /* another one */
	assert_memory_not_equal(card[0].mac, own, 6);
	assert_int_equal(change_return_vf(k.root, vf.bdf, vf.pf, 0, 0, NULL), 0);
	assert_memory_equal(card[0].mac, own, 6);
	/* With a VF that is gone its changes are. */
	assert_int_equal(failover_vf_claim(k.root, &vf, guests, 0, NULL), 0);
	assert_int_equal(change_forget_vf(k.root, vf.bdf, vf.pf, 1, 0, NULL), 0);
	assert_int_equal(journal_each(k.root, count_step, &steps), 0);
	assert_int_equal(steps, 1);
	assert_int_equal(change_forget_vf(k.root, vf.bdf, vf.pf, 0, 0, NULL), 0);
	assert_int_equal(journal_each(k.root, count_step, &steps), 0);
	assert_int_equal(steps, 1);
	memcpy(card[0].mac, own, 6);
	/* For whoever wants it now. */
	assert_int_equal(failover_vf_claim(k.root, &vf, own, 0, NULL), 0);
	assert_true(vf.has_own_mac);
}

static void test_a_mac_that_another_has_is_not_the_guests(void **state)
{
	struct err vfs = ERR_INIT, pfs = ERR_INIT;
	uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

	fake_sysfs_text(k.root, "02:00:00:00:00:0a", NET "/address");
	memcpy(card[1].mac, mac, 6);
	assert_int_equal(failover_vf_claim(k.root, &vf, mac, 0, &vfs), -EINVAL);
	assert_string_equal(vfs.text, "--nic: " VF0 " cannot be the guest's: vf1 has the MAC 02:00:00:00:00:09 already");
	mac[5] = 10;
	assert_int_equal(failover_vf_claim(k.root, &vf, mac, 0, &pfs), -EINVAL);
	assert_non_null(strstr(pfs.text, "the MAC of eth0 itself"));
	assert_int_equal(card[0].mac[5], 7);
}

static void test_what_somebody_sets_meanwhile_is_kept(void **state)
{
	static const uint8_t guests[6] = { 2, 0, 0, 0, 0, 8 };

	fake_sysfs_remove(k.root, "proc");
	fake_sysfs_link(k.root, "/proc", "proc");
	card[0].have |= 1u << VF_SPOOFCHK;
	assert_int_equal(failover_vf_claim(k.root, &vf, guests, 0, NULL), 0);
	assert_false(vf.attrs.spoofchk);
	card[0].spoofchk = true;
	assert_int_equal(failover_vf_rest(k.root, &vf, NULL), 0);
	failover_vf_note(k.root, &vf);
	assert_true(vf.attrs.spoofchk);
	assert_memory_equal(vf.attrs.mac, guests, 6);
	/* With the lock or without. */
	fake_sysfs_remove(k.root, FAKE_PF_DIR "/sriov_numvfs");
	assert_int_equal(mkfifoat(k.root, FAKE_PF_DIR "/sriov_numvfs", 0600), 0);
	card[0].spoofchk = false;
	failover_vf_note(k.root, &vf);
	assert_false(vf.attrs.spoofchk);
}

static void command_register(uint8_t low)
{
	char text[6] = { 'I', 'N', 'T', 'L', (char)low, 4 };
	int fd = openat(k.root, "sys/bus/pci/devices/" VF0 "/config", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
}

static void test_one_that_was_reset_may_do_no_dma(void **state)
{
	assert_true(failover_vf_may_do_dma(k.root, &vf)); /* it cannot be read */
	command_register(0x06);
	assert_true(failover_vf_may_do_dma(k.root, &vf));
	command_register(0x02);
	assert_false(failover_vf_may_do_dma(k.root, &vf));
	fake_sysfs_text(k.root, "short", "sys/bus/pci/devices/" VF0 "/config");
	assert_true(failover_vf_may_do_dma(k.root, &vf));
}

/* A `vm run` that is killed while its guest goes by the standby. */
static void claim_rest_and_die(const uint8_t mac[6])
{
	static const uint8_t none[6];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (failover_vf_claim(k.root, &vf, mac, 0, NULL) < 0)
			_exit(1);
		(void)failover_vf_rest(k.root, &vf, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_memory_equal(card[0].mac, none, 6);
}

static void test_a_vf_has_its_mac_again_whoever_was_killed(void **state)
{
	static const uint8_t own[6] = { 2, 0, 0, 0, 0, 7 }, guests[6] = { 2, 0, 0, 0, 0, 8 };

	fake_sysfs_remove(k.root, "proc");
	fake_sysfs_link(k.root, "/proc", "proc");
	claim_rest_and_die(guests);
	assert_int_equal(change_recover(k.root, 0, NULL), 0);
	assert_memory_equal(card[0].mac, own, 6);
	/* Without mac= the guest has the VF's: nothing is changed, until it rests. */
	claim_rest_and_die(own);
	assert_int_equal(change_recover(k.root, 0, NULL), 0);
	assert_memory_equal(card[0].mac, own, 6);
}

static void test_what_a_guest_has_is_nobody_elses_to_set(void **state)
{
	static const uint8_t own[6] = { 2, 0, 0, 0, 0, 7 };
	int up[2], status;
	char c = 0;
	pid_t pid;

	fake_sysfs_remove(k.root, "proc");
	fake_sysfs_link(k.root, "/proc", "proc");
	assert_int_equal(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = failover_vf_claim(k.root, &vf, own, 0, NULL) == 0 ? 'y' : 'n';
		assert_int_equal(write(up[1], &c, 1), 1);
		pause();
	}
	assert_int_equal(read(up[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(failover_vf_rest(k.root, &vf, NULL), 0);
	/* It is that process's to put back, too. */
	assert_int_equal(change_return_vf(k.root, vf.bdf, vf.pf, 0, 0, NULL), 0);
	assert_int_equal(card[0].mac[0], 0);
	/* As `vf set` would, which would have its PF's switch keep the guest's frames. */
	assert_int_equal(failover_vf_claim(k.root, &vf, own, 0, NULL), -EBUSY);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(up[0]);
	close(up[1]);
}

static void test_an_uplink_is_found_below_bonds_and_vlans(void **state)
{
	static const struct fake_node nodes[] = {
		{ "sys/class/net/br0/bridge" },
		{ "sys/class/net/br0/lower_tap0" },
		{ "sys/class/net/br0/lower_bond0.5" },
		{ "sys/class/net/tap0" },
		{ "sys/class/net/bond0.5/lower_bond0" },
		{ "sys/class/net/bond0/lower_eth0" },
		{ "sys/class/net/br1/lower_tap0" },
		{ "sys/class/net/tap1/master", .link = "../br0" },
		{ "sys/class/net/macvtap0/lower_eth0" },
		{ "sys/class/net/br4/lower_vf1" },
		{ "sys/class/net/vf1/device/physfn", .link = "../" FAKE_PF },
		/* In a VRF beside the card. */
		{ "sys/class/net/br1/bridge" },
		{ "sys/class/net/br1/master", .link = "../vrf0" },
		{ "sys/class/net/vrf0/lower_eth0" },
		/* A circle, which the kernel does not make. */
		{ "sys/class/net/br2/lower_br3" },
		{ "sys/class/net/br3/lower_br2" },
		{ 0 },
	};

	fake_sysfs_add(k.root, nodes);
	assert_true(failover_uplink_is(k.root, "br0", pf_bdf));
	assert_true(failover_uplink_is(k.root, "eth0", pf_bdf));
	assert_true(failover_uplink_is(k.root, "tap1", pf_bdf));
	assert_true(failover_uplink_is(k.root, "macvtap0", pf_bdf));
	assert_true(failover_uplink_is(k.root, "br4", pf_bdf)); /* a sibling is at the same switch */
	assert_false(failover_uplink_is(k.root, "br1", pf_bdf));
	assert_false(failover_uplink_is(k.root, "br2", pf_bdf));
	assert_false(failover_uplink_is(k.root, "br0", (struct bdf){ .bus = 2 }));
	assert_false(failover_uplink_is(k.root, "", pf_bdf));
}

static void test_an_announcement_is_a_rarp_request(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 },
			     want[42] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x80, 0x35,
					  0, 1, 8, 0, 6, 4, 0, 3, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0,
					  2, 0, 0, 0, 0, 9, 0, 0, 0, 0 };
	uint8_t frame[RARP_FRAME_LEN];

	memset(frame, 0xee, sizeof(frame));
	rarp_frame(frame, mac);
	assert_memory_equal(frame, want, sizeof(want));
	for (size_t i = sizeof(want); i < sizeof(frame); i++)
		assert_int_equal(frame[i], 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_it_is_a_vf_of_its_pf),
		T(test_what_is_no_vf_is_refused),
		T(test_each_thing_that_keeps_it_from_working),
		T(test_it_is_looked_at_while_its_pf_is_busy),
		T(test_a_driver_that_keeps_its_mac_is_found_out),
		T(test_a_mac_that_another_has_is_not_the_guests),
		T(test_what_somebody_sets_meanwhile_is_kept),
		T(test_one_that_was_reset_may_do_no_dma),
		T(test_a_vf_has_its_mac_again_whoever_was_killed),
		T(test_what_a_guest_has_is_nobody_elses_to_set),
		T(test_an_uplink_is_found_below_bonds_and_vlans),
		cmocka_unit_test(test_an_announcement_is_a_rarp_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
