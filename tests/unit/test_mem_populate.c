// SPDX-License-Identifier: GPL-2.0-or-later
/* RAM is filled by threads, each part once, where its node says; and bound by what policies mean. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include <linux/mempolicy.h>

#include "base/size.h"
#include "vmm/mem_bind.h"
#include "vmm/mem_populate.h"

/* What fill() saw: each byte stands for 1 MiB of an area that is an address and nothing more. */
static struct {
	uint8_t times[2048];
	unsigned calls, by_caller, astray, fail_at;
	pid_t caller;
	cpu_set_t allowed;
} seen;

static uint8_t *const base = (uint8_t *)(uintptr_t)(1ull << 40);

static int fill(const struct mem_node *node, uint8_t *hva, uint64_t size)
{
	unsigned n = __atomic_add_fetch(&seen.calls, 1, __ATOMIC_RELAXED);
	cpu_set_t now;

	if (gettid() == seen.caller)
		__atomic_add_fetch(&seen.by_caller, 1, __ATOMIC_RELAXED);
	if (CPU_COUNT(&seen.allowed) && (sched_getaffinity(0, sizeof(now), &now) < 0 ||
					 !CPU_EQUAL(&now, &seen.allowed)))
		__atomic_add_fetch(&seen.astray, 1, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < size / MiB; i++)
		__atomic_add_fetch(&seen.times[(uint64_t)(hva - base) / MiB + i], 1, __ATOMIC_RELAXED);
	(void)node;
	return seen.fail_at && n >= seen.fail_at ? -ENOMEM : 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	seen.caller = gettid();
	return 0;
}

static void check_once(uint64_t from, uint64_t mib)
{
	for (uint64_t i = 0; i < mib; i++)
		assert_int_equal(seen.times[from + i], 1);
	assert_int_equal(seen.times[from + mib], 0);
}

static void test_each_part_is_filled_once_however_many_threads(void **state)
{
	static const unsigned threads[] = { 0, 1, 2, 3, 16, MEM_MAX_THREADS, 1000 };

	for (unsigned i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		struct mem_node node = { .threads = threads[i] };
		struct mem_area areas[] = { { &node, base, 300 * MiB, 0 },
					    { &node, base + 400 * MiB, 2 * MiB, 0 } };

		setup(state);
		assert_int_equal(mem_populate(areas, 2, fill), 0);
		check_once(0, 300);
		check_once(400, 2);
		assert_int_equal(seen.by_caller != 0, threads[i] <= 1);
	}
}

static void test_nodes_are_filled_by_their_own(void **state)
{
	struct mem_node a = { .threads = 3 }, b = { .threads = 1 }, c = { .kind = MEM_HUGETLB_1G, .threads = 2 };
	struct mem_area areas[] = { { &a, base, 200 * MiB, 0 },
				    { &b, base + 256 * MiB, 64 * MiB, 0 },
				    { &a, base + 384 * MiB, 65 * MiB, 0 },
				    { &c, base + 1024 * MiB, 1000 * MiB, 0 } };

	(void)state;
	assert_int_equal(mem_populate(areas, 4, fill), 0);
	check_once(0, 200);
	check_once(256, 64);
	check_once(384, 65);
	check_once(1024, 1000);
	assert_int_equal(seen.by_caller, 0); /* nor b, beside the others */
	/* Parts of 64 MiB, but never less than a page. */
	assert_int_equal(seen.calls, 4 + 1 + 2 + 1);
}

static unsigned first(const cpu_set_t *set)
{
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, set))
			return i;
	fail_msg("no CPU");
	return 0;
}

/* Nobody is done before all have begun: with one after another this fails. */
static pthread_barrier_t all_there;

static int fill_together(const struct mem_node *node, uint8_t *hva, uint64_t size)
{
	int r = pthread_barrier_wait(&all_there);

	(void)hva;
	return r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : -r;
}

static void test_small_nodes_are_filled_at_the_same_time(void **state)
{
	struct mem_node nodes[3] = { { .threads = 0 }, { .threads = 1 }, { .threads = 0 } };
	struct mem_area areas[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		areas[i] = (struct mem_area){ &nodes[i], base + i * 256 * MiB, 200 * MiB, 0 };
	pthread_barrier_init(&all_there, NULL, 3);
	alarm(20); /* who waits for one that never comes */
	assert_int_equal(mem_populate(areas, 3, fill_together), 0);
	alarm(0);
	pthread_barrier_destroy(&all_there);
}

static void test_threads_run_where_their_node_says(void **state)
{
	struct mem_node node = { .threads = 2 };
	struct mem_area area = { &node, base, 256 * MiB, 0 };
	cpu_set_t mine;
	unsigned cpu;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
	cpu = first(&mine);
	CPU_SET(cpu, &seen.allowed);
	node.host_cpus[cpu / 64] |= 1ull << (cpu % 64);
	assert_int_equal(mem_populate(&area, 1, fill), 0);
	assert_int_equal(seen.astray, 0);
	assert_int_equal(sched_getaffinity(0, sizeof(seen.allowed), &seen.allowed), 0);
	assert_true(CPU_EQUAL(&mine, &seen.allowed)); /* the caller stays where it was */
	/* One thread is none of the caller either. */
	CPU_ZERO(&seen.allowed);
	CPU_SET(cpu, &seen.allowed);
	node.threads = 1;
	assert_int_equal(mem_populate(&area, 1, fill), 0);
	node.threads = 0;
	assert_int_equal(mem_populate(&area, 1, fill), 0);
	assert_int_equal(seen.astray, 0);
	assert_int_equal(seen.by_caller, 0);
	node.threads = 2;
	/* CPUs that are not there are no reason to fail. */
	CPU_ZERO(&seen.allowed);
	memset(node.host_cpus, 0, sizeof(node.host_cpus));
	node.host_cpus[MEM_CPU_WORDS - 1] = 1ull << 63;
	assert_int_equal(mem_populate(&area, 1, fill), 0);
}

static void test_a_failure_ends_it_and_is_the_areas(void **state)
{
	struct mem_node node = { .threads = 1 };
	struct mem_area areas[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		areas[i] = (struct mem_area){ &node, base + i * 256 * MiB, 200 * MiB, 0 };
	seen.fail_at = 3;
	assert_int_equal(mem_populate(areas, 6, fill), -ENOMEM);
	assert_int_equal(areas[2].fill_error, -ENOMEM);
	assert_int_equal(areas[1].fill_error | areas[3].fill_error, 0);
	assert_int_equal(seen.calls, 3);
	node.threads = 2;
	assert_int_equal(mem_populate(&areas[5], 1, fill), -ENOMEM);
	assert_int_equal(areas[5].fill_error, -ENOMEM);
}

static void test_policies_are_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(mem_bind_mode(MEM_UNBOUND, 0), MPOL_DEFAULT);
	assert_int_equal(mem_bind_mode(MEM_STRICT, 1), MPOL_BIND | MPOL_F_STATIC_NODES);
	assert_int_equal(mem_bind_mode(MEM_STRICT, 2), MPOL_BIND | MPOL_F_STATIC_NODES);
	assert_int_equal(mem_bind_mode(MEM_PREFERRED, 1), MPOL_PREFERRED | MPOL_F_STATIC_NODES);
	assert_int_equal(mem_bind_mode(MEM_PREFERRED, 2), 5 | MPOL_F_STATIC_NODES);
	assert_int_equal(mem_bind_mode(MEM_INTERLEAVE, 2), MPOL_INTERLEAVE | MPOL_F_STATIC_NODES);
}

static void test_a_binding_is_the_mappings(void **state)
{
	struct mem_node node = { .policy = MEM_STRICT, .host_nodes = { 1 } };
	uint8_t *p = mmap(NULL, 2 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long mask[MEM_NODE_WORDS + 1] = { 0 };
	int mode = -1, r;

	(void)state;
	assert_true(p != MAP_FAILED);
	r = mem_bind(&node, p, 2 * MiB);
	if (r == -ENOSYS || r == -EPERM) { /* a kernel without NUMA, a container's filter */
		munmap(p, 2 * MiB);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(syscall(SYS_get_mempolicy, &mode, mask, sizeof(mask) * 8, p, MPOL_F_ADDR), 0);
	assert_int_equal(mode, MPOL_BIND | MPOL_F_STATIC_NODES);
	assert_int_equal(mask[0], 1);
	/* One that is not there, and has no number a kernel could know. */
	node.host_nodes[0] = 0;
	node.host_nodes[MEM_NODE_WORDS - 1] = 1ull << 63;
	assert_int_equal(mem_bind(&node, p, 2 * MiB), -EINVAL);
	node.policy = MEM_UNBOUND;
	assert_int_equal(mem_bind(&node, p, 2 * MiB), 0);
	munmap(p, 2 * MiB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_part_is_filled_once_however_many_threads, setup),
		cmocka_unit_test_setup(test_nodes_are_filled_by_their_own, setup),
		cmocka_unit_test_setup(test_small_nodes_are_filled_at_the_same_time, setup),
		cmocka_unit_test_setup(test_threads_run_where_their_node_says, setup),
		cmocka_unit_test_setup(test_a_failure_ends_it_and_is_the_areas, setup),
		cmocka_unit_test(test_policies_are_the_kernels),
		cmocka_unit_test(test_a_binding_is_the_mappings),
	};

	return cmocka_run_group_tests_name("mem_populate", tests, NULL, NULL);
}
