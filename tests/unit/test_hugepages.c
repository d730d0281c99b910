// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools of hugepages against a kernel that has only so many pages, and more after compaction. */
#include "host/hugepages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "tests/fake/hostfs.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"

#define NODE(n)	   "sys/devices/system/node/node" n
#define POOL(n, s) NODE(n) "/hugepages/hugepages-" s "kB/"
#define POOL_NODES(n, s, total, unused, surplus)                                      \
	{ POOL(n, s) "nr_hugepages", total }, { POOL(n, s) "free_hugepages", unused }, \
	{ POOL(n, s) "surplus_hugepages", surplus }

static const struct fake_node machine[] = {
	POOL_NODES("0", "2048", "8", "5", "0"),
	POOL_NODES("0", "1048576", "0", "0", "0"),
	POOL_NODES("1", "2048", "0", "0", "0"),
	{ NODE("1") "/meminfo", "Node 1 MemTotal: 8388608 kB\nNode 1 MemFree:  1048576 kB" },
	{ "sys/devices/system/node/possible", "0-1" },
	{ "run" },
	{ "proc/311/comm", "qemu" },
	{ "proc/311/status", "Name:\tqemu\nHugetlbPages:\t    6144 kB" },
	{ "proc/311/numa_maps",
	  "7f00 default file=/memfd:a\\040(deleted) huge dirty=3 N0=2 N1=1 kernelpagesize_kB=2048\n"
	  "7f80 default anon=9 N0=9 kernelpagesize_kB=4\n"
	  "7f90 default file=/memfd:b huge N0=1 kernelpagesize_kB=2048" },
	{ "proc/312/status", "Name:\tcat\nHugetlbPages:\t       0 kB" },
	{ "proc/312/numa_maps", "7f00 default huge N0=1 kernelpagesize_kB=2048" },
	{ 0 },
};

static struct {
	int root;
	unsigned had;	      /* what the kernel finds on node 1 */
	unsigned by_compaction; /* … and each compaction adds */
	unsigned in_use;
	unsigned compactions, writes;
	int fail;
} k;
static struct err err;
static char *out;

static int on_write(void *opaque, int root, const char *path, const char *value)
{
	unsigned n = (unsigned)strtoul(value, NULL, 10), total;
	char text[16];

	if (strcmp(path, NODE("1") "/compact") == 0) {
		k.compactions++;
		k.had += k.by_compaction;
		return 0;
	}
	k.writes++;
	if (k.fail)
		return -k.fail;
	if (strcmp(path, POOL("1", "2048") "nr_hugepages") != 0) {
		fake_sysfs_text(root, value, "%s", path);
		return 0;
	}
	n = n < k.had ? n : k.had;
	total = n > k.in_use ? n : k.in_use;
	snprintf(text, sizeof(text), "%u", total);
	fake_sysfs_text(root, text, "%s", path);
	snprintf(text, sizeof(text), "%u", total - n);
	fake_sysfs_text(root, text, POOL("1", "2048") "surplus_hugepages");
	return 0;
}

static int setup(void **state)
{
	memset(&k, 0, sizeof(k));
	k.root = fake_sysfs(machine);
	k.had = 1000;
	err = (struct err)ERR_INIT;
	log_set_level(LOG_QUIET);
	fake_hostfs(on_write, NULL);
	return 0;
}

static int teardown(void **state)
{
	free(out);
	out = NULL;
	fake_hostfs(NULL, NULL);
	fake_sysfs_free(&k.root);
	return 0;
}

static uint64_t value(const char *path)
{
	uint64_t n = 999;

	(void)hostfs_read_u64(k.root, &n, "%s", path);
	return n;
}

static uint64_t on_node1(void)
{
	return value(POOL("1", "2048") "nr_hugepages");
}

/* thruway hugepages WORDS… */
static int run(const char *words)
{
	struct ctx ctx = { .root = k.root, .command = &cmd_hugepages, .lock_timeout_s = 1 };
	char copy[128], *argv[16] = { (char *)"hugepages" }, *rest = copy;
	int argc = 1, r;
	size_t size;

	snprintf(copy, sizeof(copy), "%s", words);
	while (argc < 15 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	free(out);
	out = NULL;
	err = (struct err)ERR_INIT;
	ctx.quiet = strstr(words, "-q") != NULL;
	ctx.out = open_memstream(&out, &size);
	r = cmd_hugepages.run(&ctx, argc, argv, &err);
	fclose(ctx.out);
	return r;
}

static void test_pools_are_in_order_of_node_and_size(void **state)
{
	struct hugepage_pools p = HUGEPAGE_POOLS_INIT;

	assert_int_equal(hugepages_read(k.root, &p), 0);
	assert_int_equal(p.count, 3);
	assert_int_equal(p.pools[0].page_kb, 2048);
	assert_int_equal(p.pools[0].total, 8);
	assert_int_equal(p.pools[0].free, 5);
	assert_int_equal(p.pools[1].page_kb, 1048576);
	assert_int_equal(p.pools[2].node, 1);
	hugepages_fini(&p);
}

static void test_show_tells_who_maps_which_pages(void **state)
{
	assert_int_equal(run("show"), 0);
	assert_string_equal(out, "NODE  PAGE   PAGES  FREE  SURPLUS  MEMORY   USED BY\n"
				 "0     2 MiB  8      5     -        16 MiB   qemu (pid 311) 3\n"
				 "0     1 GiB  0      0     -        0 bytes  -\n"
				 "1     2 MiB  0      0     -        0 bytes  qemu (pid 311) 1\n");
	assert_int_equal(run("-j --node 1"), 0);
	assert_non_null(strstr(out, "\"schema\": \"thruway.hugepages/1\""));
	assert_non_null(strstr(out, "\"page_bytes\": 2097152"));
	assert_null(strstr(out, "\"node\": 0"));
}

static const char *schema_of(const char *words)
{
	static char schema[64];
	json_t *doc;

	assert_int_equal(run(words), 0);
	doc = json_loads(out, 0, NULL);
	if (!doc)
		fail_msg("%s: no JSON: %s", words, out);
	snprintf(schema, sizeof(schema), "%s", json_string_value(json_object_get(doc, "schema")));
	json_decref(doc);
	return schema;
}

static void test_json_is_json_whatever_is_done(void **state)
{
	fake_sysfs_text(k.root, "a\xff\nb", "proc/311/comm");
	assert_string_equal(schema_of("-j"), "thruway.hugepages/1");
	assert_non_null(strstr(out, "\"a??b\""));
	assert_string_equal(schema_of("reserve 4 --node 1 -j -n"), "thruway.plan/1");
	assert_non_null(strstr(out, "\"after\": \"4\""));
	assert_string_equal(schema_of("release -j"), "thruway.hugepages/1");
	assert_string_equal(schema_of("release -j -n"), "thruway.plan/1");
	assert_string_equal(schema_of("reserve 4 --node 1 -j"), "thruway.hugepages/1");
	assert_string_equal(schema_of("release -j -n"), "thruway.plan/1");
	assert_string_equal(schema_of("release -j"), "thruway.hugepages/1");
	assert_int_equal(on_node1(), 0);
}

static void test_reserve_and_release_give_back_what_was_there(void **state)
{
	k.had = 1000;
	fake_sysfs_text(k.root, "3", POOL("1", "2048") "nr_hugepages");
	assert_int_equal(run("reserve 64M --node 1 -q"), 0);
	assert_int_equal(on_node1(), 32);
	assert_int_equal(run("reserve 100 --node 1 -q"), 0);
	assert_int_equal(on_node1(), 100);
	assert_int_equal(run("release -q"), 0);
	assert_int_equal(on_node1(), 3);
	assert_int_equal(run("release"), 0);
	assert_non_null(strstr(out, "nothing to release"));
}

static void test_compaction_is_tried_while_it_gains(void **state)
{
	k.had = 10;
	k.by_compaction = 10;
	assert_int_equal(run("reserve 40 --node 1 -q"), 0);
	assert_int_equal(on_node1(), 40);
	assert_int_equal(k.compactions, 3);
}

static void test_a_shortage_says_what_is_missing_and_puts_all_back(void **state)
{
	k.had = 10;
	assert_int_equal(run("reserve 40 --node 0,1 -q"), -ENOMEM);
	assert_non_null(strstr(err.text, "node 1: only 10 of 40 pages of 2 MiB could be had, "
					 "30 (60 MiB) are missing"));
	assert_non_null(strstr(err.hint, "1 GiB more are free there"));
	assert_non_null(strstr(err.hint, "hugepagesz=2M hugepages=1:40"));
	assert_int_equal(on_node1(), 0);
	assert_int_equal(value(POOL("0", "2048") "nr_hugepages"), 8);
	assert_int_equal(run("release -n"), 0);
	assert_non_null(strstr(out, "nothing to release"));
}

static void test_a_pool_in_use_can_be_released(void **state)
{
	assert_int_equal(run("reserve 20 --node 1 -q"), 0);
	k.in_use = 5;
	assert_int_equal(run("release -q"), 0);
	assert_int_equal(on_node1(), 5);
	assert_int_equal(value(POOL("1", "2048") "surplus_hugepages"), 5);
	/* Surplus pages are not the pool's: it takes 4 of its own to have 4 again. */
	assert_int_equal(run("reserve 4 --node 1 -q"), 0);
	assert_int_equal(value(POOL("1", "2048") "surplus_hugepages"), 1);
}

static void test_reserve_never_makes_a_pool_smaller(void **state)
{
	assert_int_equal(run("reserve 2 --node 0 -q"), 0);
	assert_int_equal(value(POOL("0", "2048") "nr_hugepages"), 8);
	assert_int_equal(k.writes, 0);
}

static void test_a_host_of_several_nodes_must_be_told_which(void **state)
{
	assert_int_equal(run("reserve 2"), -EINVAL);
	assert_true(err.usage);
	assert_non_null(strstr(err.text, "--node is missing"));
	fake_sysfs_remove(k.root, NODE("1"));
	assert_int_equal(run("reserve 9 -q"), 0);
	assert_int_equal(value(POOL("0", "2048") "nr_hugepages"), 9);
}

static void test_what_the_host_lacks_is_named(void **state)
{
	assert_int_equal(run("reserve 2 --node 7"), -ENODEV);
	assert_non_null(strstr(err.text, "no NUMA node 7"));
	assert_int_equal(run("reserve 2 --node 1 --page 1G"), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "node 1 has no hugepages of 1 GiB"));
	k.fail = EINVAL;
	assert_int_equal(run("reserve 2 --node 0 --page 1G"), -EINVAL);
	assert_non_null(strstr(err.hint, "hugepages=0:2"));
	assert_int_equal(k.compactions, 0);
}

static void test_wrong_words_are_usage(void **state)
{
	static const char *const rows[] = { "reserve",		    "reserve x --node 1",
					    "reserve 3M --node 1",  "reserve 2 --node x",
					    "reserve 2 --page 3x",  "take 5",
					    "release 5",	    "reserve 99999999999999999T --node 0" };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(run(rows[i]) < 0);
		if (!err.usage)
			fail_msg("'%s' is not usage: %s", rows[i], err.text);
	}
	assert_int_equal(k.writes, 0);
}

static void test_dry_run_writes_nothing(void **state)
{
	assert_int_equal(run("reserve -n 64M --node 1"), 0);
	assert_string_equal(out, "node1/2048kB: keep 32 hugepages (now: 0)\n");
	assert_int_equal(k.writes, 0);
	assert_int_equal(run("release -n"), 0);
	assert_non_null(strstr(out, "nothing to release"));
	assert_int_equal(run("reserve -q 64M --node 1"), 0);
	k.writes = 0;
	assert_int_equal(run("release -n"), 0);
	assert_string_equal(out, "node1/2048kB: keep 0 hugepages (now: 32)\n");
	assert_int_equal(k.writes, 0);
	fake_sysfs_text(k.root, "format=9", "run/thruway/journal/0000000009");
	assert_int_equal(run("release -n"), -EBADMSG); /* as without -n */
	assert_int_equal(run("release"), -EBADMSG);
	assert_int_equal(run("reserve -n 128M --node 1"), -EBADMSG);
	assert_int_equal(run("reserve 128M --node 1"), -EBADMSG);
	assert_int_equal(k.writes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pools_are_in_order_of_node_and_size, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_show_tells_who_maps_which_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_is_json_whatever_is_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve_and_release_give_back_what_was_there,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_compaction_is_tried_while_it_gains, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_a_shortage_says_what_is_missing_and_puts_all_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_pool_in_use_can_be_released, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve_never_makes_a_pool_smaller, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_host_of_several_nodes_must_be_told_which,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_the_host_lacks_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_words_are_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dry_run_writes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
