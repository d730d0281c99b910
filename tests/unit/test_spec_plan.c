// SPDX-License-Identifier: GPL-2.0-or-later
/* A spec and a fake host become a plan: pure, idempotent, and careful with what is in use. */
#include "host/spec_apply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include <linux/nvme_ioctl.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/pci.h"
#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"
#include "tools/host_show.h"

#define GPU   "0000:05:00.0"
#define SOUND "0000:05:00.1"

static struct fake_pf k;

static int setup(void **state)
{
	static const struct fake_pci gpu = { .bdf = GPU, .ids = "10de:2684", .group = "9",
					     .class = 0x030000, .driver = "nouveau" };
	static const struct fake_pci sound = { .bdf = SOUND, .ids = "10de:22ba", .group = "9",
					       .class = 0x040300, .driver = "snd_hda_intel" };

	log_set_level(LOG_QUIET);
	fake_pf_init(&k);
	fake_sysfs_text(k.root, "0", "sys/class/net/eth0/addr_assign_type");
	fake_sysfs_text(k.root, "52:54:00:00:00:01", "sys/class/net/eth0/address");
	fake_sysfs_text(k.root, "(null)", FAKE_PF_DIR "/driver_override");
	fake_pci_add(k.root, &gpu);
	fake_pci_add(k.root, &sound);
	fake_sysfs_text(k.root, "0000:05:00", "sys/bus/pci/slots/7/address");
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

/* host.yaml's text, and what comes of it. */
static int plan(const char *text, struct host_spec *ret, struct err *err)
{
	*ret = (struct host_spec)HOST_SPEC_INIT;
	fake_sysfs_text(k.root, text, "etc/thruway/host.yaml");
	return host_spec_read(k.root, NULL, 0, ret, err);
}

/* All steps as "op dev key=after; ". */
static const char *steps(const struct host_spec *hs)
{
	static char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < hs->plan.plan.count && n < sizeof(text); i++) {
		const struct step *s = &hs->plan.plan.steps[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s%s%s=%s; ", s->op, s->dev,
				      s->key[0] ? " " : "", s->key, s->after);
	}
	return text;
}

#define ETH0 "pfs:\n  - match: {netdev: eth0}\n"

static void test_new_vfs_are_planned_whole(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 2\n    link: up\n"
			      "    vfs: {0-1: {mac: stable}, 1: {vlan: 5, driver: vfio-pci}}\n",
			      &hs, &err), 0);
	assert_string_equal(steps(&hs),
			    "link " FAKE_PF " eth0=up; autoprobe " FAKE_PF "=0; "
			    "numvfs " FAKE_PF "=2; "
			    "vfattr " FAKE_PF " vf0 mac=mac 42:f7:5f:35:d5:68; "
			    "vfattr " FAKE_PF " vf1 mac=mac a6:66:42:00:5a:54; "
			    "vfattr " FAKE_PF " vf1 vlan=vlan 5 qos 0 proto 802.1Q; "
			    "driver 0000:01:10.2=; override 0000:01:10.2=vfio-pci; "
			    "driver 0000:01:10.2=vfio-pci; ");
	assert_int_equal(hs.plan.remark_count, 0);
	assert_int_equal(k.nwrites, 0);
}

static void test_a_mac_may_be_the_drivers_choice(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 2\n    vfs: {0-1: {mac: none}}\n", &hs, &err), 0);
	assert_non_null(strstr(steps(&hs), "numvfs " FAKE_PF "=2; "));
	assert_int_equal(hs.plan.remark_count, 0);
}

static void test_queues_are_an_nvme_controllers(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 2\n    queues: 3\n", &hs, &err), 0);
	assert_true(hs.plan.remark_count >= 1);
}

static void test_the_same_facts_give_the_same_plan(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct spec_plan again = SPEC_PLAN_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 3\n    vfs: {0-2: {mac: 02:00:00:00:00:01}}\n"
			      "devices:\n  - match: {vendor: 10de, device: 2684}\n    group: on\n",
			      &hs, NULL), 0);
	assert_true(hs.plan.plan.count > 8);
	assert_int_equal(spec_plan(&hs.facts, &hs.spec, 0, &again, NULL), 0);
	assert_int_equal(again.plan.count, hs.plan.plan.count);
	assert_memory_equal(again.plan.steps, hs.plan.plan.steps,
			    again.plan.count * sizeof(struct step));
	assert_int_equal(k.nwrites, 0);
	spec_plan_fini(&again);
}

static int apply(const char *text)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct journal_owner owner = { .command = "host apply" };
	int r = plan(text, &hs, NULL);

	return r < 0 ? r : host_spec_apply(k.root, &hs, &owner, 0, NULL);
}

static void test_what_was_applied_is_an_empty_plan(void **state)
{
	static const char text[] = ETH0 "    numvfs: 3\n    link: up\n";
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	unsigned undone;

	assert_int_equal(apply(text), 0);
	assert_string_equal(fake_get(k.root, FAKE_PF_DIR "/sriov_numvfs"), "3");
	assert_string_equal(fake_get(k.root, FAKE_PF_DIR "/sriov_drivers_autoprobe"), "1");
	assert_int_equal(plan(text, &hs, NULL), 0);
	assert_string_equal(steps(&hs), "");
	assert_int_equal(hs.plan.left, 0);
	assert_int_equal(journal_restore(k.root, change_ops, NULL, 0, &undone, NULL), 0);
	assert_string_equal(fake_get(k.root, FAKE_PF_DIR "/sriov_numvfs"), "0");
	assert_string_equal(fake_get(k.root, "sys/class/net/eth0/flags"), "0x1002");
}

static void test_another_number_goes_through_none_and_can_be_undone(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	unsigned undone;

	fake_pf_set(&k, 2);
	assert_int_equal(plan(ETH0 "    numvfs: 4\n", &hs, NULL), 0);
	assert_string_equal(steps(&hs), "autoprobe " FAKE_PF "=0; numvfs " FAKE_PF "=0; "
					"numvfs " FAKE_PF "=4; autoprobe " FAKE_PF "=1; ");
	assert_int_equal(apply(ETH0 "    numvfs: 4\n"), 0);
	assert_string_equal(fake_get(k.root, FAKE_PF_DIR "/sriov_numvfs"), "4");
	assert_int_equal(journal_restore(k.root, change_ops, NULL, 0, &undone, NULL), 0);
	assert_string_equal(fake_get(k.root, FAKE_PF_DIR "/sriov_numvfs"), "2");
	/* Also on the way back the host's drivers are not offered the VFs. */
	assert_string_equal(k.writes[k.nwrites - 4], "sriov_drivers_autoprobe=0");
	assert_string_equal(k.writes[k.nwrites - 2], "sriov_numvfs=2");
	assert_string_equal(k.writes[k.nwrites - 1], "sriov_drivers_autoprobe=1");
}

static void has_left(const struct host_spec *hs, const char *says)
{
	assert_int_equal(hs->plan.left, 1);
	for (size_t i = 0; i < hs->plan.remark_count; i++) {
		if (hs->plan.remarks[i].left && !strstr(hs->plan.remarks[i].text, says))
			fail_msg("left: %s", hs->plan.remarks[i].text);
	}
}

/* As for new ones: that no driver could do, or that no frame would find its VF by. */
static void test_vfs_that_are_there_are_not_told_what_cannot_be(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	fake_pf_set(&k, 2);
	assert_int_equal(plan(ETH0 "    link: up\n    vfs: {0: {mac: 02:00:00:00:00:01, vlan: 3},"
			      " 1: {mac: 02:00:00:00:00:01}}\n", &hs, NULL), 0);
	has_left(&hs, "vf0 and vf1 would both have the MAC 02:00:00:00:00:01");
	assert_string_equal(steps(&hs), "link " FAKE_PF " eth0=up; ");
}

/* The eswitch as the facts have it, and what is planned then. */
static const char *plan_eswitch(struct host_spec *hs, const char *now, const char *driver)
{
	_cleanup_(spec_plan_fini) struct spec_plan again = SPEC_PLAN_INIT;

	for (size_t i = 0; i < hs->facts.count; i++) {
		struct spec_pf_fact *s = hs->facts.devs[i].sriov;

		if (!s)
			continue;
		s->eswitch = now;
		snprintf(s->pf.driver, sizeof(s->pf.driver), "%s", driver);
	}
	assert_int_equal(spec_plan(&hs->facts, &hs->spec, 0, &again, NULL), 0);
	spec_plan_fini(&hs->plan);
	hs->plan = again;
	again = (struct spec_plan)SPEC_PLAN_INIT;
	return steps(hs);
}

/* VFs do not go for others that cannot be had, nor does the eswitch change for them. */
static void test_vfs_stay_when_those_for_them_cannot_be_had(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ ETH0 "    numvfs: 3\n    vfs: {0: {mac: 02:00:00:00:00:04}, 2: {mac: 02:00:00:00:00:04}}\n",
		  "vf0 and vf2 would both have the MAC 02:00:00:00:00:04" },
		{ ETH0 "    numvfs: 3\n    vfs: {1: {min_tx_rate: 5, max_tx_rate: 2}}\n",
		  "vf1: min_tx_rate 5 is more than max_tx_rate 2" },
		{ ETH0 "    numvfs: 2\n    eswitch: switchdev\n"
		  "    vfs: {0: {mac: 02:00:00:00:00:04}, 1: {mac: 02:00:00:00:00:04}}\n",
		  "vf0 and vf1 would both have the MAC" },
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

		fake_pf_set(&k, i < ARRAY_SIZE(rows) ? 2 : 0);
		assert_int_equal(plan(rows[i % ARRAY_SIZE(rows)].text, &hs, NULL), 0);
		assert_string_equal(plan_eswitch(&hs, "legacy", "ice"), "");
		has_left(&hs, rows[i % ARRAY_SIZE(rows)].says);
	}
}

static void test_vfs_stay_when_no_number_is_left_for_their_drivers(void **state)
{
	static const char text[] = ETH0 "    numvfs: 3\n    vfs: {0-2: {driver: vfio-pci}}\n";
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	fake_pf_set(&k, 2);
	assert_int_equal(plan(text, &hs, NULL), 0);
	assert_non_null(strstr(steps(&hs), "numvfs " FAKE_PF "=3; "));
	for (size_t i = 0; i < hs.facts.count; i++) {
		if (hs.facts.devs[i].sriov) /* vf2 is behind bus ff */
			hs.facts.devs[i].sriov->pf.offset = 0xfefc;
	}
	assert_string_equal(plan_eswitch(&hs, "legacy", "ice"), "");
	has_left(&hs, "no bus number is left for vf2");
}

/* An NVMe controller that says of itself only noughts. */
static int controller(void *opaque, int fd, unsigned long request, void *arg)
{
	return request == NVME_IOCTL_ADMIN_CMD ? 0 : -ENOTTY;
}

static void test_vfs_stay_when_a_controller_has_no_queues_for_others(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	fake_ioctl_reset();
	fake_ioctl_handle(-1, controller, NULL);
	fake_sysfs_text(k.root, "", "dev/nvme0");
	fake_pf_set(&k, 2);
	assert_int_equal(plan(ETH0 "    numvfs: 3\n    queues: 99\n", &hs, NULL), 0);
	for (size_t i = 0; i < hs.facts.count; i++) {
		struct spec_pf_fact *s = hs.facts.devs[i].sriov;

		if (!s)
			continue;
		s->pf.class = 0x010802;
		strcpy(s->pf.nvme, "nvme0");
	}
	assert_string_equal(plan_eswitch(&hs, "", "nvme"), "");
	has_left(&hs, "the controller nvme0 cannot give queues or interrupts to VFs");
	fake_ioctl_reset();
}

/* What else of the files can be had is still planned. */
static void test_others_are_planned_when_vfs_cannot_be_had(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	fake_pf_set(&k, 2);
	assert_int_equal(plan("devices:\n  - match: {device: 2684}\n    group: on\n" ETH0
			      "    numvfs: 3\n    link: up\n"
			      "    vfs: {0-1: {min_tx_rate: 5, max_tx_rate: 2}}\n", &hs, NULL), 0);
	assert_int_equal(hs.plan.plan.count, 7);
	assert_non_null(strstr(steps(&hs), "driver " SOUND "=vfio-pci; link " FAKE_PF " eth0=up; "));
}

static void test_vfs_in_use_stay(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT, none = HOST_SPEC_INIT;

	fake_pf_set(&k, 2);
	fake_sysfs_text(k.root, "x", "sys/bus/pci/devices/0000:01:10.2/net/ethv/address");
	fake_sysfs_text(k.root, "0x1003", "sys/class/net/ethv/flags");
	assert_int_equal(plan(ETH0 "    numvfs: 4\n    link: up\n", &hs, NULL), 0);
	assert_string_equal(steps(&hs), "link " FAKE_PF " eth0=up; ");
	has_left(&hs, "it has 2 VFs and should have 4, but VFs are in use (vf1 ");
	assert_int_equal(plan(ETH0 "    numvfs: 0\n", &none, NULL), 0);
	assert_string_equal(steps(&none), "");
	has_left(&none, "should have 0");
}

static void test_what_does_not_fit_is_left_and_the_rest_goes_on(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "devices:\n  - match: {vendor: 1234}\n", "no device of this host fits" },
		{ "devices:\n  - match: {vendor: 10de}\n", "2 devices fit (" GPU ", " SOUND "), and 1" },
		{ "devices:\n  - match: {vendor: 10de, count: 3}\n", "2 devices fit" },
		{ "pfs:\n  - match: {address: 0000:05:00.0}\n", "no PF of this host fits" },
		{ ETH0 "    numvfs: 8\n", "it can have 7 VFs at most, not 8" },
		{ ETH0 "    numvfs: 1\n    vfs: {3: {trust: on}}\n", "something is said of vf3" },
		{ ETH0 "    vfs: {0: {trust: on}}\n", "(numvfs is not given)" },
		{ ETH0 "    vfs: {7-8: {}}\n", "there is no vf7: it can have 7 VFs" },
		{ ETH0 "    numvfs: 2\n    vfs: {0: {mac: 02:00:00:00:00:01}, 1: {mac: 02:00:00:00:00:01}}\n",
		  "vf0 and vf1 would both have the MAC 02:00:00:00:00:01" },
		{ ETH0 "    numvfs: 1\n    vfs: {0: {min_tx_rate: 5, max_tx_rate: 2}}\n",
		  "vf0: min_tx_rate 5 is more than max_tx_rate 2" },
		/* Bound to vfio-pci alone, the sound function would keep the group from its guest. */
		{ "devices:\n  - match: {device: 2684}\n", "group 9 also holds " SOUND },
	};

	_cleanup_(host_spec_fini) struct host_spec none = HOST_SPEC_INIT;
	char why[1200];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

		assert_int_equal(plan(rows[i].text, &hs, NULL), 0);
		has_left(&hs, rows[i].says);
		assert_non_null(strstr(host_show_left(&hs, why, sizeof(why)), rows[i].says));
		assert_non_null(strstr(why, " (host.yaml:"));
	}
	assert_int_equal(plan("version: 1\n", &none, NULL), 0);
	assert_string_equal(host_show_left(&none, why, sizeof(why)), "");
}

static void test_every_key_must_fit(void **state)
{
	static const struct {
		const char *match;
		bool fits;
	} rows[] = {
		{ "vendor: 10de, device: 2684", true },
		{ "vendor: 10de, device: 2685", false },
		{ "vendor: 8086, device: 2684", false },
		{ "device: 2684, slot: 7", true },
		{ "device: 2684, slot: 8", false },
		{ "device: 2684, path: pci0000:00/00.0", true },
		{ "device: 2684, path: pci0000:00/00", false },
		{ "device: 2684, serial: 0000000000000000", true },
		{ "device: 2684, serial: 0000000000000001", false },
		{ "device: 2684, subsystem: 0000:0001", false },
		{ "device: 2684, netdev: eth0", false },
		{ "address: 0000:05:00.0", true },
		{ "mac: 52:54:00:00:00:01", true },
		{ "mac: 52:54:00:00:00:02", false },
		{ "fingerprint: '10de:2684/0000:0000 serial=0000000000000000 at pci0000:00/00.0'", true },
		{ "fingerprint: '10de:2684/0000:0000 serial=0000000000000001 at pci0000:00/00.0'", false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
		unsigned n = 0;
		char text[200];

		snprintf(text, sizeof(text), "devices:\n  - match: {%s}\n", rows[i].match);
		assert_int_equal(plan(text, &hs, NULL), 0);
		for (size_t d = 0; d < hs.facts.count; d++)
			n += spec_fits(&hs.spec.devices[0].target, &hs.facts.devs[d]);
		if (n != rows[i].fits)
			fail_msg("%s fits %u devices", rows[i].match, n);
	}
}

static void test_an_address_alone_is_warned_of(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT, both = HOST_SPEC_INIT;

	assert_int_equal(plan("pfs:\n  - match: {address: 01:00.0}\n", &hs, NULL), 0);
	assert_int_equal(hs.plan.remark_count, 1);
	assert_non_null(strstr(hs.plan.remarks[0].text, "may mean another device"));
	assert_int_equal(hs.plan.left, 0);
	assert_int_equal(plan("pfs:\n  - match: {address: 01:00.0, vendor: 8086}\n", &both, NULL), 0);
	assert_int_equal(both.plan.remark_count, 0);
}

/* Some call YAML so, and would wait for it to be done. */
static void test_a_drop_in_that_is_not_read_is_warned_of(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;

	fake_sysfs_text(k.root, "nonsense", "etc/thruway/host.d/30-c.yml");
	assert_int_equal(plan("version: 1\n", &hs, NULL), 0);
	assert_int_equal(hs.plan.remark_count, 1);
	assert_int_equal(hs.plan.left, 0);
	assert_string_equal(hs.plan.remarks[0].text,
			    "host.d/30-c.yml is not read: the names of drop-ins end in .yaml");
}

static void test_two_files_may_differ_and_one_may_not(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec one = HOST_SPEC_INIT, two = HOST_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 2\n  - match: {vendor: 8086, device: 10c9}\n"
			      "    numvfs: 3\n", &one, &err), -EINVAL);
	assert_string_equal(err.text, "host.yaml:5:13: " FAKE_PF ": numvfs is 3 here and 2 at "
				      "host.yaml:3:13");
	fake_sysfs_text(k.root, ETH0 "    numvfs: 3\n", "etc/thruway/host.d/a.yaml");
	assert_int_equal(plan(ETH0 "    numvfs: 2\n    link: up\n", &two, NULL), 0);
	assert_string_equal(steps(&two), "link " FAKE_PF " eth0=up; autoprobe " FAKE_PF "=0; "
					 "numvfs " FAKE_PF "=3; ");
	assert_int_equal(two.plan.remark_count, 1);
	assert_non_null(strstr(two.plan.remarks[0].text,
			       "numvfs is 3 here, which goes before 2 at host.yaml:3:13"));
}

static void test_a_pf_that_is_bound_away_has_no_vfs(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec one = HOST_SPEC_INIT, two = HOST_SPEC_INIT,
						   none = HOST_SPEC_INIT, zero = HOST_SPEC_INIT;
	static const char card[] = "devices:\n  - match: {netdev: eth0}\n";
	char text[256];
	struct err err = ERR_INIT;

	snprintf(text, sizeof(text), "%s" ETH0 "    numvfs: 2\n", card);
	assert_int_equal(plan(text, &one, &err), -EINVAL);
	assert_string_equal(err.text, "host.yaml:5:13: " FAKE_PF " is to have VFs here, and at "
				      "host.yaml:2:12 to be bound to vfio-pci; only its own driver makes "
				      "VFs");
	fake_sysfs_text(k.root, "Y", "sys/module/vfio_pci/parameters/enable_sriov");
	assert_int_equal(plan(text, &two, NULL), 0);
	snprintf(text, sizeof(text), "%s    driver: none\n" ETH0 "    numvfs: 2\n", card);
	err = (struct err)ERR_INIT;
	assert_int_equal(plan(text, &none, &err), -EINVAL);
	assert_non_null(strstr(err.text, "host.yaml:2:12 to be bound to no driver;"));
	snprintf(text, sizeof(text), "%s    driver: none\n" ETH0 "    numvfs: 0\n", card);
	assert_int_equal(plan(text, &zero, NULL), 0);
}

static void test_functions_of_one_group_are_bound_together(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT, whole = HOST_SPEC_INIT;
	static const char both[] = "driver " GPU "=; override " GPU "=vfio-pci; "
				   "driver " GPU "=vfio-pci; driver " SOUND "=; "
				   "override " SOUND "=vfio-pci; driver " SOUND "=vfio-pci; ";

	assert_int_equal(plan("devices:\n  - match: {device: 22ba}\n  - match: {device: 2684}\n",
			      &hs, NULL), 0);
	assert_string_equal(steps(&hs), both);
	assert_int_equal(plan("devices:\n  - match: {device: 2684}\n    group: on\n", &whole, NULL),
			 0);
	assert_string_equal(steps(&whole), both);
}

#define MODE(mode) "eswitch " FAKE_PF "=" mode "; "
#define CREATE	   "autoprobe " FAKE_PF "=0; numvfs " FAKE_PF "=2; "
#define BIND	   "driver 0000:01:10.0=; override 0000:01:10.0=vfio-pci; driver 0000:01:10.0=vfio-pci; "

static void test_a_driver_switches_before_or_behind_its_vfs(void **state)
{
	static const char text[] = ETH0 "    numvfs: 2\n    eswitch: switchdev\n"
				   "    vfs: {0: {driver: vfio-pci}}\n";
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT, again = HOST_SPEC_INIT;

	assert_int_equal(plan(text, &hs, NULL), 0);
	has_left(&hs, "the igb driver has no switchdev mode");
	assert_string_equal(steps(&hs), CREATE BIND);
	assert_string_equal(plan_eswitch(&hs, "legacy", "ice"), MODE("switchdev") CREATE BIND);
	assert_int_equal(hs.plan.left, 0);
	assert_string_equal(plan_eswitch(&hs, "legacy", "mlx5_core"), CREATE MODE("switchdev") BIND);
	assert_string_equal(plan_eswitch(&hs, "switchdev", "ice"), CREATE BIND);
	/* With VFs in the way they go first, and come again. */
	fake_pf_set(&k, 2);
	assert_int_equal(plan(text, &again, NULL), 0);
	assert_string_equal(plan_eswitch(&again, "legacy", "ice"),
			    "autoprobe " FAKE_PF "=0; numvfs " FAKE_PF "=0; " MODE("switchdev")
			    "numvfs " FAKE_PF "=2; override 0000:01:10.0=vfio-pci; "
			    "driver 0000:01:10.0=vfio-pci; autoprobe " FAKE_PF "=1; ");
	for (size_t i = 0; i < again.facts.count; i++) {
		if (again.facts.devs[i].sriov)
			again.facts.devs[i].sriov->used = 1;
	}
	assert_string_equal(plan_eswitch(&again, "legacy", "ice"), "");
	assert_int_equal(again.plan.left, 2); /* and the fake VF has no IOMMU group */
	assert_non_null(strstr(again.plan.remarks[0].text, "its eswitch is legacy and should be "
			       "switchdev, which takes all VFs away, but VFs are in use"));
}

static void test_macs_that_leave_their_range_are_refused(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 3\n    vfs: {1-2: {mac: 02:00:00:ff:ff:ff}}\n", &hs,
			      &err), -EINVAL);
	assert_string_equal(err.text, "host.yaml:4:22: the MAC of vf2 would leave the range that "
				      "begins with its first three bytes");
}

static void test_guids_count_up_within_their_range(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 3\n"
			      "    vfs: {1-2: {node_guid: 00:02:c9:00:00:00:00:ff, port_guid: 00:02:C9:00:00:00:01:00}}\n",
			      &hs, &err), 0);
	assert_string_equal(steps(&hs),
			    "autoprobe " FAKE_PF "=0; numvfs " FAKE_PF "=3; "
			    "vfattr " FAKE_PF " vf1 node_guid=node_guid 00:02:c9:00:00:00:00:ff; "
			    "vfattr " FAKE_PF " vf1 port_guid=port_guid 00:02:c9:00:00:00:01:00; "
			    "vfattr " FAKE_PF " vf2 node_guid=node_guid 00:02:c9:00:00:00:01:00; "
			    "vfattr " FAKE_PF " vf2 port_guid=port_guid 00:02:c9:00:00:00:01:01; ");
}

static void test_guids_that_leave_their_range_are_refused(void **state)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(plan(ETH0 "    numvfs: 2\n    vfs: {0-1: {port_guid: 00:02:c9:ff:ff:ff:ff:ff}}\n",
			      &hs, &err), -EINVAL);
	assert_string_equal(err.text, "host.yaml:4:28: the GUID of vf1 would leave the range that "
				      "begins with its first three bytes");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_vfs_are_planned_whole),
		TEST(test_the_same_facts_give_the_same_plan),
		TEST(test_a_mac_may_be_the_drivers_choice),
		TEST(test_queues_are_an_nvme_controllers),
		TEST(test_what_was_applied_is_an_empty_plan),
		TEST(test_vfs_that_are_there_are_not_told_what_cannot_be),
		TEST(test_another_number_goes_through_none_and_can_be_undone),
		TEST(test_vfs_stay_when_those_for_them_cannot_be_had),
		TEST(test_vfs_stay_when_no_number_is_left_for_their_drivers),
		TEST(test_vfs_stay_when_a_controller_has_no_queues_for_others),
		TEST(test_others_are_planned_when_vfs_cannot_be_had),
		TEST(test_vfs_in_use_stay),
		TEST(test_what_does_not_fit_is_left_and_the_rest_goes_on),
		TEST(test_every_key_must_fit),
		TEST(test_an_address_alone_is_warned_of),
		TEST(test_a_drop_in_that_is_not_read_is_warned_of),
		TEST(test_two_files_may_differ_and_one_may_not),
		TEST(test_a_pf_that_is_bound_away_has_no_vfs),
		TEST(test_functions_of_one_group_are_bound_together),
		TEST(test_a_driver_switches_before_or_behind_its_vfs),
		TEST(test_macs_that_leave_their_range_are_refused),
		TEST(test_guids_count_up_within_their_range),
		TEST(test_guids_that_leave_their_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
