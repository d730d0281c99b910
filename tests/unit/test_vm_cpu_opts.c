// SPDX-License-Identifier: GPL-2.0-or-later
/* How the CPUs of --cpus are made up, with the guest's nodes, where it is not said. */
#include "tools/vm_cpu_opts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "vmm/numa.h"

static struct err err;

static int resolve(const char *text, unsigned nodes, const uint8_t *cpu_node, struct vm_cpu_opts *ret)
{
	int r;

	err = (struct err)ERR_INIT;
	r = vm_cpu_opts_parse(text, ret, &err);
	return r < 0 ? r : vm_cpu_opts_resolve(ret, nodes, cpu_node, &err);
}

static void test_what_is_left_out_is_found(void **state)
{
	static const struct {
		const char *text;
		unsigned nodes;
		struct cpu_topology is;
	} rows[] = {
		{ "1", 1, { 1, 1, 1, 1 } },
		{ "6", 1, { 1, 1, 6, 1 } },
		{ "8", 2, { 2, 1, 4, 1 } },
		{ "6", 2, { 2, 1, 3, 1 } }, /* ids with gaps */
		{ "7", 2, { 7, 1, 1, 1 } }, /* nodes of 4 and 3 */
		{ "255", 3, { 255, 1, 1, 1 } }, /* ids of 85 cores in 7 bits do not suffice */
		{ "8,threads=2", 1, { 1, 1, 4, 2 } },
		{ "8,threads=2", 2, { 2, 1, 2, 2 } },
		{ "8,cores=2,threads=2", 1, { 2, 1, 2, 2 } },
		{ "8,sockets=1", 1, { 1, 1, 8, 1 } },
		{ "8,sockets=2,dies=2", 1, { 2, 2, 2, 1 } },
		{ "8,sockets=1,dies=2", 2, { 1, 2, 4, 1 } }, /* a die is enough for a node */
		{ "12,sockets=2,dies=2,cores=3,threads=1", 1, { 2, 2, 3, 1 } },
		{ "255,cores=255", 1, { 1, 1, 255, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_cpu_opts o;
		struct numa numa;

		assert_int_equal(vm_cpu_opts_parse(rows[i].text, &o, NULL), 0);
		numa_even(&numa, o.count, rows[i].nodes);
		if (resolve(rows[i].text, rows[i].nodes, numa.cpu_node, &o) < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		if (memcmp(&o.topology, &rows[i].is, sizeof(o.topology)) != 0)
			fail_msg("%s on %u nodes: sockets=%u,dies=%u,cores=%u,threads=%u", rows[i].text,
				 rows[i].nodes, o.topology.sockets, o.topology.dies, o.topology.cores,
				 o.topology.threads);
	}
}

static void test_no_die_spans_two_nodes(void **state)
{
	struct numa numa;

	(void)state;
	for (unsigned nodes = 1; nodes <= 8; nodes++) {
		for (unsigned n = nodes; n <= 255; n++) {
			struct vm_cpu_opts o = { .count = n };
			uint8_t die_node[256];
			unsigned shift;

			numa_even(&numa, n, nodes);
			assert_int_equal(vm_cpu_opts_resolve(&o, nodes, numa.cpu_node, NULL), 0);
			assert_int_equal(topology_cpus(&o.topology), n);
			shift = topology_shifts(&o.topology).die;
			memset(die_node, 0xff, sizeof(die_node));
			for (unsigned i = 0; i < n; i++) {
				unsigned id = topology_apic_id(&o.topology, i);

				assert_in_range(id, 0, TOPOLOGY_MAX_ID);
				if (die_node[id >> shift] != 0xff)
					assert_int_equal(die_node[id >> shift], numa.cpu_node[i]);
				die_node[id >> shift] = numa.cpu_node[i];
			}
		}
	}
}

static void test_sockets_follow_the_cpus_of_each_node(void **state)
{
	static const struct {
		unsigned cores;
		uint8_t cpu_node[8];
	} rows[] = {
		{ 4, { 0, 0, 0, 0, 1, 1, 1, 1 } }, { 4, { 1, 1, 1, 1, 0, 0, 0, 0 } },
		{ 2, { 0, 0, 1, 1, 1, 1, 0, 0 } }, /* two sockets each */
		{ 1, { 0, 1, 0, 1, 0, 1, 0, 1 } }, { 1, { 0, 0, 0, 1, 1, 1, 1, 1 } },
		{ 1, { 0, 0, 1, 0, 0, 0, 1, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_cpu_opts o;

		assert_int_equal(resolve("8", 2, rows[i].cpu_node, &o), 0);
		assert_int_equal(o.topology.cores, rows[i].cores);
	}
}

static void test_a_die_on_two_nodes_names_them(void **state)
{
	static const uint8_t cpu_node[4] = { 0, 0, 0, 1 };
	struct vm_cpu_opts o;

	(void)state;
	assert_int_equal(resolve("4,cores=2", 2, cpu_node, &o), -EINVAL);
	assert_non_null(strstr(err.text, "CPU 3 is on guest node 1 and shares a die with CPU 2"));
	assert_true(err.usage);
	assert_non_null(strstr(err.hint, "cpus=LIST"));
	assert_int_equal(resolve("4,cores=1", 2, cpu_node, &o), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_left_out_is_found),
		cmocka_unit_test(test_no_die_spans_two_nodes),
		cmocka_unit_test(test_sockets_follow_the_cpus_of_each_node),
		cmocka_unit_test(test_a_die_on_two_nodes_names_them),
	};

	return cmocka_run_group_tests_name("vm_cpu_opts", tests, NULL, NULL);
}
