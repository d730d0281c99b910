// SPDX-License-Identifier: GPL-2.0-or-later
/* host.yaml as text: what is taken, what is refused in which words and where, and the limits. */
#include "host/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/near.h"
#include "tests/fake/sysfs.h"

static int load(const char *text, struct spec *ret, struct err *err)
{
	return spec_load_text("host.yaml", text, strlen(text), ret, err);
}

static void test_a_whole_file_is_taken(void **state)
{
	static const char text[] =
		"version: 1\n"
		"devices:\n"
		"  - match: {vendor: 10DE, device: 0x2684, subsystem: 10DE:16f3, count: all}\n"
		"    group: yes\n"
		"  - match: {serial: 52-54-00-FF-FF-00-00-01}\n"
		"    driver: none\n"
		"pfs:\n"
		"  - match: {netdev: eth0}\n"
		"    numvfs: 4\n"
		"    link: up\n"
		"    vfs:\n"
		"      0-2: {mac: stable, vlan: 10, trust: true, driver: vfio-pci, pool: fast}\n"
		"      3,1: {max_tx_rate: 100}\n"
		"hugepages:\n"
		"  - {node: 1, size: 1024M, count: 2}\n";
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(load(text, &spec, &err), 0);
	assert_int_equal(spec.device_count, 2);
	assert_string_equal(spec.devices[0].target.match[SPEC_VENDOR].text, "10de");
	assert_string_equal(spec.devices[0].target.match[SPEC_DEVICE_ID].text, "2684");
	assert_string_equal(spec.devices[0].target.match[SPEC_SUBSYSTEM].text, "10de:16f3");
	assert_string_equal(spec.devices[0].target.count.text, "all");
	assert_string_equal(spec.devices[0].set[SPEC_DEVICE_GROUP].text, "on");
	assert_null(spec.devices[0].set[SPEC_DEVICE_DRIVER].text);
	assert_string_equal(spec.devices[1].target.match[SPEC_SERIAL].text, "525400ffff000001");
	assert_int_equal(spec.pf_count, 1);
	assert_string_equal(spec.pfs[0].set[SPEC_PF_NUMVFS].text, "4");
	assert_int_equal(spec.pfs[0].set[SPEC_PF_NUMVFS].at.line, 9);
	assert_int_equal(spec.pfs[0].set[SPEC_PF_NUMVFS].at.column, 13);
	assert_int_equal(spec.pfs[0].vfs_count, 2);
	assert_string_equal(spec.pfs[0].vfs[0].range.text, "0-2");
	assert_string_equal(spec.pfs[0].vfs[0].set[VF_MAC].text, "stable");
	assert_string_equal(spec.pfs[0].vfs[0].set[VF_TRUST].text, "on");
	assert_string_equal(spec.pfs[0].vfs[0].set[SPEC_VF_DRIVER].text, "vfio-pci");
	assert_string_equal(spec.pfs[0].vfs[0].set[SPEC_VF_POOL].text, "fast");
	assert_string_equal(spec.pfs[0].vfs[1].range.text, "1,3");
	assert_string_equal(spec.hugepages[0].size.text, "1G");
}

static void test_an_empty_file_wants_nothing(void **state)
{
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;

	assert_int_equal(load("", &spec, NULL), 0);
	assert_int_equal(load("# nothing yet\n", &spec, NULL), 0);
	assert_int_equal(load("pfs: []\ndevices: []\n", &spec, NULL), 0);
	assert_int_equal(spec.pf_count + spec.device_count, 0);
}

#define PF_ "pfs:\n  - match: {netdev: eth0}\n"

#define BRACKETS "[[[[{[[[[[[[[[[[" /* sixteen */

static void test_what_is_wrong_is_said_with_its_place(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ PF_ "    vsf: {}\n", "host.yaml:3:5: unknown key 'vsf' (did you mean 'vfs'?)" },
		{ PF_ "    colour: red\n", "host.yaml:3:5: unknown key 'colour'" },
		{ "device: []\n", "host.yaml:1:1: unknown key 'device' (did you mean 'devices'?)" },
		{ PF_ "    numvfs: many\n",
		  "host.yaml:3:13: 'numvfs' is a number from 0 to 4095, not 'many'" },
		{ PF_ "    numvfs: 4096\n", "host.yaml:3:13: 'numvfs' is a number from 0 to 4095" },
		{ PF_ "    numvfs:\n", "host.yaml:3:12: 'numvfs' is a number from 0 to 4095, not ''" },
		{ PF_ "    numvfs: [4]\n", "'numvfs' is a number from 0 to 4095, not a list" },
		{ PF_ "    numvfs: 4\n    numvfs: 5\n",
		  "host.yaml:4:5: 'numvfs' is given twice, first at host.yaml:3:5" },
		{ PF_ "    vfs: {a-b: {}}\n", "host.yaml:3:11: a key of 'vfs' is a list of VF numbers" },
		{ PF_ "    vfs: {0: {vlan: 4095}}\n",
		  "host.yaml:3:21: 'vlan' is a number from 0 to 4094, not '4095'" },
		{ PF_ "    vfs: {0: {mac: 01:00:5e:00:00:01}}\n",
		  "'mac' is an address, none or stable, not '01:00:5e:00:00:01'" },
		{ PF_ "    vfs: {0: {}, 0: {}}\n", "host.yaml:3:18: '0' is given twice, first at" },
		{ PF_ "    vfs: [0]\n", "'vfs' is a mapping (key: value), not a list" },
		{ PF_ "    eswitch: Legacy\n", "'eswitch' is legacy or switchdev, not 'Legacy'" },
		{ "pfs: {}\n", "host.yaml:1:6: 'pfs' is a list (lines that begin with -)" },
		{ "pfs:\n  - numvfs: 4\n", "host.yaml:2:5: an entry of 'pfs' needs 'match'" },
		{ "pfs:\n  - match: {}\n", "host.yaml:2:12: 'match' fits every device" },
		{ "pfs:\n  - match: {count: 2}\n", "'match' fits every device" },
		{ "pfs:\n  - match: {mac: 1}\n", "'mac' is a MAC address, not '1'" },
		{ "pfs:\n  - match: {netdev: a/b}\n", "'netdev' is a network interface's name" },
		{ "pfs:\n  - match: {address: 1:2}\n", "'address' is a PCI address" },
		{ "pfs:\n  - {match: {vendor: 12345}}\n", "'vendor' is four hexadecimal digits" },
		{ "devices:\n  - match: {serial: 5254}\n", "'serial' is sixteen hexadecimal" },
		{ "hugepages:\n  - {node: 0, size: 2, count: 1}\n", "'size' is a page size" },
		{ "hugepages:\n  - {node: 0, count: 1}\n", "an entry of 'hugepages' needs 'size'" },
		{ "version: 2\n", "host.yaml:1:10: 'version' is 1, the only one that this thruway "
				  "knows, not '2'" },
		{ "just words\n", "host.yaml:1:1: the file is a mapping (key: value), not a single" },
		{ "? [a]\n: b\n", "host.yaml:1:3: a key is a single word, not a list" },
		{ "pfs: [\n", "host.yaml:2:1: " },
		{ "# ]\npfs: " BRACKETS BRACKETS BRACKETS BRACKETS "[", "host.yaml:2:70: more than 64 brackets" },
		{ "a: b: c\n", "host.yaml:1:5: mapping values are not allowed" },
		{ "version: 1\n---\nversion: 1\n", "host.yaml:2:1: a second document" },
		{ "\xff\xff", "host.yaml: " },
		{ "pfs: *nobody\n", "host.yaml:1:6: found undefined alias" },
		{ "version: \"1\\0\"\n", "'version' is 1" },
		{ "devices:\n  - match: {slot: \"a\\tb\"}\n", "not 'a?b'" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(spec_fini) struct spec spec = SPEC_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(load(rows[i].text, &spec, &err), -EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s\nsays: %s", rows[i].text, err.text);
	}
}

static void test_an_unknown_key_that_is_like_none_lists_those_there_are(void **state)
{
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(load("colour: red\n", &spec, &err), -EINVAL);
	assert_string_equal(err.hint, "known here: version, devices, pfs, hugepages");
}

/* 500 PFs of 500 VFs each, in a file of 20 KiB. */
static void test_aliases_do_not_multiply(void **state)
{
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs("pfs:\n  - &p\n    match: &m {netdev: eth0}\n    vfs:\n", f);
	for (unsigned i = 0; i < 500; i++)
		fprintf(f, "      %u: {mac: none, vlan: 1}\n", i);
	for (unsigned i = 0; i < 500; i++)
		fputs("  - *p\n", f);
	fclose(f);
	assert_int_equal(load(text, &spec, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than 65536 values"));
}

static void test_an_alias_stands_for_what_it_names(void **state)
{
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;

	assert_int_equal(load("pfs:\n  - match: {netdev: a}\n    vfs: &v {0: {vlan: 3}}\n"
			      "  - match: {netdev: b}\n    vfs: *v\n", &spec, NULL), 0);
	assert_string_equal(spec.pfs[1].vfs[0].set[VF_VLAN].text, "3");
}

static void test_depth_costs_nothing(void **state)
{
	enum { DEPTH = 5000 }; /* libyaml takes time with its square */
	_cleanup_free_ char *text = malloc(DEPTH + 16);
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;
	struct err err = ERR_INIT;

	strcpy(text, "pfs: ");
	memset(text + 5, '[', DEPTH);
	text[5 + DEPTH] = '\0';
	assert_int_equal(load(text, &spec, &err), -EINVAL);
}

static void test_a_file_that_is_too_large_is_not_read(void **state)
{
	_cleanup_(fake_sysfs_free) int root = fake_sysfs((struct fake_node[]){ { 0 } });
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;
	_cleanup_free_ char *text = calloc(1, SPEC_FILE_SIZE_MAX + 2);
	struct err err = ERR_INIT;

	memset(text, '#', SPEC_FILE_SIZE_MAX + 1);
	fake_sysfs_text(root, text, "etc/thruway/host.yaml");
	assert_int_equal(spec_load(root, &spec, &err), -EINVAL);
	assert_string_equal(err.text, "host.yaml is larger than 256 KiB");
	fake_sysfs_remove(root, "etc/thruway/host.yaml");
	assert_int_equal(mkfifoat(root, "etc/thruway/host.yaml", 0600), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(spec_load(root, &spec, &err), -EINVAL);
	assert_string_equal(err.text, "host.yaml is not a regular file");
}

static void test_drop_ins_come_in_the_order_of_their_names(void **state)
{
	static const struct fake_node files[] = {
		{ "etc/thruway/host.yaml", "devices: [{match: {vendor: 1}}]" },
		{ "etc/thruway/host.d/20-b.yaml", "devices: [{match: {vendor: 3}}]" },
		{ "etc/thruway/host.d/10-a.yaml", "devices: [{match: {vendor: 2}}]" },
		{ "etc/thruway/host.d/10-a.yaml.bak", "nonsense" },
		{ "etc/thruway/host.d/.20-b.yaml", "nonsense" },
		{ 0 },
	};
	_cleanup_(fake_sysfs_free) int root = fake_sysfs(files);
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT, bad = SPEC_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(spec_load(root, &spec, NULL), 0);
	assert_int_equal(spec.device_count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(spec.devices[i].target.match[SPEC_VENDOR].text[3], '1' + i);
	assert_string_equal(spec.files[1], "host.d/10-a.yaml");
	assert_null(spec.passed_over);
	fake_sysfs_text(root, "pfs: 1", "etc/thruway/host.d/30.yaml");
	assert_int_equal(spec_load(root, &bad, &err), -EINVAL);
	assert_non_null(strstr(err.text, "host.d/30.yaml:1:6: "));
}

/* Passed over, it would take those behind it along, and a host without host.yaml wants nothing. */
static void test_a_link_to_nowhere_is_not_passed_over(void **state)
{
	static const struct fake_node files[] = {
		{ "etc/thruway/host.d/10-a.yaml", .link = "nowhere" },
		{ "etc/thruway/host.d/20-b.yaml", "devices: [{match: {vendor: 3}}]" },
		{ 0 },
	};
	_cleanup_(fake_sysfs_free) int root = fake_sysfs(files);
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT, other = SPEC_INIT;
	struct err err = ERR_INIT, again = ERR_INIT;

	assert_int_equal(spec_load(root, &spec, &err), -ENOENT);
	assert_string_equal(err.text, "cannot open host.d/10-a.yaml: No such file or directory");
	fake_sysfs_remove(root, "etc/thruway/host.d/10-a.yaml");
	fake_sysfs_link(root, "nowhere", "etc/thruway/host.yaml");
	assert_int_equal(spec_load(root, &other, &again), -ENOENT);
	assert_string_equal(again.text, "cannot open host.yaml: No such file or directory");
}

static void test_a_host_without_files_wants_nothing(void **state)
{
	_cleanup_(fake_sysfs_free) int root = fake_sysfs((struct fake_node[]){ { 0 } });
	_cleanup_(spec_fini) struct spec spec = SPEC_INIT;

	assert_int_equal(spec_load(root, &spec, NULL), 0);
	assert_int_equal(spec.file_count, 0);
}

static void test_words_that_were_meant(void **state)
{
	static const char *const words[] = { "match", "numvfs", "vfs", "link", "mac" };
	static const struct {
		const char *word, *near;
	} rows[] = {
		{ "vsf", "vfs" },   { "vf", "vfs" },	{ "numvf", "numvfs" }, { "nmuvfs", "numvfs" },
		{ "matc", "match" }, { "lnik", "link" }, { "cma", NULL },      { "x", NULL },
		{ "colour", NULL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *near = near_word(rows[i].word, words, ARRAY_SIZE(words));

		if (!rows[i].near)
			assert_null(near);
		else
			assert_string_equal(near ? near : "nothing", rows[i].near);
	}
	assert_int_equal(near_distance("kitten", "sitting"), 3);
	assert_int_equal(near_distance("", "abc"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_file_is_taken),
		cmocka_unit_test(test_an_empty_file_wants_nothing),
		cmocka_unit_test(test_what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(test_an_unknown_key_that_is_like_none_lists_those_there_are),
		cmocka_unit_test(test_aliases_do_not_multiply),
		cmocka_unit_test(test_an_alias_stands_for_what_it_names),
		cmocka_unit_test(test_depth_costs_nothing),
		cmocka_unit_test(test_a_file_that_is_too_large_is_not_read),
		cmocka_unit_test(test_drop_ins_come_in_the_order_of_their_names),
		cmocka_unit_test(test_a_link_to_nowhere_is_not_passed_over),
		cmocka_unit_test(test_a_host_without_files_wants_nothing),
		cmocka_unit_test(test_words_that_were_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
