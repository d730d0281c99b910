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

static void test_what_is_available_is_what_counts(void **state)
{
	assert_int_equal(vm_memory_check(host, 4032 * MiB, MEM_ANON, true, &err), 0);
	/* MemTotal has it, and the margin is the host's. */
	assert_int_equal(vm_memory_check(host, 4096 * MiB, MEM_ANON, true, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "of its 5943 MiB 4096 are available"));
	assert_non_null(strstr(err.hint, "the 1024 MiB of hugepages"));
	assert_int_equal(vm_memory_check(host, 5 * GiB, MEM_MEMFD, true, NULL), -ENOMEM);
}

static void test_swap_counts_for_what_is_not_pinned(void **state)
{
	assert_int_equal(vm_memory_check(host, 4608 * MiB, MEM_ANON, true, &err), -ENOMEM);
	assert_int_equal(vm_memory_check(host, 4608 * MiB, MEM_ANON, false, &err), 0);
	assert_int_equal(vm_memory_check(host, 5120 * MiB, MEM_ANON, false, &err), -ENOMEM);
}

static void test_huge_pages_are_counted_by_their_size(void **state)
{
	/* 512 free, 12 of them promised; 6 more may be made. */
	assert_int_equal(vm_memory_check(host, 506 * 2 * MiB, MEM_HUGETLB_2M, true, &err), 0);
	assert_int_equal(vm_memory_check(host, 507 * 2 * MiB, MEM_HUGETLB_2M, true, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "507 hugepages of 2 MiB, and this host has 506 free"));
	assert_int_equal(vm_memory_check(host, GiB, MEM_HUGETLB_1G, true, NULL), -ENOMEM);
}

static void test_what_the_host_does_not_tell_is_not_refused(void **state)
{
	fake_sysfs_text(host, "MemTotal:  1024 kB\n", "proc/meminfo");
	assert_int_equal(vm_memory_check(host, 64 * GiB, MEM_ANON, true, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_what_is_available_is_what_counts),
		TEST(test_swap_counts_for_what_is_not_pinned),
		TEST(test_huge_pages_are_counted_by_their_size),
		TEST(test_what_the_host_does_not_tell_is_not_refused),
#undef TEST
	};

	return cmocka_run_group_tests_name("vm_memory", tests, NULL, NULL);
}
