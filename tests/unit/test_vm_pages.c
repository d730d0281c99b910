// SPDX-License-Identifier: GPL-2.0-or-later
/* The pages of a guest for low latency: the largest that its nodes have, or what is missing. */
#include "tools/vm_pages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/size.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_mem_opts.h"

#define ON(n, size) "sys/devices/system/node/node" #n "/hugepages/hugepages-" size "kB/"
#define POOL(size)  "sys/kernel/mm/hugepages/hugepages-" size "kB/"
#define SIZE_1G	    "1048576"
#define SIZE_2M	    "2048"

static int host = -1;
static struct err err;
static char warned[4096];

/* Pages free on two nodes, for each size. */
static void free_pages(const char *of_1g[2], const char *of_2m[2], const char *all_1g, const char *all_2m)
{
	fake_sysfs_text(host, of_1g[0], ON(0, SIZE_1G) "free_hugepages");
	fake_sysfs_text(host, of_1g[1], ON(1, SIZE_1G) "free_hugepages");
	fake_sysfs_text(host, of_2m[0], ON(0, SIZE_2M) "free_hugepages");
	fake_sysfs_text(host, of_2m[1], ON(1, SIZE_2M) "free_hugepages");
	fake_sysfs_text(host, all_1g, POOL(SIZE_1G) "free_hugepages");
	fake_sysfs_text(host, all_2m, POOL(SIZE_2M) "free_hugepages");
}

#define FREE(a, b, c, d, all_1g, all_2m) \
	free_pages((const char *[]){ a, b }, (const char *[]){ c, d }, all_1g, all_2m)

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ ON(0, SIZE_1G) "nr_hugepages", "2" },
		{ ON(0, SIZE_2M) "nr_hugepages", "700" },
		{ ON(1, SIZE_1G) "nr_hugepages", "4" },
		{ ON(1, SIZE_2M) "nr_hugepages", "700" },
		{ 0 },
	};

	host = fake_sysfs(nodes);
	FREE("2", "4", "600", "600", "6", "1200");
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

/* A guest node on one host node; -1: not bound. */
static struct mem_node node(uint64_t size, int host_node)
{
	return (struct mem_node){
		.size = size,
		.kind = MEM_ANON,
		.policy = host_node < 0 ? MEM_UNBOUND : MEM_PREFERRED,
		.host_nodes = { host_node < 0 ? 0 : 1u << host_node },
	};
}

/* With what it says on stderr in `warned`. */
static int choose(struct mem_node *nodes, unsigned count, uint32_t mask)
{
	int into = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO), r;
	ssize_t len;

	err = (struct err)ERR_INIT;
	dup2(into, STDERR_FILENO);
	r = vm_pages_choose(host, nodes, count, mask, &err);
	dup2(saved, STDERR_FILENO);
	len = pread(into, warned, sizeof(warned) - 1, 0);
	warned[len > 0 ? len : 0] = '\0';
	close(saved);
	close(into);
	return r;
}

static void test_pages_of_1g_where_there_are_enough(void **state)
{
	struct mem_node one = node(2 * GiB, 0), anywhere = node(6 * GiB, -1);
	struct mem_node two[] = { node(2 * GiB, 0), node(4 * GiB, 1) };

	assert_int_equal(choose(&one, 1, 1), 0);
	assert_int_equal(one.kind, MEM_HUGETLB_1G);
	assert_int_equal(choose(two, 2, 3), 0);
	assert_int_equal(two[0].kind, MEM_HUGETLB_1G);
	assert_int_equal(two[1].kind, MEM_HUGETLB_1G);
	assert_int_equal(choose(&anywhere, 1, 1), 0);
	assert_int_equal(anywhere.kind, MEM_HUGETLB_1G);
	assert_string_equal(warned, "");
}

static void test_what_is_no_whole_gib_has_pages_of_2m_without_ado(void **state)
{
	struct mem_node one = node(1200 * MiB, 0);

	assert_int_equal(choose(&one, 1, 1), 0);
	assert_int_equal(one.kind, MEM_HUGETLB_2M);
	assert_string_equal(warned, "");
}

static void test_pages_of_2m_for_want_of_larger_ones_are_warned_of(void **state)
{
	/* The other node's are far away: what the kernel would take if it were asked. */
	struct mem_node one = node(3 * GiB, 0);

	FREE("2", "4", "1536", "0", "6", "1536");
	assert_int_equal(choose(&one, 1, 1), 0);
	assert_int_equal(one.kind, MEM_HUGETLB_2M);
	assert_non_null(strstr(warned, "RAM is in pages of 2M"));
	assert_non_null(strstr(warned, "3 hugepages of 1 GiB on node 0, which has 2 free: 1 are missing"));
	assert_non_null(strstr(warned, "thruway hugepages reserve 3 --page 1G --node 0"));
}

static void test_neither_is_refused_with_what_would_be_enough(void **state)
{
	struct mem_node one = node(3 * GiB, 0), small = node(1300 * MiB, 1);

	assert_int_equal(choose(&one, 1, 1), -ENOMEM);
	assert_int_equal(one.kind, MEM_ANON);
	assert_non_null(strstr(err.text, "--latency low: 3 GiB of guest RAM take 3 hugepages of 1 GiB on "
					 "node 0"));
	assert_non_null(strstr(err.hint, "thruway hugepages reserve 3 --page 1G --node 0; or "
					 "thruway hugepages reserve 1636 --page 2M --node 0; "));
	assert_non_null(strstr(err.hint, "backend=anon"));
	assert_string_equal(warned, "");
	/* Which pages of 1G cannot be. */
	assert_int_equal(choose(&small, 1, 1), -ENOMEM);
	assert_non_null(strstr(err.text, "650 hugepages of 2 MiB on node 1"));
	assert_null(strstr(err.hint, "1G"));
}

static void test_nodes_of_the_guest_that_share_one_of_the_host_are_added_up(void **state)
{
	struct mem_node two[] = { node(GiB, 0), node(GiB, 0) };

	FREE("1", "4", "1023", "0", "5", "1023");
	assert_int_equal(choose(two, 2, 3), -ENOMEM);
	assert_int_equal(two[0].kind, MEM_ANON);
	assert_int_equal(two[1].kind, MEM_ANON);
	FREE("1", "4", "1024", "0", "5", "1024");
	assert_int_equal(choose(two, 2, 3), 0);
	assert_int_equal(two[1].kind, MEM_HUGETLB_2M);
}

static void test_what_was_said_stays_and_counts(void **state)
{
	struct mem_node two[] = { node(2 * GiB, 0), node(GiB, 0) };

	two[0].kind = MEM_HUGETLB_1G;
	FREE("2", "4", "512", "0", "6", "512");
	assert_int_equal(choose(two, 2, 2), 0);
	assert_int_equal(two[0].kind, MEM_HUGETLB_1G);
	assert_int_equal(two[1].kind, MEM_HUGETLB_2M); /* the other has both of the large ones */
	two[1] = node(GiB, 0);
	assert_int_equal(choose(two, 2, 0), 0);
	assert_int_equal(two[1].kind, MEM_ANON);
}

static void test_a_size_the_kernel_does_not_have_is_not_asked_for(void **state)
{
	struct mem_node one = node(GiB, 0);

	fake_sysfs_remove(host, POOL(SIZE_1G));
	assert_int_equal(choose(&one, 1, 1), 0);
	assert_int_equal(one.kind, MEM_HUGETLB_2M);
	assert_string_equal(warned, "");
	one = node(2 * GiB, 0);
	assert_int_equal(choose(&one, 1, 1), -ENOMEM);
	assert_null(strstr(err.hint, "1G"));
	fake_sysfs_remove(host, POOL(SIZE_2M));
	assert_int_equal(choose(&one, 1, 1), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "has no hugepages"));
	assert_int_equal(one.kind, MEM_ANON);
}

static void test_what_is_said_of_the_pages_is_kept(void **state)
{
	static const struct {
		const char *memory, *node;
		uint32_t any; /* of nodes 0 and 1; what --node says is of node 1 */
	} rows[] = {
		{ "2G", "1", 3 },
		{ "2G,host-node=0,lock=on", "1,cpus=0", 3 },
		{ "2G,backend=anon", "1", 0 },
		{ "2G,thp=off", "1", 0 },
		{ "2G,merge=off", "1", 0 },
		{ "2G", "1,backend=memfd", 1 },
		{ "2G", "1,thp=on", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_mem_opts memory = VM_MEM_OPTS_INIT;
		struct vm_mem_opts nodes[VMM_MAX_NODES] = { VM_MEM_OPTS_INIT, VM_MEM_OPTS_INIT };
		struct vm_mem_request q = { 2, 2, 0, NULL, &memory, nodes };

		assert_int_equal(vm_mem_opts_memory(rows[i].memory, &memory, NULL), 0);
		assert_int_equal(vm_mem_opts_node(rows[i].node, nodes, NULL), 0);
		if (vm_mem_opts_any_pages(&q) != rows[i].any)
			fail_msg("%s, %s", rows[i].memory, rows[i].node);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages_of_1g_where_there_are_enough),
		TEST(test_what_is_no_whole_gib_has_pages_of_2m_without_ado),
		TEST(test_pages_of_2m_for_want_of_larger_ones_are_warned_of),
		TEST(test_neither_is_refused_with_what_would_be_enough),
		TEST(test_nodes_of_the_guest_that_share_one_of_the_host_are_added_up),
		TEST(test_what_was_said_stays_and_counts),
		TEST(test_a_size_the_kernel_does_not_have_is_not_asked_for),
		TEST(test_what_is_said_of_the_pages_is_kept),
	};

	return cmocka_run_group_tests_name("vm_pages", tests, NULL, NULL);
}
