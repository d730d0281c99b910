// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes that hold a node of the function open: of its VFIO group, a disk, a GPU, a sound card… */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/process.h"
#include "vfio/in_use_internal.h"

struct scan {
	struct in_use_host *host;
	const char *process;
	size_t first; /* of this process */
	bool vm;
};

/*
 * Of all that a process has open only what can belong to a PCI device is kept. Where the kernel
 * has a class of the nodes, the link of that name in it leads to their device.
 */
static const struct kind {
	const char *prefix, *class;
} kinds[] = {
	{ "dev/vfio/", NULL },	     { "dev/dri/", NULL },
	{ "dev/nvme", NULL },	     { "dev/ng", NULL },
	{ "dev/sd", NULL },	     { "dev/dm-", NULL },
	{ "dev/md", NULL },	     { "dev/tap", NULL },
	{ "dev/nvidia", NULL },	     { "dev/infiniband/", NULL },
	{ "dev/bus/usb/", NULL },    { "dev/snd/", "sound" },
	{ "dev/fb", "graphics" },    { "dev/video", "video4linux" },
	{ "dev/accel/", "accel" },   { "dev/input/", "input" },
	{ "dev/hidraw", "hidraw" },  { "dev/ttyS", "tty" },
	{ "dev/ttyUSB", "tty" },     { "dev/ttyACM", "tty" },
};

static const struct kind *kind_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strncmp(path, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return strcmp(path, "dev/vfio/vfio") == 0 ? NULL : &kinds[i];
	}
	return NULL;
}

/* The last function of PCI in the path of a device. */
static bool last_function(char *path, struct bdf *ret)
{
	char *save = NULL;
	bool found = false;

	for (char *p = strtok_r(path, "/", &save); p; p = strtok_r(NULL, "/", &save))
		found |= bdf_parse(p, ret) == 0;
	return found;
}

static void place(int root, const struct kind *kind, struct in_use_open_node *n)
{
	char target[HOSTFS_PATH_MAX];
	const char *name = strrchr(n->path, '/') + 1;

	if (kind->class &&
	    hostfs_readlink(root, target, sizeof(target), "sys/class/%s/%s", kind->class, name) > 0)
		n->placed = last_function(target, &n->bdf);
}

static int scan_fd(const char *name, void *opaque)
{
	struct scan *s = opaque;
	struct in_use_open_node *bigger, *n;
	const struct kind *kind;
	char target[64]; /* longer ones are none of these */

	if (hostfs_readlink(s->host->root, target, sizeof(target), "proc/%s/fd/%s", s->process,
			    name) < 0)
		return 0;
	if (strncmp(target, "anon_inode:kvm-vm", 17) == 0)
		s->vm = true;
	kind = target[0] == '/' ? kind_of(target + 1) : NULL;
	if (!kind)
		return 0;
	bigger = realloc(s->host->nodes, (s->host->node_count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->host->nodes = bigger;
	n = &bigger[s->host->node_count++];
	*n = (struct in_use_open_node){ .pid = (int)strtol(s->process, NULL, 10) };
	snprintf(n->path, sizeof(n->path), "%s", target + 1);
	place(s->host->root, kind, n);
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
	process_name(s->host->root, (pid_t)strtol(name, NULL, 10), comm, sizeof(comm));
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

void in_use_check_node(const struct in_use_host *host, const char *path, struct in_use *ret)
{
	for (size_t i = 0; i < host->node_count; i++) {
		if (strcmp(host->nodes[i].path, path) == 0)
			in_use_add_process(ret, &host->nodes[i]);
	}
}

static int check_child(const char *name, void *opaque)
{
	const struct find *f = opaque;
	char path[64];

	if (snprintf(path, sizeof(path), "%s%.40s", f->prefix, name) > 0)
		in_use_check_node(f->host, path, f->ret);
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

/* usb1/1-4 is dev/bus/usb/001/007. */
static int check_usb(const char *name, void *opaque)
{
	const struct find *f = opaque;
	char path[128];
	uint64_t bus, number;

	snprintf(path, sizeof(path), "sys/bus/usb/devices/%.64s", name);
	if (!in_use_below(f->host->root, f->dev->bdf, path) ||
	    hostfs_read_u64(f->host->root, &bus, "%s/busnum", path) < 0 ||
	    hostfs_read_u64(f->host->root, &number, "%s/devnum", path) < 0)
		return 0;
	snprintf(path, sizeof(path), "dev/bus/usb/%03" PRIu64 "/%03" PRIu64, bus, number);
	in_use_check_node(f->host, path, f->ret);
	return 0;
}

/* NVIDIA's driver has no class; it tells the number of its node in proc: "Device Minor: 	 0". */
static void check_nvidia(const struct find *f)
{
	char text[2048], path[64], *minor;
	unsigned n;

	if (hostfs_read(f->host->root, text, sizeof(text), "proc/driver/nvidia/gpus/%s/information",
			BDF_STR(f->dev->bdf)) < 0)
		return;
	minor = strstr(text, "Device Minor:");
	if (!minor || sscanf(minor, "Device Minor: %u", &n) != 1)
		return;
	snprintf(path, sizeof(path), "dev/nvidia%u", n);
	in_use_check_node(f->host, path, f->ret);
}

static void check_placed(const struct find *f)
{
	for (size_t i = 0; i < f->host->node_count; i++) {
		const struct in_use_open_node *n = &f->host->nodes[i];

		if (n->placed && bdf_eq(n->bdf, f->dev->bdf))
			in_use_add_process(f->ret, n);
	}
}

/* Disks are asked for where they are found (in_use_disk.c), interfaces' nodes too. */
void in_use_find_processes(const struct in_use_host *host, const struct pci_function *dev,
			   struct in_use *ret)
{
	struct find f = { host, dev, ret, "" };
	char path[64];

	if (!host->node_count)
		return;
	if (dev->group >= 0) {
		snprintf(path, sizeof(path), "dev/vfio/%d", dev->group);
		in_use_check_node(host, path, ret);
	}
	check_children(&f, "vfio-dev", "dev/vfio/devices/");
	check_children(&f, "drm", "dev/dri/");
	check_children(&f, "nvme", "dev/");
	check_children(&f, "infiniband_verbs", "dev/infiniband/");
	check_children(&f, "infiniband_mad", "dev/infiniband/");
	check_placed(&f);
	check_nvidia(&f);
	if (dev->class >> 8 == 0x0c03)
		hostfs_list(host->root, check_usb, &f, "sys/bus/usb/devices");
}
