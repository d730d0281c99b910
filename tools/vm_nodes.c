// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"
#include "vfio/pci_function.h"
#include "vmm/mem_populate.h"

#define NODES	      "sys/devices/system/node/"
#define ISOLATED      "sys/devices/system/cpu/isolated"
#define MAX_HOST_NODE (MEM_NODE_WORDS * 64)

/* A thread for each of these: what one CPU zeroes in some tenths of a second. */
#define PER_THREAD  GiB
#define THREADS_MAX 16u
/* In a SLIT only a node itself is as near as NUMA_NEAR, even if both are on one host node. */
#define DISTANCE_MIN (NUMA_NEAR + 1)
#define DISTANCE_MAX 254

/* --- what the host has -------------------------------------------------------------------------- */

static int read_list_at(int root, const char *dir, const char *file, struct cpulist *ret)
{
	char text[1024];
	ssize_t len = hostfs_read(root, text, sizeof(text), "%s%s", dir, file);

	return len < 0 ? (int)len : cpulist_parse(text, ret);
}

static int read_list(int root, const char *file, struct cpulist *ret)
{
	return read_list_at(root, NODES, file, ret);
}

/* Nodes with memory; a kernel without NUMA has node 0. */
static void memory_nodes(int root, struct cpulist *ret)
{
	if (read_list(root, "has_memory", ret) < 0 && read_list(root, "online", ret) < 0)
		*ret = (struct cpulist){ .bits = { 1 } };
}

/* The n-th member, or -1. */
static int nth(const struct cpulist *l, unsigned n)
{
	for (unsigned i = 0; i < MAX_HOST_NODE; i++)
		if (cpulist_has(l, i) && n-- == 0)
			return (int)i;
	return -1;
}

static bool has(const struct mem_node *m, unsigned node)
{
	return m->host_nodes[node / 64] >> (node % 64) & 1;
}

static void set_one(struct mem_node *m, unsigned node)
{
	memset(m->host_nodes, 0, sizeof(m->host_nodes));
	m->host_nodes[node / 64] = 1ull << (node % 64);
}

/* The first host node of a guest node; -1: it is not bound. */
int vm_nodes_first_host(const struct mem_node *m)
{
	for (unsigned i = 0; i < MAX_HOST_NODE && m->policy != MEM_UNBOUND; i++)
		if (has(m, i))
			return (int)i;
	return -1;
}

/* As node a's row says; `distance` has a column per node that is online, in order. */
static unsigned host_distance(int root, unsigned a, unsigned b)
{
	struct cpulist online;
	char text[1024], *save, *word;
	unsigned column = 0;
	uint64_t d;

	if (a == b)
		return NUMA_NEAR;
	if (read_list(root, "online", &online) < 0 ||
	    hostfs_read(root, text, sizeof(text), NODES "node%u/distance", a) < 0)
		return NUMA_FAR;
	for (unsigned i = 0; i < b; i++)
		column += cpulist_has(&online, i);
	word = strtok_r(text, " ", &save);
	while (word && column--)
		word = strtok_r(NULL, " ", &save);
	return word && uint_parse(word, DISTANCE_MAX, &d) == 0 ? (unsigned)d : NUMA_FAR;
}

/* --- host nodes of guest nodes ------------------------------------------------------------------ */

static int no_such_node(const struct cpulist *have, const char *option, unsigned node, struct err *err)
{
	char list[256] = "";

	(void)cpulist_format(have, list, sizeof(list));
	err_plain(err, -ENODEV, "%s: this host has no node %u with memory", option, node);
	return err_hint(err, "it has memory on node %s: 'thruway topo' draws where devices are", list);
}

static int check_list(int root, const char *option, const struct mem_node *m, struct err *err)
{
	struct cpulist have;

	memory_nodes(root, &have);
	for (unsigned i = 0; i < MAX_HOST_NODE; i++)
		if (has(m, i) && !cpulist_has(&have, i))
			return no_such_node(&have, option, i, err);
	return 0;
}

/* In three calls, and not one more to see that there is no more to read: every start pays. */
static int device_node(int root, struct bdf bdf)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY, "sys/bus/pci/devices/%s/numa_node",
					     BDF_STR(bdf));
	char text[16] = "";
	uint64_t node;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	return uint_parse(text, MAX_HOST_NODE - 1, &node) < 0 ? -1 : (int)node; /* "-1": not known */
}

/* The node that all devices are on; -1: they are on several, or it is not known. */
static int common_node(int root, const struct bdf *devices, unsigned count)
{
	int node = count ? device_node(root, devices[0]) : -1;

	for (unsigned i = 1; i < count && node >= 0; i++)
		if (device_node(root, devices[i]) != node)
			return -1;
	return node;
}

static int policy_without_node(struct err *err)
{
	err_usage(err, "policy=: of which host node is not said, and no device says it");
	return err_hint(err, "add host-node=N");
}

/* Nothing said: near the devices, but no start fails because that node is full. */
static int near_devices(int root, const struct vm_mem_request *q, const struct bdf *devices,
			struct mem_node *m, enum mem_policy policy, struct err *err)
{
	int node = common_node(root, devices, q->devices);

	if (node < 0)
		return policy == MEM_UNBOUND ? 0 : policy_without_node(err);
	set_one(m, (unsigned)node);
	m->policy = policy == MEM_UNBOUND ? MEM_PREFERRED : policy;
	return 0;
}

static int too_many_nodes(unsigned nodes, unsigned have, struct err *err)
{
	err_usage(err, "a guest with %u nodes takes the memory of as many host nodes, and this host "
		       "has memory on %u", nodes, have);
	return err_hint(err, "--memory SIZE,host-node=none leaves the choice to the kernel; or give each "
			     "--node its host-node=N, which may be the same");
}

static int one_each(int root, unsigned nodes, unsigned i, struct mem_node *m, enum mem_policy policy,
		    struct err *err)
{
	struct cpulist have;
	int node;

	memory_nodes(root, &have);
	node = nth(&have, i);
	if (cpulist_count(&have) < nodes || node < 0)
		return too_many_nodes(nodes, cpulist_count(&have), err);
	set_one(m, (unsigned)node);
	m->policy = policy == MEM_UNBOUND ? MEM_PREFERRED : policy;
	return 0;
}

/* What --node says, else --memory. */
static const struct vm_mem_opts *host_of(const struct vm_mem_request *q, unsigned i)
{
	return q->node[i].host == VM_HOST_UNSAID ? q->memory : &q->node[i];
}

static int refuse_halves(const struct vm_mem_request *q, struct err *err)
{
	unsigned said = 0;

	for (unsigned i = 0; i < q->nodes; i++)
		said += host_of(q, i)->host != VM_HOST_UNSAID;
	if (said == 0 || said == q->nodes)
		return 0;
	err_usage(err, "--node: host-node= is said for %u of the guest's %u nodes", said, q->nodes);
	return err_hint(err, "say it for all of them; host-node=none leaves the choice to the kernel");
}

static int bind_node(int root, const struct vm_mem_request *q, const struct bdf *devices, unsigned i,
		     struct mem_node *m, struct err *err)
{
	const struct vm_mem_opts *o = host_of(q, i);
	enum mem_policy policy = q->node[i].policy ? q->node[i].policy : q->memory->policy;

	switch (o->host) {
	case VM_HOST_NONE:
		m->policy = MEM_UNBOUND;
		return policy == MEM_UNBOUND ? 0 : policy_without_node(err);
	case VM_HOST_LIST:
		memcpy(m->host_nodes, o->host_nodes, sizeof(m->host_nodes));
		/* Who names a node means it. */
		m->policy = policy == MEM_UNBOUND ? MEM_STRICT : policy;
		return check_list(root, o == q->memory ? "--memory" : "--node", m, err);
	case VM_HOST_UNSAID: break;
	}
	return q->nodes == 1 ? near_devices(root, q, devices, m, policy, err) :
			       one_each(root, q->nodes, i, m, policy, err);
}

/* --- populating --------------------------------------------------------------------------------- */

/* Guests are pinned there, and are not to feel that another one starts. */
static void leave_isolated(int root, struct cpulist *cpus)
{
	struct cpulist isolated, rest = *cpus;

	if (!cpulist_count(cpus) || read_list_at(root, "", ISOLATED, &isolated) < 0)
		return;
	for (unsigned w = 0; w < ARRAY_SIZE(rest.bits); w++)
		rest.bits[w] &= ~isolated.bits[w];
	if (cpulist_count(&rest))
		*cpus = rest;
}

/* Best effort: without the list threads run anywhere. */
static unsigned add_cpus(int root, struct mem_node *m)
{
	struct cpulist cpus, all = { 0 };
	char file[32];

	for (unsigned i = 0; i < MAX_HOST_NODE; i++) {
		if (m->policy == MEM_UNBOUND || !has(m, i))
			continue;
		snprintf(file, sizeof(file), "node%u/cpulist", i);
		if (read_list(root, file, &cpus) < 0)
			continue;
		for (unsigned w = 0; w < MEM_CPU_WORDS; w++)
			all.bits[w] |= cpus.bits[w];
	}
	leave_isolated(root, &all);
	memcpy(m->host_cpus, all.bits, sizeof(m->host_cpus));
	return cpulist_count(&all);
}

static unsigned at_most(uint64_t n, unsigned max)
{
	return n < max ? (unsigned)n : max;
}

/* Who starts a guest on a host of one node is where its RAM is. */
static bool has_elsewhere(int root, unsigned guest_nodes)
{
	struct cpulist have;

	if (guest_nodes > 1)
		return true;
	memory_nodes(root, &have);
	return cpulist_count(&have) > 1;
}

/* A small guest's RAM is there before several threads would be. */
static void choose_threads(int root, unsigned guest_nodes, struct mem_node *m)
{
	bool alone = m->threads == 1 || (!m->threads && m->size < 2 * PER_THREAD);
	unsigned cpus;

	if (alone && (m->policy == MEM_UNBOUND || !has_elsewhere(root, guest_nodes)))
		return;
	cpus = add_cpus(root, m);
	if (m->threads || alone)
		return;
	if (!cpus)
		cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	m->threads = at_most(m->size / PER_THREAD, at_most(cpus, THREADS_MAX));
}

/* --- distances ---------------------------------------------------------------------------------- */

static unsigned guest_distance(int root, const struct mem_node *a, const struct mem_node *b)
{
	int from = vm_nodes_first_host(a), to = vm_nodes_first_host(b);
	unsigned d;

	if (from < 0 || to < 0)
		return NUMA_FAR;
	d = host_distance(root, (unsigned)from, (unsigned)to);
	return d < DISTANCE_MIN ? DISTANCE_MIN : at_most(d, DISTANCE_MAX);
}

static void measure(int root, struct vmm_config *c)
{
	for (unsigned i = 0; i < c->numa.nodes; i++)
		for (unsigned k = 0; k < c->numa.nodes; k++)
			c->numa.distance[i][k] =
				i == k ? NUMA_NEAR :
					 (uint8_t)guest_distance(root, &c->mem[i], &c->mem[k]);
}

int vm_nodes_place(int root, const struct vm_mem_request *q, const struct bdf *devices,
		   struct vmm_config *config, struct err *err)
{
	int r = refuse_halves(q, err);

	for (unsigned i = 0; i < q->nodes && r == 0; i++) {
		r = bind_node(root, q, devices, i, &config->mem[i], err);
		if (r == 0)
			choose_threads(root, q->nodes, &config->mem[i]);
	}
	if (r == 0)
		measure(root, config);
	return r;
}

static bool any_bound(const struct mem_node *mem, unsigned nodes)
{
	for (unsigned i = 0; i < nodes; i++)
		if (vm_nodes_first_host(&mem[i]) >= 0)
			return true;
	return false;
}

unsigned vm_nodes_for_device(int root, const struct mem_node *mem, unsigned nodes, int host_node)
{
	unsigned best = 0, nearest = ~0u;

	if (host_node < 0 || host_node >= MAX_HOST_NODE)
		return 0;
	if (!any_bound(mem, nodes))
		return (unsigned)host_node % nodes;
	for (unsigned i = 0; i < nodes; i++) {
		int node = vm_nodes_first_host(&mem[i]);
		unsigned d;

		if (node >= 0 && has(&mem[i], (unsigned)host_node))
			return i;
		d = node < 0 ? ~0u : host_distance(root, (unsigned)host_node, (unsigned)node);
		if (d < nearest) {
			nearest = d;
			best = i;
		}
	}
	return best;
}
