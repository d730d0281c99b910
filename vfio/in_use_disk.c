// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks behind a function: mounted, swapped to, open, or stacked under md,
 * device-mapper and loop devices, at any depth. Read from sysfs and proc; no disk is opened.
 */
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "vfio/in_use_internal.h"

/* md on dm on partitions on multipath…: deeper than anybody builds. */
#define STACK_MAX 8

struct find {
	const struct in_use_host *host;
	const struct pci_function *dev;
	struct in_use *ret;
	unsigned depth;
	const char *disk; /* the one holders are listed of */
};

/* "/dev/sda2", or "/dev/mapper/NAME" where nobody made that a link: len bytes of path name it. */
static bool names_disk(const struct find *f, const char *path, size_t len, const char *disk)
{
	char name[160], dm[128];

	snprintf(name, sizeof(name), "/dev/%s", disk);
	if (strlen(name) == len && strncmp(path, name, len) == 0)
		return true;
	if (strncmp(disk, "dm-", 3) != 0 ||
	    hostfs_read(f->host->root, dm, sizeof(dm), "sys/class/block/%s/dm/name", disk) <= 0)
		return false;
	snprintf(name, sizeof(name), "/dev/mapper/%s", dm);
	return strlen(name) == len && strncmp(path, name, len) == 0;
}

/* "/dev/sda2 partition 1000 0 -2" per line. */
static void check_swaps(struct find *f, const char *disk)
{
	for (const char *line = f->host->swaps; *line;) {
		const char *end = strchr(line, '\n');

		if (names_disk(f, line, strcspn(line, " \t\n"), disk))
			in_use_add(f->ret, IN_USE_SWAP, "%s is swap space", disk);
		if (!end)
			break;
		line = end + 1;
	}
}

static void check_open(struct find *f, const char *disk)
{
	char path[64];

	snprintf(path, sizeof(path), "dev/%.56s", disk);
	in_use_check_node(f->host, path, f->ret);
}

/* Of several disks with one btrfs mountinfo names the first alone. */
static int check_btrfs_disk(const char *fs, void *opaque)
{
	struct find *f = opaque;

	if (hostfs_exists(f->host->root, "sys/fs/btrfs/%s/devices/%s", fs, f->disk))
		in_use_add(f->ret, IN_USE_MOUNTED, "%s is part of the btrfs %s", f->disk, fs);
	return 0;
}

static void check_mounts(struct find *f, const char *disk)
{
	unsigned before = f->ret->count;
	const char *outer = f->disk;

	in_use_find_mounts(f->host, disk, f->ret);
	if (f->ret->count > before)
		return;
	f->disk = disk;
	hostfs_list(f->host->root, check_btrfs_disk, f, "sys/fs/btrfs");
	f->disk = outer;
}

/* udev has looked at the disk: a ZFS member has no holder in sysfs, the module opens it itself. */
static void check_zfs(struct find *f, const char *disk)
{
	char number[32], text[4096];

	if (!hostfs_exists(f->host->root, "sys/module/zfs") ||
	    hostfs_read(f->host->root, number, sizeof(number), "sys/class/block/%s/dev", disk) < 0 ||
	    hostfs_read(f->host->root, text, sizeof(text), "run/udev/data/b%s", number) < 0)
		return;
	if (strstr(text, "E:ID_FS_TYPE=zfs_member"))
		in_use_add(f->ret, IN_USE_ZFS, "%s belongs to a ZFS pool", disk);
}

static void check_disk(struct find *f, const char *disk);

static int check_holder(const char *holder, void *opaque)
{
	struct find *f = opaque;
	char kind[128];

	if (strncmp(holder, "dm-", 3) != 0)
		in_use_add(f->ret, IN_USE_RAID, "%s is part of %s", f->disk, holder);
	else if (hostfs_read(f->host->root, kind, sizeof(kind), "sys/class/block/%s/dm/name",
			     holder) > 0)
		in_use_add(f->ret, IN_USE_LVM, "%s is part of the volume %s", f->disk, kind);
	else
		in_use_add(f->ret, IN_USE_LVM, "%s is part of %s", f->disk, holder);
	check_disk(f, holder);
	return 0;
}

/* A loop device on a disk is not among its holders. */
static int check_loop(const char *name, void *opaque)
{
	struct find *f = opaque;
	char file[256];

	if (strncmp(name, "loop", 4) == 0 &&
	    hostfs_read(f->host->root, file, sizeof(file), "sys/class/block/%s/loop/backing_file",
			name) > 0 &&
	    names_disk(f, file, strlen(file), f->disk))
		check_holder(name, f);
	return 0;
}

/* A disk or partition, and whatever is stacked on it. */
static void check_disk(struct find *f, const char *disk)
{
	const char *below = f->disk;

	if (f->depth >= STACK_MAX)
		return;
	check_mounts(f, disk);
	check_swaps(f, disk);
	check_zfs(f, disk);
	check_open(f, disk);
	f->depth++;
	f->disk = disk;
	hostfs_list(f->host->root, check_holder, f, "sys/class/block/%s/holders", disk);
	hostfs_list(f->host->root, check_loop, f, "sys/class/block");
	f->disk = below;
	f->depth--;
}

static int check_block(const char *name, void *opaque)
{
	struct find *f = opaque;
	char path[128];

	snprintf(path, sizeof(path), "sys/class/block/%s", name);
	if (in_use_below(f->host->root, f->dev->bdf, path))
		check_disk(f, name);
	return 0;
}

/* The namespaces of a subsystem: with multipath they lie below it and not below a controller. */
static int check_namespace(const char *name, void *opaque)
{
	struct find *f = opaque;
	unsigned ctrl, ns;
	char path[64], own[32];

	/* The node for commands, without a disk's cache and queue. */
	if (strncmp(name, "ng", 2) == 0) {
		check_open(f, name);
		return 0;
	}
	if (sscanf(name, "nvme%un%u", &ctrl, &ns) != 2)
		return 0;
	snprintf(own, sizeof(own), "nvme%un%u", ctrl, ns);
	check_disk(f, own);
	/* Its partitions are its children. */
	for (unsigned part = 1; part <= 128; part++) {
		snprintf(path, sizeof(path), "%sp%u", own, part);
		if (hostfs_exists(f->host->root, "sys/class/block/%s", path))
			check_disk(f, path);
	}
	return 0;
}

static int check_subsystem(const char *name, void *opaque)
{
	struct find *f = opaque;

	for (unsigned i = 0; i < f->dev->nvme_count; i++) {
		if (hostfs_exists(f->host->root, "sys/class/nvme-subsystem/%s/%s", name,
				  f->dev->nvmes[i]))
			hostfs_list(f->host->root, check_namespace, f,
				    "sys/class/nvme-subsystem/%s", name);
	}
	return 0;
}

void in_use_find_disks(const struct in_use_host *host, const struct pci_function *dev,
		       struct in_use *ret)
{
	struct find f = { host, dev, ret, 0, "" };

	hostfs_list(host->root, check_block, &f, "sys/class/block");
	if (dev->nvme_count)
		hostfs_list(host->root, check_subsystem, &f, "sys/class/nvme-subsystem");
}
