// SPDX-License-Identifier: GPL-2.0-or-later
/* The words of --memory and --node: what they come to, which of them contradict, and on a host. */
#include "tools/vm_nodes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/size.h"
#include "tests/fake/sysfs.h"

#define ON(n) "sys/devices/system/node/node" #n "/"
#define DEV   "sys/bus/pci/devices/0000:"

/* --- words -------------------------------------------------------------------------------------- */

static struct err err;
static struct vm_mem_opts memory, node[VMM_MAX_NODES];
static struct mem_node mem[VMM_MAX_NODES];
static uint8_t cpu_node[VMM_MAX_CPUS];
static struct vm_mem_request request;

/* "-m" first, then one --node each, all in a string with blanks between them. */
static int parse(const char *line)
{
	char copy[1024], *save, *word;
	int r = 0;

	err = (struct err)ERR_INIT;
	memory = (struct vm_mem_opts)VM_MEM_OPTS_INIT;
	memory.size = 512 * MiB;
	for (unsigned i = 0; i < VMM_MAX_NODES; i++)
		node[i] = (struct vm_mem_opts)VM_MEM_OPTS_INIT;
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok_r(copy, " ", &save); word && r == 0; word = strtok_r(NULL, " ", &save))
		r = word[0] == '@' ? vm_mem_opts_node(word + 1, node, &err) :
				     vm_mem_opts_memory(word, &memory, &err);
	return r;
}

static int resolve(const char *line, unsigned nodes, unsigned cpus, unsigned devices)
{
	int r = parse(line);

	request = (struct vm_mem_request){ nodes, cpus, devices, NULL, &memory, node };
	return r < 0 ? r : vm_mem_opts_resolve(&request, mem, cpu_node, &err);
}

static void test_every_word_reaches_its_field(void **state)
{
	assert_int_equal(parse("4G,backend=memfd-thp,host-node=0-1,4,policy=preferred,threads=8,"
			       "thp=on,merge=off,lock=on,dump=on @3,cpus=0,2-3,memory=1G,host-node=none"), 0);
	assert_int_equal(memory.size, 4 * GiB);
	assert_int_equal(memory.kind, MEM_MEMFD_THP);
	assert_int_equal(memory.host, VM_HOST_LIST);
	assert_int_equal(memory.host_nodes[0], 0x13);
	assert_int_equal(memory.policy, MEM_PREFERRED);
	assert_int_equal(memory.threads, 8);
	assert_int_equal(memory.thp, VM_ON);
	assert_int_equal(memory.merge, VM_OFF);
	assert_int_equal(memory.lock, VM_ON);
	assert_int_equal(memory.dump, VM_ON);
	assert_int_equal(node[3].cpus[0], 0xd);
	assert_int_equal(node[3].size, GiB);
	assert_int_equal(node[3].host, VM_HOST_NONE);
	assert_true(node[3].said);
	assert_false(node[2].said);
	assert_int_equal(parse("1G,host-node=255 @0,cpus=254"), 0);
	assert_int_equal(memory.host_nodes[3] >> 63, 1);
	assert_int_equal(node[0].cpus[3] >> 62, 1);
}

static void test_what_cannot_be_is_refused_by_its_word(void **state)
{
	static const struct {
		const char *line, *word;
		unsigned nodes, cpus, devices;
	} rows[] = {
		{ "0", "0 bytes", 1, 1 },
		{ "17T", "GiB of RAM cannot run", 1, 1 },
		{ "lots", "'lots' is not a size", 1, 1 },
		{ "512M,backend=disk", "unknown backend 'disk'", 1, 1 },
		{ "512M,backend=hugetlb-1G", "no multiple of 1 GiB", 1, 1 },
		{ "33M", "no multiple of 2 MiB", 1, 1 },
		{ "512M,", "'' is not among", 1, 1 },
		{ "512M,numa", "'numa' is not among", 1, 1 },
		{ "512M,cpus=0", "'cpus' is not among", 1, 1 },
		{ "512M,lock=on,lock=on", "lock= is given twice", 1, 1 },
		{ "512M,host-node=", "'host-node='", 1, 1 },
		{ "512M,host-node=1-0", "'host-node=1-0'", 1, 1 },
		{ "512M,host-node=256", "'host-node=256'", 1, 1 },
		{ "512M,host-node=x", "'host-node=x'", 1, 1 },
		{ "512M,policy=bind", "'policy=bind'", 1, 1 },
		{ "512M,threads=0", "'threads=0'", 1, 1 },
		{ "512M,threads=65", "'threads=65'", 1, 1 },
		{ "512M,merge=yes", "'merge=yes'", 1, 1 },
		{ "512M,merge=on,backend=memfd", "private memory alone, and backend=memfd", 1, 1 },
		{ "512M,merge=on,backend=hugetlb-2M", "backend=hugetlb-2M", 1, 1 },
		{ "512M,merge=on", "pinned", 1, 1, 1 },
		{ "512M,thp=on,backend=memfd", "backend=memfd gets", 1, 1 },
		{ "512M,thp=off,backend=memfd-thp", "thp=off", 1, 1 },
		{ "512M,thp=on,backend=hugetlb-2M", "have their size", 1, 1 },
		{ "512M,thp=off,backend=hugetlb-2M", "have their size", 1, 1 },
		{ "512M,backend=memfd-thp,host-node=0-1,policy=interleave", "policy=interleave", 1, 1 },
		{ "512M @8", "'8'", 1, 1 },
		{ "512M @", "''", 1, 1 },
		{ "512M @0 @0", "node 0 is given twice", 1, 1 },
		{ "512M @0,memory=8M", "'memory=8M'", 1, 1 },
		{ "512M @0,memory=x", "'memory=x'", 1, 1 },
		{ "512M @0,cpus=255", "'cpus=255'", 1, 1 },
		{ "512M @0,cpus=0,0x1", "'0x1'", 1, 1 },
		{ "512M @0,cpus=1", "CPU 1 is not there", 1, 1 },
		{ "512M @0,cpus=0-1 @1,cpus=1-2", "CPU 1 belongs to node 0 already", 2, 3 },
		{ "512M @0,cpus=0 @1,cpus=2", "CPU 1 belongs to no node", 2, 3 },
		{ "512M @0,cpus=0-1", "--cpus 3", 2, 2 },
		{ "512M", "--cpus 3", 3, 2 },
		{ "512M @0,memory=256M @1,memory=128M", "512 MiB, and the nodes have 384 MiB", 2, 2 },
		{ "512M @0,memory=512M", "leave less than 16 MiB of RAM to node 1", 2, 2 },
		{ "64M", "leave less than", 8, 8 },
		{ "1G,backend=hugetlb-1G", "leave less than", 2, 2 },
		{ "1G @1,merge=on,backend=memfd", "merge=on", 2, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = resolve(rows[i].line, rows[i].nodes, rows[i].cpus, rows[i].devices);

		if (r != -EINVAL || !strstr(err.text, rows[i].word))
			fail_msg("'%s' gave %d: %s", rows[i].line, r, err.text);
		assert_int_equal(err_exit_status(&err), 2);
	}
}

static void test_what_is_not_said_is_shared_evenly(void **state)
{
	assert_int_equal(resolve("4G", 1, 3, 1), 0);
	assert_int_equal(mem[0].size, 4 * GiB);
	assert_int_equal(mem[0].kind, MEM_ANON);
	assert_false(mem[0].merge || mem[0].lock || mem[0].dump || mem[0].small_pages);
	/* The last node has what is left over, in whole pages each. */
	assert_int_equal(resolve("130M", 2, 5, 0), 0);
	assert_int_equal(mem[0].size, 64 * MiB);
	assert_int_equal(mem[1].size, 66 * MiB);
	assert_memory_equal(cpu_node, ((const uint8_t[]){ 0, 0, 0, 1, 1 }), 5);
	assert_int_equal(resolve("3G,backend=hugetlb-1G", 2, 2, 0), 0);
	assert_int_equal(mem[0].size, GiB);
	assert_int_equal(mem[1].size, 2 * GiB);
	/* One says it, two share the rest. */
	assert_int_equal(resolve("4G,lock=on,backend=memfd @1,memory=1G,cpus=0-1,lock=off,backend=hugetlb-2M",
				 3, 6, 0), 0);
	assert_int_equal(mem[0].size, 1536 * MiB);
	assert_int_equal(mem[1].size, GiB);
	assert_int_equal(mem[2].size, 1536 * MiB);
	assert_memory_equal(cpu_node, ((const uint8_t[]){ 1, 1, 0, 0, 2, 2 }), 6);
	assert_true(mem[0].lock && !mem[1].lock);
	assert_int_equal(mem[0].kind, MEM_MEMFD);
	assert_int_equal(mem[1].kind, MEM_HUGETLB_2M);
	/* Sizes of all nodes make --memory's superfluous. */
	assert_int_equal(resolve("@0,memory=1G @1,memory=3G", 2, 2, 0), 0);
	assert_int_equal(mem[0].size + mem[1].size, 4 * GiB);
	assert_int_equal(resolve("512M,thp=off", 1, 1, 0), 0);
	assert_true(mem[0].small_pages);
}

/* --- a host -------------------------------------------------------------------------------------- */

static int host = -1;
static struct vmm_config config;
static struct bdf devices[3];

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		/* Node 1 has CPUs alone, there is no node 3. */
		{ "sys/devices/system/node/online", "0-2,4" },
		{ "sys/devices/system/node/has_memory", "0,2,4" },
		{ ON(0) "cpulist", "0-3" },
		{ ON(2) "cpulist", "4-7,70" },
		{ ON(4) "cpulist", "" },
		{ ON(0) "distance", "10 12 21 31" },
		{ ON(1) "distance", "12 10 30 20" },
		{ ON(2) "distance", "21 30 10 41" },
		{ ON(4) "distance", "31 20 41 10" },
		{ DEV "01:10.0/numa_node", "0" },
		{ DEV "81:10.0/numa_node", "2" },
		{ DEV "91:00.0/numa_node", "-1" },
		{ 0 },
	};
	static const char *const names[] = { "0000:01:10.0", "0000:81:10.0", "0000:91:00.0" };

	host = fake_sysfs(nodes);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(bdf_parse(names[i], &devices[i]), 0);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static int place(const char *line, unsigned nodes, const struct bdf *first, unsigned count)
{
	int r = resolve(line, nodes, 8, count);

	config = (struct vmm_config){ 0 };
	numa_even(&config.numa, 8, nodes);
	memcpy(config.mem, mem, sizeof(mem));
	return r < 0 ? r : vm_nodes_place(host, &request, first, &config, &err);
}

static void test_one_node_is_near_its_devices_if_they_are_together(void **state)
{
	assert_int_equal(place("256M", 1, &devices[1], 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_PREFERRED);
	assert_int_equal(config.mem[0].host_nodes[0], 1 << 2);
	assert_int_equal(config.mem[0].threads, 0);
	assert_int_equal(config.mem[0].host_cpus[0], 0xf0); /* one is enough, but there */
	assert_int_equal(place("256M,policy=strict", 1, &devices[1], 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_STRICT);
	/* On two nodes, on none that is known, no device. */
	assert_int_equal(place("256M", 1, devices, 2), 0);
	assert_int_equal(config.mem[0].policy, MEM_UNBOUND);
	assert_int_equal(place("256M", 1, &devices[2], 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_UNBOUND);
	assert_int_equal(place("256M", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].policy, MEM_UNBOUND);
	assert_int_equal(place("256M,policy=strict", 1, NULL, 0), -EINVAL);
	assert_non_null(strstr(err.hint, "host-node=N"));
	assert_int_equal(place("256M,host-node=none,policy=strict", 1, NULL, 0), -EINVAL);
	assert_int_equal(place("256M,host-node=none", 1, &devices[1], 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_UNBOUND);
}

static void test_who_names_a_node_means_it(void **state)
{
	assert_int_equal(place("256M,host-node=2", 1, devices, 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_STRICT);
	assert_int_equal(config.mem[0].host_nodes[0], 1 << 2);
	assert_int_equal(place("256M,host-node=0,2,policy=interleave", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].policy, MEM_INTERLEAVE);
	assert_int_equal(config.mem[0].host_nodes[0], 5);
	assert_int_equal(place("256M,host-node=3", 1, NULL, 0), -ENODEV);
	assert_non_null(strstr(err.text, "no node 3 with memory"));
	assert_non_null(strstr(err.hint, "node 0,2,4"));
	assert_int_equal(place("256M,host-node=1", 1, NULL, 0), -ENODEV);
	assert_int_equal(place("256M,host-node=0-2", 1, NULL, 0), -ENODEV);
}

static void test_guest_nodes_are_a_host_node_each(void **state)
{
	static const uint8_t want[3][3] = { { 10, 21, 31 }, { 21, 10, 41 }, { 31, 41, 10 } };

	assert_int_equal(place("768M", 3, devices, 3), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(config.mem[i].host_nodes[0], 1 << 2 * i);
		assert_int_equal(config.mem[i].policy, MEM_PREFERRED);
		assert_memory_equal(config.numa.distance[i], want[i], 3);
	}
	assert_int_equal(place("768M", 4, devices, 3), -EINVAL);
	assert_non_null(strstr(err.text, "this host has memory on 3"));
	assert_non_null(strstr(err.hint, "host-node=none"));
	assert_int_equal(place("768M,host-node=none", 4, devices, 3), 0);
	assert_int_equal(config.mem[3].policy, MEM_UNBOUND);
	assert_int_equal(config.numa.distance[0][3], NUMA_FAR);
	/* Both on one: not nearer than anything but themselves. */
	assert_int_equal(place("768M @0,host-node=0 @1,host-node=0", 2, devices, 1), 0);
	assert_int_equal(config.numa.distance[0][1], 11);
	assert_int_equal(place("768M @0,host-node=0 @1", 2, devices, 1), -EINVAL);
	assert_non_null(strstr(err.text, "1 of the guest's 2 nodes"));
	assert_int_equal(place("768M,policy=interleave @0,host-node=0 @1,host-node=2,policy=strict", 2,
			       devices, 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_INTERLEAVE);
	assert_int_equal(config.mem[1].policy, MEM_STRICT);
}

static void test_devices_go_where_their_memory_is(void **state)
{
	assert_int_equal(place("768M @0,host-node=2 @1,host-node=0", 2, devices, 1), 0);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 0), 1);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 2), 0);
	/* Nobody's: the nearest. */
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 1), 1);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 4), 1);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, -1), 0);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 4000), 0);
	assert_int_equal(place("768M,host-node=none", 3, devices, 1), 0);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 4), 1);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 2), 2);
	/* Some are bound: theirs are told apart, wherever among them the unbound one is. */
	assert_int_equal(place("768M @0,host-node=none @1,host-node=0", 2, devices, 1), 0);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 0), 1);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 2), 1); /* the nearest */
	assert_int_equal(place("768M @0,host-node=0 @1,host-node=none", 2, devices, 1), 0);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 0), 0);
	assert_int_equal(vm_nodes_for_device(host, config.mem, config.numa.nodes, 1), 0);
}

static void test_much_memory_is_populated_by_the_nodes_own_cpus(void **state)
{
	assert_int_equal(place("6G,host-node=2", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].threads, 5); /* as many as it has */
	assert_int_equal(config.mem[0].host_cpus[0], 0xf0);
	assert_int_equal(config.mem[0].host_cpus[1], 1 << 6);
	assert_int_equal(place("3G,host-node=0,2,policy=interleave", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].threads, 3);
	assert_int_equal(config.mem[0].host_cpus[0], 0xff);
	assert_int_equal(place("6G,host-node=0,threads=1", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].threads, 1);
	assert_int_equal(config.mem[0].host_cpus[0], 0xf);
	assert_int_equal(place("768M", 3, NULL, 0), 0);
	assert_int_equal(config.mem[1].threads, 0);
	assert_int_equal(config.mem[1].host_cpus[0], 0xf0);
	assert_int_equal(place("256M,host-node=0,threads=2", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].threads, 2);
	assert_int_equal(config.mem[0].host_cpus[0], 0xf);
	/* A node without CPUs of its own: anywhere. */
	assert_int_equal(place("256M,host-node=4,threads=2", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].host_cpus[0], 0);
	assert_int_equal(place("256M,threads=2", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].host_cpus[0], 0);
}

static void test_isolated_cpus_are_left_to_who_is_pinned_there(void **state)
{
	fake_sysfs_text(host, "2-5,70", "sys/devices/system/cpu/isolated");
	assert_int_equal(place("6G,host-node=2", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].threads, 2);
	assert_int_equal(config.mem[0].host_cpus[0], 0xc0);
	assert_int_equal(config.mem[0].host_cpus[1], 0);
	assert_int_equal(place("256M,host-node=0", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].host_cpus[0], 3);
	/* None besides: better there than far away. */
	fake_sysfs_text(host, "0-3", "sys/devices/system/cpu/isolated");
	assert_int_equal(place("6G,host-node=0", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].threads, 4);
	assert_int_equal(config.mem[0].host_cpus[0], 0xf);
	/* What the other node has is enough. */
	assert_int_equal(place("6G,host-node=0,2,policy=interleave", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].host_cpus[0], 0xf0);
	fake_sysfs_text(host, "", "sys/devices/system/cpu/isolated");
	assert_int_equal(place("6G,host-node=0", 1, NULL, 0), 0);
	assert_int_equal(config.mem[0].host_cpus[0], 0xf);
}

static void test_a_host_of_one_node_needs_no_thread_for_little(void **state)
{
	fake_sysfs_text(host, "0", "sys/devices/system/node/has_memory");
	assert_int_equal(place("256M", 1, devices, 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_PREFERRED);
	assert_int_equal(config.mem[0].threads, 0);
	assert_int_equal(config.mem[0].host_cpus[0], 0); /* nobody asked for its CPUs */
}

static void test_a_kernel_without_numa_has_node_0(void **state)
{
	static const struct fake_node none[] = { { "sys/devices/system/cpu/online", "0" }, { 0 } };

	fake_sysfs_free(&host);
	host = fake_sysfs(none);
	assert_int_equal(place("256M,host-node=0", 1, devices, 1), 0);
	assert_int_equal(place("256M,host-node=1", 1, devices, 1), -ENODEV);
	assert_int_equal(place("256M", 1, devices, 1), 0);
	assert_int_equal(config.mem[0].policy, MEM_UNBOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		cmocka_unit_test(test_every_word_reaches_its_field),
		cmocka_unit_test(test_what_cannot_be_is_refused_by_its_word),
		cmocka_unit_test(test_what_is_not_said_is_shared_evenly),
		TEST(test_one_node_is_near_its_devices_if_they_are_together),
		TEST(test_who_names_a_node_means_it),
		TEST(test_guest_nodes_are_a_host_node_each),
		TEST(test_devices_go_where_their_memory_is),
		TEST(test_much_memory_is_populated_by_the_nodes_own_cpus),
		TEST(test_isolated_cpus_are_left_to_who_is_pinned_there),
		TEST(test_a_host_of_one_node_needs_no_thread_for_little),
		TEST(test_a_kernel_without_numa_has_node_0),
#undef TEST
	};

	return cmocka_run_group_tests_name("vm_nodes", tests, NULL, NULL);
}
