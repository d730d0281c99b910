// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes that hold a node of the function open: its VFIO group, a GPU or NVMe node, a disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hostfs.h"
#include "vfio/in_use_internal.h"

struct scan {
	struct in_use_host *host;
	const char *process;
	size_t first; /* of this process */
	bool vm;
};

/* Of all that a process has open only what can belong to a PCI device is kept. */
static bool is_device_node(const char *path)
{
	static const char *const dirs[] = { "dev/vfio/", "dev/dri/", "dev/nvme", "dev/nvidia",
					    "dev/sd",	 "dev/infiniband/", NULL };

	for (int i = 0; dirs[i]; i++) {
		if (strncmp(path, dirs[i], strlen(dirs[i])) == 0)
			return strcmp(path, "dev/vfio/vfio") != 0;
	}
	return false;
}

static int scan_fd(const char *name, void *opaque)
{
	struct scan *s = opaque;
	struct in_use_open_node *bigger, *n;
	char target[64]; /* longer ones are none of these */

	if (hostfs_readlink(s->host->root, target, sizeof(target), "proc/%s/fd/%s", s->process,
			    name) < 0)
		return 0;
	if (strncmp(target, "anon_inode:kvm-vm", 17) == 0)
		s->vm = true;
	if (target[0] != '/' || !is_device_node(target + 1))
		return 0;
	bigger = realloc(s->host->nodes, (s->host->node_count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->host->nodes = bigger;
	n = &bigger[s->host->node_count++];
	*n = (struct in_use_open_node){ .pid = (int)strtol(s->process, NULL, 10) };
	snprintf(n->path, sizeof(n->path), "%s", target + 1);
	return 0;
}

static int scan_process(const char *name, void *opaque)
{
	struct scan *s = opaque;
	char comm[24];
	int r;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	s->process = name;
	s->first = s->host->node_count;
	s->vm = false;
	r = hostfs_list(s->host->root, scan_fd, s, "proc/%s/fd", name);
	if (r == -ENOMEM)
		return r;
	if (s->first == s->host->node_count)
		return 0;
	if (hostfs_read(s->host->root, comm, sizeof(comm), "proc/%s/comm", name) < 0)
		snprintf(comm, sizeof(comm), "?");
	for (size_t i = s->first; i < s->host->node_count; i++) {
		memcpy(s->host->nodes[i].comm, comm, sizeof(comm));
		s->host->nodes[i].vm = s->vm;
	}
	return 0;
}

int in_use_read_nodes(struct in_use_host *host)
{
	struct scan s = { .host = host };
	int r = hostfs_list(host->root, scan_process, &s, "proc");

	return r == -ENOMEM ? r : 0;
}

struct find {
	const struct in_use_host *host;
	const struct pci_function *dev;
	struct in_use *ret;
	const char *prefix;
};

/* Everyone who has the node open. */
static void check_node(const struct find *f, const char *path)
{
	for (size_t i = 0; i < f->host->node_count; i++) {
		const struct in_use_open_node *n = &f->host->nodes[i];

		if (strcmp(n->path, path) == 0)
			in_use_add_process(f->ret, n);
	}
}

static int check_child(const char *name, void *opaque)
{
	const struct find *f = opaque;
	char path[64];

	if (snprintf(path, sizeof(path), "%s%.40s", f->prefix, name) > 0)
		check_node(f, path);
	return 0;
}

/* Nodes named like the entries of a directory of the function: drm/card0 is dev/dri/card0. */
static void check_children(const struct find *f, const char *dir, const char *prefix)
{
	struct find with = *f;

	with.prefix = prefix;
	hostfs_list(f->host->root, check_child, &with, "sys/bus/pci/devices/%s/%s",
		    BDF_STR(f->dev->bdf), dir);
}

static int check_block(const char *name, void *opaque)
{
	const struct find *f = opaque;
	char path[128];

	snprintf(path, sizeof(path), "sys/class/block/%.64s", name);
	if (in_use_below(f->host->root, f->dev->bdf, path)) {
		snprintf(path, sizeof(path), "dev/%.56s", name);
		check_node(f, path);
	}
	return 0;
}

void in_use_find_processes(const struct in_use_host *host, const struct pci_function *dev,
			   struct in_use *ret)
{
	struct find f = { host, dev, ret, "" };
	char path[64];

	if (!host->node_count)
		return;
	if (dev->group >= 0) {
		snprintf(path, sizeof(path), "dev/vfio/%d", dev->group);
		check_node(&f, path);
	}
	check_children(&f, "vfio-dev", "dev/vfio/devices/");
	check_children(&f, "drm", "dev/dri/");
	check_children(&f, "nvme", "dev/");
	check_children(&f, "infiniband_verbs", "dev/infiniband/");
	hostfs_list(host->root, check_block, &f, "sys/class/block");
}
