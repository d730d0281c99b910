// SPDX-License-Identifier: GPL-2.0-or-later
/* RAM that the host cannot give is refused before the OOM killer has to. */
#include "tools/vm_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/size.h"
#include "tests/fake/sysfs.h"

#define ON(n) "sys/devices/system/node/node" #n "/"
#define POOL_2M "sys/kernel/mm/hugepages/hugepages-2048kB/"

static int host = -1;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "proc/meminfo", "MemTotal:        6085632 kB\nMemFree:         1000 kB\n"
				  "MemAvailable:    4194304 kB\nSwapFree:        1048576 kB\n"
				  "Hugetlb:         1048576 kB\n" },
		{ POOL_2M "free_hugepages", "512" },
		{ POOL_2M "resv_hugepages", "12" },
		{ POOL_2M "nr_overcommit_hugepages", "10" },
		{ POOL_2M "surplus_hugepages", "4" },
		{ POOL_2M "nr_hugepages", "600" },
		{ ON(0) "meminfo", "Node 0 MemTotal:       3000000 kB\nNode 0 MemFree:        1048576 kB\n"
				   "Node 0 Active(file):    200000 kB\nNode 0 Inactive(file):  8576 kB\n"
				   "Node 0 SReclaimable:    800000 kB\n" },
		{ ON(0) "hugepages/hugepages-2048kB/free_hugepages", "500" },
		{ ON(0) "hugepages/hugepages-2048kB/nr_hugepages", "520" },
		{ ON(1) "meminfo", "Node 1 MemTotal:       3000000 kB\nNode 1 MemFree:        2097152 kB\n" },
		{ ON(1) "hugepages/hugepages-2048kB/free_hugepages", "12" },
		{ ON(1) "hugepages/hugepages-2048kB/nr_hugepages", "80" },
		{ "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n" },
		{ "sys/kernel/mm/transparent_hugepage/shmem_enabled",
		  "always within_size advise [never] deny force\n" },
		{ 0 },
	};

	err = (struct err)ERR_INIT;
	host = fake_sysfs(nodes);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static int check(uint64_t bytes, enum mem_kind kind, bool pinned, struct err *ret)
{
	return vm_memory_check(host, &(struct mem_node){ .size = bytes, .kind = kind }, 1, pinned, ret);
}

static void test_what_is_available_is_what_counts(void **state)
{
	assert_int_equal(check(4032 * MiB, MEM_ANON, true, &err), 0);
	/* MemTotal has it, and the margin is the host's. */
	assert_int_equal(check(4096 * MiB, MEM_ANON, true, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "of its 5943 MiB 4096 are available"));
	assert_null(strstr(err.hint, "hugepages")); /* they would not do either */
	assert_int_equal(check(5 * GiB, MEM_MEMFD, true, NULL), -ENOMEM);
}

/* Whole pools only, and what of them is promised to nobody. */
static void test_hugepages_are_offered_where_they_are_enough(void **state)
{
	fake_sysfs_text(host, "2112", "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	assert_int_equal(check(4200 * MiB, MEM_ANON, true, &err), -ENOMEM);
	assert_non_null(strstr(err.hint, "the 4200 MiB of free hugepages (backend=hugetlb-2M)"));
	err = (struct err)ERR_INIT;
	assert_int_equal(check(4202 * MiB, MEM_ANON, true, &err), -ENOMEM);
	assert_null(strstr(err.hint, "hugepages"));
	fake_sysfs_text(host, "5", "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages");
	err = (struct err)ERR_INIT;
	assert_int_equal(check(5120 * MiB, MEM_ANON, true, &err), -ENOMEM);
	assert_non_null(strstr(err.hint, "the 5120 MiB of free hugepages (backend=hugetlb-1G)"));
}

static void test_swap_counts_for_what_is_not_pinned(void **state)
{
	assert_int_equal(check(4608 * MiB, MEM_ANON, true, &err), -ENOMEM);
	assert_int_equal(check(4608 * MiB, MEM_ANON, false, &err), 0);
	assert_int_equal(check(5120 * MiB, MEM_ANON, false, &err), -ENOMEM);
}

static void test_huge_pages_are_counted_by_their_size(void **state)
{
	/* 512 free, 12 of them promised; 6 more may be made. */
	assert_int_equal(check(506 * 2 * MiB, MEM_HUGETLB_2M, true, &err), 0);
	assert_int_equal(check(507 * 2 * MiB, MEM_HUGETLB_2M, true, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "507 hugepages of 2 MiB, and this host has 506 free"));
	assert_non_null(strstr(err.hint, "thruway hugepages reserve COUNT --page 2M --node N"));
	assert_non_null(strstr(err.hint, "together 601"));
	assert_int_equal(check(GiB, MEM_HUGETLB_1G, true, NULL), -ENOMEM);
}

/* Guest nodes, the first two of which are bound strictly. */
static struct mem_node on(unsigned host_nodes, uint64_t size, enum mem_kind kind)
{
	return (struct mem_node){ .size = size, .kind = kind, .policy = MEM_STRICT,
				  .host_nodes = { host_nodes } };
}

static int check_all(const struct mem_node *nodes, unsigned count)
{
	err = (struct err)ERR_INIT;
	return vm_memory_check(host, nodes, count, true, &err);
}

static void test_what_a_node_alone_does_not_have_is_refused(void **state)
{
	struct mem_node one = on(1, 1536 * MiB, MEM_ANON), two[] = { one, on(2, 1536 * MiB, MEM_ANON) };

	/* Free, and half of what could be dropped: 1024 + 98 + 4 + 391 MiB. */
	assert_int_equal(check_all(&one, 1), -ENOMEM);
	assert_non_null(strstr(err.text, "1536 MiB of guest RAM do not fit node 0"));
	assert_non_null(strstr(err.text, "1516 MiB are available"));
	assert_non_null(strstr(err.hint, "policy=preferred"));
	one.policy = MEM_PREFERRED;
	assert_int_equal(check_all(&one, 1), 0);
	two[0].size = 1500 * MiB;
	assert_int_equal(check_all(two, 2), 0);
	/* Both on the same node: their sum. */
	two[1].host_nodes[0] = 1;
	assert_int_equal(check_all(two, 2), -ENOMEM);
	assert_non_null(strstr(err.text, "3036 MiB"));
	two[1].host_nodes[0] = two[0].host_nodes[0] = 3;
	assert_int_equal(check_all(two, 2), 0);
	/* What the host does not tell of a node is not refused. */
	one = on(1 << 4, 2 * GiB, MEM_ANON);
	assert_int_equal(check_all(&one, 1), 0);
}

static void test_huge_pages_are_counted_on_their_node_and_the_command_is_said(void **state)
{
	struct mem_node one = on(2, 20 * 2 * MiB, MEM_HUGETLB_2M);

	assert_int_equal(check_all(&one, 1), -ENOMEM);
	assert_non_null(strstr(err.text, "20 hugepages of 2 MiB on node 1, which has 12 free: 8 are missing"));
	assert_string_equal(err.hint, "thruway hugepages reserve 88 --page 2M --node 1");
	one.size = 12 * 2 * MiB;
	assert_int_equal(check_all(&one, 1), 0);
	one.host_nodes[0] = 3;
	one.size = 500 * 2 * MiB;
	assert_int_equal(check_all(&one, 1), 0);
	one.host_nodes[0] = 1;
	one.size = 501 * 2 * MiB;
	assert_int_equal(check_all(&one, 1), -ENOMEM);
	assert_string_equal(err.hint, "thruway hugepages reserve 521 --page 2M --node 0");
	/* More than all nodes have: of the one that was named all the same. */
	one.size = 600 * 2 * MiB;
	assert_int_equal(check_all(&one, 1), -ENOMEM);
	assert_non_null(strstr(err.text, "on node 0, which has 500 free: 100 are missing"));
	assert_string_equal(err.hint, "thruway hugepages reserve 620 --page 2M --node 0");
}

static void test_huge_pages_that_would_be_small_ones_are_refused(void **state)
{
	struct mem_node one = { .size = GiB, .kind = MEM_MEMFD_THP };

	assert_int_equal(check_all(&one, 1), 0); /* MADV_COLLAPSE makes them all the same */
	assert_int_equal(vm_memory_check_thp(host, &err), 0);
	fake_sysfs_text(host, "always within_size advise never [deny] force\n",
			"sys/kernel/mm/transparent_hugepage/shmem_enabled");
	fake_sysfs_text(host, "always madvise [never]\n", "sys/kernel/mm/transparent_hugepage/enabled");
	assert_int_equal(check_all(&one, 1), -EOPNOTSUPP);
	assert_non_null(strstr(err.hint, "/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
	one.kind = MEM_MEMFD;
	assert_int_equal(check_all(&one, 1), 0);
	assert_int_equal(vm_memory_check_thp(host, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.hint, "transparent_hugepage/enabled"));
}

static void test_what_is_locked_counts_once_for_each_who_locks(void **state)
{
	struct mem_node nodes[] = { { .size = GiB }, { .size = GiB, .lock = true } };
	uint64_t slack = vm_memory_locked(nodes, 1, true) - GiB;

	assert_int_equal(vm_memory_locked(nodes, 1, false), 0);
	assert_in_range(slack, 1, 64 * MiB);
	assert_int_equal(vm_memory_locked(nodes, 2, false), GiB + slack);
	assert_int_equal(vm_memory_locked(nodes, 2, true), 3 * GiB + slack);
}

static void test_what_the_host_does_not_tell_is_not_refused(void **state)
{
	fake_sysfs_text(host, "MemTotal:  1024 kB\n", "proc/meminfo");
	assert_int_equal(check(64 * GiB, MEM_ANON, true, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_what_is_available_is_what_counts),
		TEST(test_hugepages_are_offered_where_they_are_enough),
		TEST(test_swap_counts_for_what_is_not_pinned),
		TEST(test_huge_pages_are_counted_by_their_size),
		TEST(test_what_a_node_alone_does_not_have_is_refused),
		TEST(test_huge_pages_are_counted_on_their_node_and_the_command_is_said),
		TEST(test_huge_pages_that_would_be_small_ones_are_refused),
		TEST(test_what_is_locked_counts_once_for_each_who_locks),
		TEST(test_what_the_host_does_not_tell_is_not_refused),
#undef TEST
	};

	return cmocka_run_group_tests_name("vm_memory", tests, NULL, NULL);
}
