// SPDX-License-Identifier: GPL-2.0-or-later
/* What is mounted, by libmount. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libmount.h>
#include <sys/sysmacros.h>

#include "base/dl.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/in_use_internal.h"

#define MOUNT(X)                \
	X(mnt_new_table)        \
	X(mnt_unref_table)      \
	X(mnt_table_parse_file) \
	X(mnt_table_next_fs)    \
	X(mnt_new_iter)         \
	X(mnt_free_iter)        \
	X(mnt_fs_get_source)    \
	X(mnt_fs_get_target)    \
	X(mnt_fs_get_devno)

MOUNT(DL_POINTER)

static const struct dl_symbol symbols[] = { MOUNT(DL_SYMBOL) };
static struct dl_library libmount = { "libmount.so.1", "libmount1", symbols, ARRAY_SIZE(symbols) };

int in_use_read_mounts(struct in_use_host *host, struct err *err)
{
	struct libmnt_table *table;
	char path[HOSTFS_PATH_MAX];
	int r = dl_load(&libmount, err);

	/* Without the library nobody could say that a disk is free. */
	if (r < 0)
		return r;
	table = dl_mnt_new_table();
	if (!table)
		return err_set(err, -ENOMEM, "cannot read what is mounted");
	if (hostfs_exists(host->root, "proc/self/mountinfo") &&
	    hostfs_path(host->root, path, sizeof(path), "proc/self/mountinfo") == 0 &&
	    dl_mnt_table_parse_file(table, path) == 0)
		host->mounts = table;
	else
		dl_mnt_unref_table(table);
	return 0;
}

void in_use_free_mounts(struct in_use_host *host)
{
	if (host->mounts)
		dl_mnt_unref_table(host->mounts);
	host->mounts = NULL;
}

void in_use_find_mounts(const struct in_use_host *host, const char *disk, struct in_use *ret)
{
	char number[32], source[64];
	struct libmnt_iter *it;
	struct libmnt_fs *fs;
	unsigned maj, min;

	if (!host->mounts ||
	    hostfs_read(host->root, number, sizeof(number), "sys/class/block/%s/dev", disk) <= 0 ||
	    sscanf(number, "%u:%u", &maj, &min) != 2)
		return;
	it = dl_mnt_new_iter(MNT_ITER_FORWARD);
	snprintf(source, sizeof(source), "dev/%s", disk);
	while (it && dl_mnt_table_next_fs(host->mounts, it, &fs) == 0) {
		const char *src = dl_mnt_fs_get_source(fs);

		/* btrfs shows device numbers of its own: there the source tells. */
		if (dl_mnt_fs_get_devno(fs) == makedev(maj, min) ||
		    (src && src[0] == '/' && strcmp(src + 1, source) == 0))
			in_use_add(ret, IN_USE_MOUNTED, "%s is mounted on %s", disk,
				   dl_mnt_fs_get_target(fs));
	}
	dl_mnt_free_iter(it);
}
