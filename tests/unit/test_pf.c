// SPDX-License-Identifier: GPL-2.0-or-later
/* What sysfs says about PFs and their VFs, and what is told about devices that are none. */
#include "sriov/pf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/pf.h"
#include "tests/fake/sysfs.h"
#include "tools/vf_words.h"

static struct fake_pf k;
static const struct bdf pf_bdf = { .bus = 1 };

static int setup(void **state)
{
	fake_pf_init(&k);
	return 0;
}

static int teardown(void **state)
{
	fake_pf_fini(&k);
	return 0;
}

static void test_a_pf_is_found_by_address_and_by_interface(void **state)
{
	struct pf pf = { 0 };

	assert_int_equal(pf_find(k.root, "01:00.0", &pf, NULL), 0);
	assert_int_equal(pf.totalvfs, 7);
	assert_int_equal(pf.vendor, 0x8086);
	assert_int_equal(pf.vf_device, 0x10ca);
	assert_string_equal(pf.driver, "igb");
	assert_true(pf.autoprobe);
	memset(&pf, 0, sizeof(pf));
	assert_int_equal(pf_find(k.root, "eth0", &pf, NULL), 0);
	assert_true(bdf_eq(pf.bdf, pf_bdf));
	assert_int_equal(pf.netdevs, 1);
	assert_string_equal(pf.netdev, "eth0");
	assert_false(pf.up);
}

static void test_what_is_no_pf_is_told_what_it_is(void **state)
{
	struct err none = ERR_INIT, vf = ERR_INIT, plain = ERR_INIT, word = ERR_INIT;
	struct pf pf;

	fake_pf_set(&k, 2);
	assert_int_equal(pf_find(k.root, "0000:09:00.0", &pf, &none), -ENODEV);
	assert_non_null(strstr(none.text, "no such PCI device"));
	assert_int_equal(pf_find(k.root, "0000:01:10.2", &pf, &vf), -EOPNOTSUPP);
	assert_non_null(strstr(vf.text, "it is vf1 of " FAKE_PF));
	assert_non_null(strstr(vf.hint, FAKE_PF));
	assert_int_equal(pf_find(k.root, "00:1f.0", &pf, &plain), -EOPNOTSUPP);
	assert_non_null(strstr(plain.text, "not an SR-IOV physical function"));
	assert_int_equal(pf_find(k.root, "../eth0", &pf, &word), -ENODEV);
	assert_non_null(strstr(word.text, "neither a PCI address nor"));
}

static void test_representors_are_not_interfaces_of_the_pf(void **state)
{
	struct pf pf;

	fake_sysfs_add(k.root, (struct fake_node[]){
		{ FAKE_PF_DIR "/net/eth0_0" }, { FAKE_PF_DIR "/net/eth0_1" },
		{ "sys/class/net/eth0/phys_port_name", "p0" },
		{ "sys/class/net/eth0_0/phys_port_name", "pf0vf0" },
		{ "sys/class/net/eth0_1/phys_port_name", "pf0sf1" }, { 0 } });
	assert_int_equal(pf_read(k.root, pf_bdf, &pf, NULL), 0);
	assert_int_equal(pf.netdevs, 1);
	assert_string_equal(pf.netdev, "eth0");
	fake_sysfs_add(k.root, (struct fake_node[]){ { FAKE_PF_DIR "/net/eth9" }, { 0 } });
	assert_int_equal(pf_read(k.root, pf_bdf, &pf, NULL), 0);
	assert_int_equal(pf.netdevs, 2);
}

static void test_vfs_appear_where_offset_and_stride_say(void **state)
{
	struct bdf expected, there;
	struct pf pf;

	fake_pf_set(&k, 7);
	assert_int_equal(pf_read(k.root, pf_bdf, &pf, NULL), 0);
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(pf_vf_bdf_expected(&pf, i, &expected), 0);
		assert_int_equal(pf_vf_bdf(k.root, pf_bdf, i, &there), 0);
		assert_true(bdf_eq(expected, there));
	}
	assert_int_equal(pf_vf_bdf(k.root, pf_bdf, 7, &there), -ENOENT);
	pf.bdf.bus = 0xff;
	assert_int_equal(pf_vf_bdf_expected(&pf, 0, &expected), 0);
	assert_int_equal(pf_vf_bdf_expected(&pf, 64, &expected), -ERANGE);
}

static int count_pfs(const struct pf *pf, void *opaque)
{
	assert_true(bdf_eq(pf->bdf, pf_bdf));
	++*(int *)opaque;
	return 0;
}

static void test_only_pfs_are_listed(void **state)
{
	int n = 0;

	fake_pf_set(&k, 3);
	assert_int_equal(pf_each(k.root, count_pfs, &n), 0);
	assert_int_equal(n, 1);
}

static void test_a_vf_is_named_by_its_pf_or_its_address(void **state)
{
	static const char *const names[] = { "eth0/vf2", "01:00.0/vf2", "0000:01:10.4" };
	struct err err = ERR_INIT;
	struct pf pf;
	unsigned vf;

	fake_pf_set(&k, 3);
	for (unsigned i = 0; i < 3; i++) {
		vf = 99;
		assert_int_equal(vf_words_target(k.root, names[i], &pf, &vf, NULL), 0);
		assert_int_equal(vf, 2);
		assert_true(bdf_eq(pf.bdf, pf_bdf));
	}
	assert_int_equal(vf_words_target(k.root, "eth0/2", &pf, &vf, &err), -EINVAL);
	assert_true(err.usage);
	assert_int_equal(vf_words_target(k.root, "eth0", &pf, &vf, NULL), -EINVAL);
	assert_int_equal(vf_words_target(k.root, "eth0/vf", &pf, &vf, NULL), -EINVAL);
	assert_int_equal(vf_words_target(k.root, "eth0/vf2x", &pf, &vf, NULL), -EINVAL);
}

/* Parse "a b c" as the operands behind `vf create PF 2`. */
static int parse(const char *line, struct vf_words *w, struct err *err)
{
	char copy[128], *words[16], *save;
	unsigned n = 0;

	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &save); word && n < 16;
	     word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	return vf_words_parse(words, n, w, err);
}

static void test_words_behind_a_vf_are_its_own(void **state)
{
	struct vf_words w = { .count = 2 };

	assert_int_equal(parse("vlan 5 queues 2 vf1 vlan 6 trust on", &w, NULL), 0);
	assert_int_equal(w.all.vlan, 5);
	assert_int_equal(w.queues, 2);
	assert_int_equal(w.each[1].vlan, 6);
	assert_true(w.each[1].trust);
	assert_int_equal(w.each[0].have, 0);
	vf_words_fini(&w);
}

static void test_words_that_do_not_fit_are_usage_errors(void **state)
{
	static const char *const lines[] = { "vlan", "vf2 vlan 5", "queues 0", "speed 5",
					     "vf1 mac", "vlan 5 vlan 6" };

	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct vf_words w = { .count = 2 };
		struct err err = ERR_INIT;

		assert_int_equal(parse(lines[i], &w, &err), -EINVAL);
		assert_true(err.usage);
		vf_words_fini(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_pf_is_found_by_address_and_by_interface),
		T(test_what_is_no_pf_is_told_what_it_is),
		T(test_representors_are_not_interfaces_of_the_pf),
		T(test_vfs_appear_where_offset_and_stride_say),
		T(test_only_pfs_are_listed),
		T(test_a_vf_is_named_by_its_pf_or_its_address),
		T(test_words_behind_a_vf_are_its_own),
		T(test_words_that_do_not_fit_are_usage_errors),
#undef T
	};

	return cmocka_run_group_tests_name("pf", tests, NULL, NULL);
}
