// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands as their users see them: output, JSON, and what a wrong command line gets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "base/log.h"
#include "tests/fake/hostfs.h"
#include "tests/fake/kernel.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"

#define PF  "0000:01:00.0"
#define VF0 "0000:01:10.0"
#define GPU "0000:04:00.0"
#define HDA "0000:04:00.1"

static struct fake_kernel kernel;
static struct err err;
static char *out; /* of the latest command */

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "run", 0 }, { 0 } };
	/* Ids that no database has, so that names are the same everywhere. */
	static const struct fake_pci devs[] = {
		{ .bdf = "0000:00:01.0", .ids = "fff5:0001", .header_type = 1,
		  .driver = "pcieport", .group = "1", .class = 0x060400 },
		{ .bdf = "0000:00:1f.0", .ids = "fff5:0006", .class = 0x060100, .group = "3" },
		{ .bdf = PF, .ids = "fff5:0002", .driver = "igb", .group = "14",
		  .total_vfs = 7, .num_vfs = 1, .netdev = "eth0", .node = "1" },
		{ .bdf = VF0, .ids = "fff5:0003", .driver = "igbvf", .group = "21", .pf = PF,
		  .netdev = "eth2" },
		{ .bdf = GPU, .ids = "fff5:0004", .group = "42" },
		{ .bdf = HDA, .ids = "fff5:0005", .driver = "igbvf", .group = "42" },
	};

	log_set_level(LOG_QUIET);
	err = (struct err)ERR_INIT;
	kernel = (struct fake_kernel){ .root = fake_sysfs(nodes), .native = "igbvf" };
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		fake_pci_add(kernel.root, &devs[i]);
	fake_kernel_start(&kernel);
	return 0;
}

static int teardown(void **state)
{
	free(out);
	out = NULL;
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	return 0;
}

#define ARGS_MAX 8

/* Run a command with these words, up to a NULL. */
static int run(const struct command *c, ...)
{
	struct ctx ctx = { .root = kernel.root, .command = c, .lock_timeout_s = 1 };
	char *argv[ARGS_MAX + 2] = { (char *)c->name };
	size_t size;
	int argc = 1, r;
	va_list ap;

	va_start(ap, c);
	while (argc <= ARGS_MAX && (argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	free(out);
	out = NULL;
	err = (struct err)ERR_INIT;
	ctx.out = open_memstream(&out, &size);
	r = c->run(&ctx, argc, argv, &err);
	fclose(ctx.out);
	return r;
}

static void test_list_shows_endpoints_in_columns(void **state)
{
	assert_int_equal(run(&cmd_list, NULL), 0);
	assert_string_equal(
		out,
		"DEVICE        DRIVER  GROUP  NODE  ROLE      NETDEV  LINK  RESET  POWER  USED BY  NAME\n"
		"0000:01:00.0  igb     14     1     PF 1/7    eth0    -     -      -      -        fff5:0002 device fff5:0002\n"
		"0000:01:10.0  igbvf   21     -     eth0/vf0  eth2    -     -      -      -        fff5:0003 device fff5:0003\n"
		"0000:04:00.0  -       42     -     -         -       -     -      -      -        fff5:0004 device fff5:0004\n"
		"0000:04:00.1  igbvf   42     -     -         -       -     -      -      -        fff5:0005 device fff5:0005\n");
	assert_int_equal(run(&cmd_list, "--all", NULL), 0);
	assert_non_null(strstr(out, "0000:00:01.0"));
	assert_non_null(strstr(out, "0000:00:1f.0")); /* a bridge too, with an endpoint's header */
}

static void test_list_tells_link_reset_power_and_user(void **state)
{
	static const struct fake_node nodes[] = {
		{ "sys/bus/pci/devices/" PF "/current_link_speed", .text = "8.0 GT/s PCIe" },
		{ "sys/bus/pci/devices/" PF "/current_link_width", .text = "4" },
		{ "sys/bus/pci/devices/" PF "/max_link_speed", .text = "8.0 GT/s PCIe" },
		{ "sys/bus/pci/devices/" PF "/max_link_width", .text = "8" },
		{ "sys/bus/pci/devices/" PF "/reset_method", .text = "flr bus" },
		{ "sys/bus/pci/devices/" PF "/power_state", .text = "D0" },
		{ "sys/bus/pci/devices/" PF "/boot_vga", .text = "1" },
		{ "sys/class/net/eth0/master", .link = "../br0" },
		{ 0 },
	};

	fake_sysfs_add(kernel.root, nodes);
	assert_int_equal(run(&cmd_list, NULL), 0);
	assert_non_null(strstr(out, "  8GT x4/8  flr    D0     eth0 is a port of br0, console  "));
}

static json_t *parse_out(void)
{
	json_error_t e;
	json_t *doc = json_loads(out, 0, &e);

	if (!doc)
		fail_msg("no JSON: %s\n%s", e.text, out);
	return doc;
}

static void test_list_as_json(void **state)
{
	const char *schema, *pf, *ids, *netdev;
	json_t *doc;
	int index, group, node;

	assert_int_equal(run(&cmd_list, "-j", NULL), 0);
	doc = parse_out();
	assert_int_equal(json_unpack(doc, "{s:s}", "schema", &schema), 0);
	assert_string_equal(schema, "thruway.list/1");
	assert_int_equal(json_unpack(json_array_get(json_object_get(doc, "devices"), 1),
				     "{s:s, s:i, s:{s:s, s:i}, s:n}", "ids", &ids, "group", &group,
				     "vf", "pf", &pf, "index", &index, "numa_node"),
			 0);
	assert_string_equal(ids, "fff5:0003");
	assert_string_equal(pf, PF);
	assert_int_equal(index, 0);
	assert_int_equal(group, 21);
	assert_int_equal(json_unpack(json_array_get(json_object_get(doc, "devices"), 0),
				     "{s:i, s:[s]}", "numa_node", &node, "netdevs", &netdev),
			 0);
	assert_int_equal(node, 1);
	assert_string_equal(netdev, "eth0");
	json_decref(doc);
}

static void test_a_vf_whose_link_is_gone_has_no_number(void **state)
{
	json_t *doc;

	fake_sysfs_remove(kernel.root, "sys/bus/pci/devices/" PF "/virtfn0");
	assert_int_equal(run(&cmd_list, NULL), 0);
	assert_non_null(strstr(out, " eth0/vf? "));
	assert_int_equal(run(&cmd_show, VF0, NULL), 0);
	assert_non_null(strstr(out, "VF ? of " PF));
	assert_int_equal(run(&cmd_list, "-j", NULL), 0);
	doc = parse_out();
	assert_int_equal(json_unpack(json_array_get(json_object_get(doc, "devices"), 1),
				     "{s:{s:n}}", "vf", "index"),
			 0);
	json_decref(doc);
}

static void test_groups_say_which_are_viable(void **state)
{
	json_t *doc;
	int viable, group;

	assert_int_equal(run(&cmd_groups, GPU, NULL), 0);
	assert_string_equal(out,
			    "GROUP  VIABLE  DEVICE        NAME                        DRIVER\n"
			    "42     no      0000:04:00.0  fff5:0004 device fff5:0004  -\n"
			    "42     no      0000:04:00.1  fff5:0005 device fff5:0005  igbvf\n");
	assert_int_equal(run(&cmd_groups, "-j", "0000:00:01.0", NULL), 0);
	doc = parse_out();
	assert_int_equal(json_unpack(doc, "{s:[{s:i, s:b}]}", "groups", "group", &group, "viable",
				     &viable),
			 0);
	assert_int_equal(group, 1);
	assert_true(viable); /* a bridge alone */
	json_decref(doc);
}

static void test_a_host_without_groups_is_told_why(void **state)
{
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	kernel.root = fake_sysfs((const struct fake_node[]){ { 0 } });
	fake_pci_add(kernel.root, &(struct fake_pci){ .bdf = PF });
	assert_int_equal(run(&cmd_groups, NULL), -ENODEV);
	assert_string_equal(err.text, "no device of this host has an IOMMU group");
	assert_non_null(strstr(err.hint, "VT-d or AMD-Vi"));
}

static void test_show_tells_what_thruway_changed(void **state)
{
	assert_int_equal(run(&cmd_bind, VF0, NULL), 0);
	assert_string_equal(out, VF0 ": bound to vfio-pci (was igbvf), /dev/vfio/21\n");
	fake_sysfs_remove(kernel.root, "sys/bus/pci/devices/" VF0 "/net");
	assert_int_equal(run(&cmd_show, "eth2", NULL), 0);
	assert_int_equal(strncmp(out, VF0 "\n", 13), 0);
	assert_non_null(strstr(out, "  driver         vfio-pci\n"));
	assert_non_null(strstr(out, "  netdev         (eth2)\n"));
	assert_non_null(strstr(out, "  changed        driver: 'igbvf' became ''\n"));
	assert_int_equal(run(&cmd_restore, "--all", NULL), 0);
	assert_string_equal(out, "3 changes undone\n");
}

static void test_dry_runs_change_nothing(void **state)
{
	assert_int_equal(run(&cmd_bind, "-n", "--group", GPU, NULL), 0);
	assert_string_equal(out, GPU ": let only vfio-pci bind it (now: none)\n"
			    GPU ": bind to vfio-pci (now: none)\n"
			    HDA ": unbind (now: igbvf)\n"
			    HDA ": let only vfio-pci bind it (now: none)\n"
			    HDA ": bind to vfio-pci (now: none)\n");
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" GPU "/reset");
	assert_int_equal(run(&cmd_reset, "-n", GPU, NULL), 0);
	assert_string_equal(fake_get(kernel.root, "sys/bus/pci/devices/" GPU "/reset"), "");
	assert_int_equal(kernel.nwrites, 0);
	assert_false(hostfs_exists(kernel.root, "run/thruway"));
}

static void refused_both_ways(const struct command *c, const char *a, const char *b, const char *d,
			      const char *e, const char *says)
{
	struct err real;
	int r = run(c, a, b, d, e, NULL), dry;

	real = err;
	dry = run(c, "-n", a, b, d, e, NULL);
	assert_true(r < 0);
	assert_int_equal(dry, r);
	assert_string_equal(err.text, real.text);
	assert_string_equal(err.hint, real.hint);
	if (!strstr(err.text, says))
		fail_msg("%s: %s", c->name, err.text);
	assert_string_equal(out, "");
	assert_int_equal(kernel.nwrites, 0);
}

/* VFs gone, so that others may be made. */
static void without_vfs(void)
{
	fake_sysfs_remove(kernel.root, "sys/bus/pci/devices/" PF "/virtfn0");
	fake_sysfs_text(kernel.root, "0", "sys/bus/pci/devices/" PF "/sriov_numvfs");
}

static void test_a_dry_run_refuses_a_driver_that_is_not_there(void **state)
{
	static const char says[] = "cannot load the driver nosuch";

	refused_both_ways(&cmd_bind, "--driver=nosuch", VF0, NULL, NULL, says);
	without_vfs();
	refused_both_ways(&cmd_vf_create, "--bind", "--driver=nosuch", PF, "2", says);
	fake_sysfs_text(kernel.root, "devices:\n  - match: {address: " HDA "}\n    driver: nosuch\n",
			"etc/thruway/host.yaml");
	refused_both_ways(&cmd_host_apply, NULL, NULL, NULL, NULL, says);
}

/* An entry that nobody can read may be about any device. */
static void test_a_dry_run_refuses_beside_a_damaged_journal(void **state)
{
	static const char says[] = "0000000007 is of another version of thruway";

	fake_sysfs_text(kernel.root, "format=9", "run/thruway/journal/0000000007");
	fake_sysfs_text(kernel.root, "devices:\n  - match: {address: " HDA "}\n    driver: none\n",
			"etc/thruway/host.yaml");
	refused_both_ways(&cmd_bind, VF0, NULL, NULL, NULL, says);
	refused_both_ways(&cmd_restore, VF0, NULL, NULL, NULL, says);
	refused_both_ways(&cmd_restore, "--all", NULL, NULL, NULL, says);
	refused_both_ways(&cmd_host_apply, NULL, NULL, NULL, NULL, says);
	refused_both_ways(&cmd_vf_destroy, PF, NULL, NULL, NULL, says);
	refused_both_ways(&cmd_vf_destroy, "--force=vf-in-use", PF, NULL, NULL, says);
	without_vfs();
	refused_both_ways(&cmd_vf_create, PF, "2", NULL, NULL, says);
	/* Resetting is not written down. */
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" GPU "/reset");
	assert_int_equal(run(&cmd_reset, "-n", GPU, NULL), 0);
	assert_int_equal(run(&cmd_reset, GPU, NULL), 0);
}

static void test_a_dry_run_refuses_what_cannot_be_reset(void **state)
{
	refused_both_ways(&cmd_reset, GPU, NULL, NULL, NULL, "the kernel knows no way to");
	refused_both_ways(&cmd_reset, HDA, NULL, NULL, NULL, "it is bound to igbvf");
}

static void test_a_dry_run_names_whom_it_would_end(void **state)
{
	assert_int_equal(run(&cmd_bind, VF0, NULL), 0);
	fake_sysfs_text(kernel.root, "qemu", "proc/77/comm");
	fake_sysfs_link(kernel.root, "/dev/vfio/21", "proc/77/fd/5");
	fake_sysfs_link(kernel.root, "anon_inode:kvm-vm", "proc/77/fd/6");
	assert_int_equal(run(&cmd_bind, "-n", "--force=vm", "--driver=igbvf", VF0, NULL), 0);
	assert_ptr_equal(strstr(out, VF0 ": the VM of pid 77 (qemu) has it: pid 77 gets SIGTERM, "),
			 out);
	assert_non_null(strstr(out, "\n" VF0 ": bind to igbvf "));
	fake_sysfs_link(kernel.root, "../../../bus/pci/drivers/vfio-pci",
			"sys/bus/pci/devices/" GPU "/driver");
	fake_sysfs_link(kernel.root, "/dev/vfio/42", "proc/77/fd/5");
	fake_sysfs_text(kernel.root, "devices:\n  - match: {address: " GPU "}\n    driver: none\n",
			"etc/thruway/host.yaml");
	assert_int_equal(run(&cmd_host_apply, "-n", "--force=vm", NULL), 0);
	assert_ptr_equal(strstr(out, GPU ": the VM of pid 77 (qemu) has it: pid 77 gets SIGTERM, "),
			 out);
}

/* What the journal, the drivers and the overrides are: a dry run leaves it. */
static void test_a_dry_restore_says_what_a_restore_then_does(void **state)
{
	static const char undo[] = VF0 ": unbind (now: vfio-pci)\n"
				   VF0 ": let any driver bind it (now: vfio-pci)\n"
				   VF0 ": bind to igbvf (now: none)\n";
	unsigned writes;

	assert_int_equal(run(&cmd_bind, VF0, NULL), 0);
	writes = kernel.nwrites;
	assert_int_equal(run(&cmd_restore, "-n", VF0, NULL), 0);
	assert_string_equal(out, undo);
	assert_int_equal(run(&cmd_restore, "-n", "--all", NULL), 0);
	assert_string_equal(out, undo);
	assert_int_equal(run(&cmd_restore, "-n", GPU, NULL), 0);
	assert_string_equal(out, GPU ": offer it to the host's drivers\n");
	assert_int_equal(run(&cmd_restore, "-n", HDA, NULL), 0);
	assert_string_equal(out, "nothing to do\n");
	assert_int_equal(run(&cmd_restore, "-n", "0000:77:00.0", NULL), -ENODEV);
	assert_int_equal(kernel.nwrites, writes);
	assert_int_equal(run(&cmd_restore, VF0, NULL), 0);
	assert_int_equal(kernel.nwrites, writes + 3);
	assert_string_equal(kernel.writes[writes], "drivers/vfio-pci/unbind=" VF0);
	assert_string_equal(kernel.writes[writes + 2], "drivers_probe=" VF0);
	assert_int_equal(run(&cmd_restore, "-n", VF0, NULL), 0);
	assert_string_equal(out, "nothing to do\n");
}

static void test_a_dry_restore_of_what_was_unplugged(void **state)
{
	assert_int_equal(run(&cmd_bind, VF0, NULL), 0);
	fake_sysfs_remove(kernel.root, "sys/bus/pci/devices/" VF0);
	assert_int_equal(run(&cmd_restore, "-n", VF0, NULL), 0);
	assert_string_equal(out, VF0 ": is gone; forget what was changed\n");
	assert_int_equal(run(&cmd_restore, VF0, NULL), 0);
	assert_string_equal(out, VF0 ": is gone; what was changed is forgotten\n");
	assert_int_equal(run(&cmd_restore, "-n", VF0, NULL), -ENODEV);
	assert_int_equal(run(&cmd_restore, VF0, NULL), -ENODEV);
}

static void assert_schema(const char *want)
{
	json_t *doc = parse_out();

	assert_string_equal(json_string_value(json_object_get(doc, "schema")), want);
	json_decref(doc);
}

static void test_an_interface_whose_name_is_no_utf8_is_in_json(void **state)
{
	fake_sysfs_add(kernel.root, (const struct fake_node[]){
		{ "sys/bus/pci/devices/" GPU "/net/e\xfe/address", "x" }, { 0 } });
	assert_int_equal(run(&cmd_list, "-j", NULL), 0);
	assert_schema("thruway.list/1");
	assert_non_null(strstr(out, "\"e?\""));
}

static void test_changes_and_their_dry_runs_are_json_when_asked(void **state)
{
	without_vfs();
	assert_int_equal(run(&cmd_vf_create, "-n", "-j", PF, "2", NULL), 0);
	assert_schema("thruway.plan/1");
	assert_non_null(strstr(out, "\"numvfs\""));
	fake_sysfs_text(kernel.root, "devices:\n  - match: {address: " HDA "}\n",
			"etc/thruway/host.yaml");
	assert_int_equal(run(&cmd_host_apply, "-n", "-j", NULL), 0);
	assert_schema("thruway.host-diff/1");
	assert_non_null(strstr(out, "\"applied\": false"));
	assert_int_equal(run(&cmd_host_apply, "-j", NULL), 0);
	assert_schema("thruway.host-diff/1");
	assert_non_null(strstr(out, "\"applied\": true"));
}

/* One document, and in it this text at this place. */
static void assert_in_json(const char *schema, const char *list, size_t i, const char *key,
			   const char *want)
{
	json_t *doc = parse_out();
	json_t *at = json_array_get(json_object_get(doc, list), i);

	assert_string_equal(json_string_value(json_object_get(doc, "schema")), schema);
	assert_non_null(at);
	assert_string_equal(json_string_value(key ? json_object_get(at, key) : at), want);
	json_decref(doc);
}

static int made_read(int root, const struct step *step, char *buf, size_t size)
{
	if (hostfs_read(root, buf, size, "made-%s-%s", step->op, step->key) < 0)
		strcpy(buf, "0");
	return 0;
}

static int made_write(int root, const struct step *step, const char *value, struct err *e)
{
	fake_sysfs_text(root, value, "made-%s-%s", step->op, step->key);
	return 0;
}

/* A vf create and a vf set as the journal has them. */
static void make_vf(const char *count)
{
	static const struct step_ops numvfs = { .op = "numvfs", .read = made_read, .write = made_write };
	static const struct step_ops attr = { .op = "vfattr", .read = made_read, .write = made_write };
	static const struct step_ops *const ops[] = { &numvfs, &attr, NULL };
	const struct journal_owner owner = { .command = "vf create" };
	struct step steps[] = {
		{ .op = "numvfs", .dev = PF },
		{ .op = "vfattr", .dev = PF, .key = "vf0 vlan", .after = "vlan 7" },
		{ .op = "vfattr", .dev = PF, .key = "vf1 mac", .after = "mac none" },
	};
	const struct plan plan = { .steps = steps, .count = ARRAY_SIZE(steps) };
	struct txn *txn;

	snprintf(steps[0].after, sizeof(steps[0].after), "%s", count);
	assert_int_equal(txn_begin(kernel.root, ops, &plan, &owner, 1, &txn, &err), 0);
	assert_int_equal(txn_apply(txn, &err), 0);
}

#define KEPT VF0 ": its PF keeps the vlan that it was given; thruway restore " PF \
		 " undoes what was changed of the PF\n"

static void test_a_vf_that_thruway_made_is_offered_to_no_driver(void **state)
{
	const char *nothing = VF0 ": nothing to restore: thruway made this VF, for no driver of the host";
	unsigned writes = kernel.nwrites;

	fake_sysfs_remove(kernel.root, "sys/bus/pci/devices/" VF0 "/driver");
	make_vf("1");
	assert_int_equal(run(&cmd_restore, "-n", VF0, NULL), 0);
	assert_int_equal(strncmp(out, nothing, strlen(nothing)), 0);
	assert_int_equal(run(&cmd_restore, VF0, NULL), 0);
	assert_int_equal(strncmp(out, nothing, strlen(nothing)), 0);
	assert_string_equal(out + strlen(nothing), ", driver: none\n" KEPT);
	assert_int_equal(run(&cmd_restore, "-j", VF0, NULL), 0);
	assert_in_json("thruway.restore/1", "devices", 0, "outcome", "nothing");
	assert_int_equal(kernel.nwrites, writes);
	/* Somebody else's override is taken from it, and no more. */
	fake_sysfs_text(kernel.root, "vfio-pci", "sys/bus/pci/devices/" VF0 "/driver_override");
	assert_int_equal(run(&cmd_restore, VF0, NULL), 0);
	assert_string_equal(out, VF0 ": restored, driver: none\n" KEPT);
	assert_int_equal(kernel.nwrites, writes + 1);
}

/* Those that the journal took away are gone: this is another's. */
static void test_a_vf_that_others_made_is(void **state)
{
	fake_sysfs_remove(kernel.root, "sys/bus/pci/devices/" VF0 "/driver");
	make_vf("1");
	make_vf("0");
	assert_int_equal(run(&cmd_restore, VF0, NULL), 0);
	assert_string_equal(out, VF0 ": given to the host's drivers, driver: igbvf\n" KEPT);
}

static void test_binding_and_restoring_are_json_when_asked(void **state)
{
	assert_int_equal(run(&cmd_bind, "-n", "-j", VF0, NULL), 0);
	assert_in_json("thruway.plan/1", "steps", 0, "device", VF0);
	assert_int_equal(run(&cmd_bind, "-j", VF0, NULL), 0);
	assert_in_json("thruway.bind/1", "devices", 0, "driver", "vfio-pci");
	assert_in_json("thruway.bind/1", "devices", 0, "was", "igbvf");
	assert_in_json("thruway.bind/1", "devices", 0, "node", "/dev/vfio/21");
	assert_non_null(strstr(out, "\"uid\": null"));
	assert_int_equal(run(&cmd_restore, "-n", "-j", VF0, GPU, NULL), 0);
	assert_in_json("thruway.plan/1", "steps", 0, "before", "vfio-pci");
	assert_in_json("thruway.plan/1", "also", 0, NULL, GPU ": offer it to the host's drivers");
	assert_int_equal(run(&cmd_restore, "-n", "-j", "--all", NULL), 0);
	assert_in_json("thruway.plan/1", "steps", 0, "device", VF0);
	assert_int_equal(run(&cmd_restore, "-j", VF0, HDA, NULL), 0);
	assert_in_json("thruway.restore/1", "devices", 0, "outcome", "restored");
	assert_in_json("thruway.restore/1", "devices", 0, "driver", "igbvf");
	assert_in_json("thruway.restore/1", "devices", 1, "outcome", "nothing");
	assert_int_equal(run(&cmd_restore, "-j", "--all", NULL), 0);
	assert_schema("thruway.restore-all/1");
	assert_non_null(strstr(out, "\"undone\": 0"));
	assert_int_equal(run(&cmd_host_recover, "-j", NULL), 0);
	assert_schema("thruway.recover/1");
}

/* The devices before the one that fails are restored, and told. */
static void test_a_restore_that_fails_tells_in_json_what_was_restored(void **state)
{
	assert_int_equal(run(&cmd_bind, VF0, NULL), 0);
	assert_int_equal(run(&cmd_restore, "-j", VF0, "0000:77:00.0", NULL), -ENODEV);
	assert_in_json("thruway.restore/1", "devices", 0, "device", VF0);
	assert_int_equal(run(&cmd_restore, "-j", "0000:77:00.0", NULL), -ENODEV);
	assert_string_equal(out, "");
}

static void test_a_dry_restore_begins_with_what_a_killed_command_left(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		kernel.die_at = 2; /* unbound, override set */
		run(&cmd_bind, VF0, NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 77);
	assert_int_equal(run(&cmd_restore, "-n", GPU, NULL), 0);
	assert_string_equal(out, VF0 ": let any driver bind it (now: vfio-pci)\n"
			    VF0 ": bind to igbvf (now: none)\n"
			    GPU ": offer it to the host's drivers\n");
	assert_int_equal(kernel.nwrites, 0);
	assert_int_equal(run(&cmd_restore, GPU, NULL), 0);
	assert_string_equal(out, GPU ": given to the host's drivers, driver: igbvf\n");
	assert_string_equal(fake_get(kernel.root, "sys/bus/pci/devices/" VF0 "/driver_override"),
			    "(null)");
}

static void test_a_dry_restore_of_a_device_in_use_is_refused_or_names_the_victim(void **state)
{
	assert_int_equal(run(&cmd_bind, VF0, NULL), 0);
	fake_sysfs_text(kernel.root, "qemu", "proc/77/comm");
	fake_sysfs_link(kernel.root, "/dev/vfio/21", "proc/77/fd/5");
	fake_sysfs_link(kernel.root, "anon_inode:kvm-vm", "proc/77/fd/6");
	assert_int_equal(run(&cmd_restore, "-n", VF0, NULL), -EBUSY);
	assert_int_equal(run(&cmd_restore, "-n", "--force=vm", VF0, NULL), 0);
	assert_ptr_equal(strstr(out, VF0 ": the VM of pid 77 (qemu) has it: pid 77 gets SIGTERM, "),
			 out);
	assert_non_null(strstr(out, "\n" VF0 ": unbind (now: vfio-pci)\n"));
	assert_int_equal(run(&cmd_restore, "-n", "--force=vm", "--all", NULL), 0);
	assert_non_null(strstr(out, "pid 77 gets SIGTERM"));
}

static void test_a_dry_destruction_says_what_there_is_to_destroy(void **state)
{
	assert_int_equal(run(&cmd_vf_destroy, "-n", PF, NULL), 0);
	assert_string_equal(out, PF ": destroy its 1 VF\n");
	fake_sysfs_text(kernel.root, "qemu", "proc/77/comm");
	fake_sysfs_link(kernel.root, "/dev/vfio/21", "proc/77/fd/5");
	assert_int_equal(run(&cmd_vf_destroy, "-n", PF, NULL), -EBUSY); /* as without -n */
	fake_sysfs_link(kernel.root, "../../../bus/pci/drivers/vfio-pci",
			"sys/bus/pci/devices/" VF0 "/driver");
	assert_int_equal(run(&cmd_vf_destroy, "-n", "--force=vf-in-use", PF, NULL), 0);
	assert_non_null(strstr(out, VF0 ": pid 77 (qemu) has it open: pid 77 gets SIGTERM"));
	fake_sysfs_remove(kernel.root, "sys/bus/pci/devices/" PF "/virtfn0");
	fake_sysfs_text(kernel.root, "0", "sys/bus/pci/devices/" PF "/sriov_numvfs");
	assert_int_equal(run(&cmd_vf_destroy, "-n", PF, NULL), 0);
	assert_string_equal(out, "nothing to do\n");
	assert_int_equal(kernel.nwrites, 0);
}

static void test_quiet_is_quiet(void **state)
{
	assert_int_equal(run(&cmd_bind, "-q", VF0, NULL), 0);
	assert_string_equal(out, "");
	assert_int_equal(run(&cmd_restore, "-q", VF0, NULL), 0);
	assert_string_equal(out, "");
}

static void test_reset_needs_a_way_to_and_no_users(void **state)
{
	assert_int_equal(run(&cmd_reset, GPU, NULL), -EOPNOTSUPP);
	assert_string_equal(err.text, "cannot reset " GPU ": the kernel knows no way to");
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" GPU "/reset");
	assert_int_equal(run(&cmd_reset, GPU, NULL), 0);
	assert_string_equal(out, GPU ": reset\n");
	assert_string_equal(fake_get(kernel.root, "sys/bus/pci/devices/" GPU "/reset"), "1");
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" PF "/reset");
	assert_int_equal(run(&cmd_reset, PF, NULL), -EBUSY); /* its VF would go down with it */
	assert_string_equal(err.text, "cannot reset " PF ": its 1 VFs would go with it");
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" HDA "/reset");
	assert_int_equal(run(&cmd_reset, HDA, NULL), -EBUSY);
	assert_string_equal(err.text, "cannot reset " HDA ": it is bound to igbvf");
	assert_string_equal(fake_get(kernel.root, "sys/bus/pci/devices/" HDA "/reset"), "");
}

static int no_method_works(void *opaque, int root, const char *path, const char *value)
{
	return strstr(path, "/reset") ? -ENOTTY : FAKE_HOSTFS_PASS;
}

static void test_a_bus_reset_that_is_refused_names_who_is_on_the_bus(void **state)
{
	fake_sysfs_text(kernel.root, "", "sys/bus/pci/devices/" GPU "/reset");
	fake_sysfs_text(kernel.root, "bus", "sys/bus/pci/devices/" GPU "/reset_method");
	fake_hostfs(no_method_works, NULL);
	assert_int_equal(run(&cmd_reset, GPU, NULL), -ENOTTY);
	assert_string_equal(err.text, "cannot reset " GPU ": that would be a reset of its bus, and "
				      HDA " is there too");
	assert_non_null(strstr(err.hint, "thruway bind --group " GPU));
	fake_sysfs_text(kernel.root, "af_flr pm", "sys/bus/pci/devices/" GPU "/reset_method");
	assert_int_equal(run(&cmd_reset, GPU, NULL), -ENOTTY);
	assert_string_equal(err.text,
			    "cannot reset " GPU ": none of its methods (af_flr pm) works here");
}

static void test_wrong_command_lines_are_usage_errors(void **state)
{
	static const struct {
		const struct command *c;
		const char *arg1, *arg2, *text;
	} rows[] = {
		{ &cmd_list, "eth0", NULL, "list: unexpected 'eth0'" },
		{ &cmd_list, "-x", NULL, "list: unknown option '-x'" },
		{ &cmd_list, "-n", NULL, "list: unknown option '-n'" }, /* not for this one */
		{ &cmd_show, NULL, NULL, "show: DEV is missing" },
		{ &cmd_bind, NULL, NULL, "bind: DEV is missing" },
		{ &cmd_bind, "--driver", NULL, "bind: option '--driver' needs an argument" },
		{ &cmd_bind, "--driver=../x", PF, "bind: '../x' is no driver's name" },
		{ &cmd_bind, "--driver=", PF, "bind: '' is no driver's name" },
		{ &cmd_bind, "--owner=no such", PF, "bind: no user called 'no such'" },
		{ &cmd_bind, "--owner=root:no such", PF, "bind: no group called 'no such'" },
		{ &cmd_bind, "--owner=root:", PF, "bind: no group called ''" },
		{ &cmd_bind, "--owner=:root", PF, "bind: no user called ''" },
		{ &cmd_bind, "--lock-timeout=-1", PF, "--lock-timeout takes seconds, not '-1'" },
		{ &cmd_bind, "--force=everything", PF, "--force: 'everything' is not a reason" },
		{ &cmd_restore, NULL, NULL, "restore: DEV is missing" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(run(rows[i].c, rows[i].arg1, rows[i].arg2, NULL), -EINVAL);
		assert_string_equal(err.text, rows[i].text);
		assert_int_equal(err_exit_status(&err), 2);
	}
	assert_int_equal(kernel.nwrites, 0);
}

static void test_help_is_an_answer_and_names_every_option(void **state)
{
	assert_int_equal(run(&cmd_bind, "--help", NULL), -ECANCELED);
	assert_int_equal(err.code, 0);
	assert_non_null(strstr(out, "usage: thruway bind "));
	assert_non_null(strstr(out, "--owner USER"));
	assert_non_null(strstr(out, "--dry-run"));
	assert_int_equal(run(&cmd_host_confirm, "--help", NULL), -ECANCELED);
	assert_null(strstr(out, "--json")); /* it prints no data */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void test_a_vm_does_not_start_whose_counts_could_not_be_kept(void **state)
{
	fake_sysfs_text(kernel.root, "", "dev/kvm");
	assert_int_equal(run(&cmd_vm_run, "--kernel", "/proc/self/exe", "--stats", "/nonexistent/stats",
			     "--bind", "--device", VF0, NULL), -ENOENT);
	assert_non_null(strstr(err.text, "--stats: cannot write /nonexistent/stats"));
	assert_int_equal(kernel.nwrites, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_changes_and_their_dry_runs_are_json_when_asked),
		TEST(test_binding_and_restoring_are_json_when_asked),
		TEST(test_a_restore_that_fails_tells_in_json_what_was_restored),
		TEST(test_an_interface_whose_name_is_no_utf8_is_in_json),
		TEST(test_list_shows_endpoints_in_columns),
		TEST(test_list_tells_link_reset_power_and_user),
		TEST(test_list_as_json),
		TEST(test_a_vf_whose_link_is_gone_has_no_number),
		TEST(test_groups_say_which_are_viable),
		TEST(test_a_host_without_groups_is_told_why),
		TEST(test_show_tells_what_thruway_changed),
		TEST(test_dry_runs_change_nothing),
		TEST(test_a_dry_run_refuses_a_driver_that_is_not_there),
		TEST(test_a_dry_run_refuses_beside_a_damaged_journal),
		TEST(test_a_dry_run_refuses_what_cannot_be_reset),
		TEST(test_a_dry_run_names_whom_it_would_end),
		TEST(test_a_dry_restore_says_what_a_restore_then_does),
		TEST(test_a_vf_that_thruway_made_is_offered_to_no_driver),
		TEST(test_a_vf_that_others_made_is),
		TEST(test_a_dry_restore_of_what_was_unplugged),
		TEST(test_a_dry_restore_begins_with_what_a_killed_command_left),
		TEST(test_a_dry_restore_of_a_device_in_use_is_refused_or_names_the_victim),
		TEST(test_a_dry_destruction_says_what_there_is_to_destroy),
		TEST(test_quiet_is_quiet),
		TEST(test_reset_needs_a_way_to_and_no_users),
		TEST(test_a_vm_does_not_start_whose_counts_could_not_be_kept),
		TEST(test_a_bus_reset_that_is_refused_names_who_is_on_the_bus),
		TEST(test_wrong_command_lines_are_usage_errors),
		TEST(test_help_is_an_answer_and_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
