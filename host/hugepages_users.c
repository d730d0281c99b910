// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who maps hugepages. proc/PID/status has a sum that costs nothing; only where it is
 * not zero proc/PID/numa_maps is read, for which the kernel walks the page tables.
 */
#include "host/hugepages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/process.h"

struct users {
	int root;
	struct hugepage_user *list;
	size_t count;
	const char *process;
};

static int add(struct users *u, unsigned node, uint64_t page_kb, uint64_t pages)
{
	pid_t pid = (pid_t)strtol(u->process, NULL, 10);
	struct hugepage_user *bigger, *n;

	for (size_t i = 0; i < u->count; i++) {
		n = &u->list[i];
		if (n->pid == pid && n->node == node && n->page_kb == page_kb) {
			n->pages += pages;
			return 0;
		}
	}
	bigger = realloc(u->list, (u->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	u->list = bigger;
	n = &bigger[u->count++];
	*n = (struct hugepage_user){ .pid = pid, .node = node, .page_kb = page_kb, .pages = pages };
	process_name(u->root, pid, n->comm, sizeof(n->comm));
	return 0;
}

/* "7f20…000 default file=… huge dirty=4 N0=3 N1=1 kernelpagesize_kB=2048": pages per node. */
static int scan_mapping(struct users *u, char *line)
{
	const char *at = strstr(line, " kernelpagesize_kB=");
	char *word, *rest = line;
	uint64_t kb, pages;
	unsigned node;
	int r = 0;

	if (!strstr(line, " huge ") || !at || sscanf(at, " kernelpagesize_kB=%" SCNu64, &kb) != 1)
		return 0;
	while (r == 0 && (word = strsep(&rest, " \n"))) {
		if (sscanf(word, "N%u=%" SCNu64, &node, &pages) == 2)
			r = add(u, node, kb, pages);
	}
	return r;
}

static bool has_any(int root, const char *process)
{
	char text[4096];
	const char *at;

	if (hostfs_read(root, text, sizeof(text), "proc/%s/status", process) < 0)
		return false;
	at = strstr(text, "HugetlbPages:");
	return at && strtoull(at + strlen("HugetlbPages:"), NULL, 10) > 0;
}

static int scan_process(const char *name, void *opaque)
{
	_cleanup_file_ FILE *maps = NULL;
	_cleanup_free_ char *line = NULL;
	struct users *u = opaque;
	size_t size = 0;
	int fd, r = 0;

	if (name[0] < '1' || name[0] > '9' || !has_any(u->root, name))
		return 0;
	fd = hostfs_open(u->root, 0, "proc/%s/numa_maps", name);
	maps = fd < 0 ? NULL : fdopen(fd, "r");
	if (!maps) {
		close_fdp(&fd);
		return 0;
	}
	u->process = name;
	while (r == 0 && getline(&line, &size, maps) > 0)
		r = scan_mapping(u, line);
	return r;
}

int hugepages_users(int root, struct hugepage_user **ret, size_t *ret_count)
{
	struct users u = { .root = root };
	int r = hostfs_list(root, scan_process, &u, "proc");

	if (r == -ENOMEM) {
		free(u.list);
		return r;
	}
	*ret = u.list;
	*ret_count = u.count;
	return 0;
}
