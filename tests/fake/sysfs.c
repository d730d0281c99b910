// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 512

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "fake sysfs: %s: %s\n", what, strerror(errno));
	abort();
}

static void make_parents(int root, const char *path)
{
	char dir[PATH_SIZE];

	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - path), path);
		if (mkdirat(root, dir, 0755) < 0 && errno != EEXIST)
			die(dir);
	}
}

static void make_file(int root, const char *path, const char *text)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%s\n", text) < 0)
		die(path);
	close(fd);
}

static void make_node(int root, const struct fake_node *n)
{
	make_parents(root, n->path);
	if (n->text) {
		make_file(root, n->path, n->text);
	} else if (n->link) {
		(void)unlinkat(root, n->path, 0);
		if (symlinkat(n->link, root, n->path) < 0)
			die(n->path);
	} else if (mkdirat(root, n->path, 0755) < 0 && errno != EEXIST) {
		die(n->path);
	}
}

void fake_sysfs_add(int root, const struct fake_node *nodes)
{
	for (; nodes->path; nodes++)
		make_node(root, nodes);
}

int fake_sysfs(const struct fake_node *nodes)
{
	const char *tmp = getenv("TMPDIR");
	char dir[PATH_SIZE];
	int root;

	snprintf(dir, sizeof(dir), "%s/thruway-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		die(dir);
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		die(dir);
	fake_sysfs_add(root, nodes);
	return root;
}

#define FORMAT(path, fmt)                                   \
	char path[PATH_SIZE];                               \
	va_list ap;                                         \
	va_start(ap, fmt);                                  \
	vsnprintf(path, sizeof(path), fmt, ap);             \
	va_end(ap)

void fake_sysfs_text(int root, const char *text, const char *fmt, ...)
{
	FORMAT(path, fmt);
	make_node(root, &(struct fake_node){ .path = path, .text = text });
}

void fake_sysfs_link(int root, const char *target, const char *fmt, ...)
{
	FORMAT(path, fmt);
	make_node(root, &(struct fake_node){ .path = path, .link = target });
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

/* Through /proc, since nftw() knows no directory descriptors. */
static void remove_tree(int root, const char *path)
{
	char real[PATH_SIZE], full[2 * PATH_SIZE], link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	len = readlink(link, real, sizeof(real) - 1);
	if (len < 0)
		die(link);
	real[len] = '\0';
	snprintf(full, sizeof(full), "%s%s%s", real, *path ? "/" : "", path);
	(void)nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fake_sysfs_remove(int root, const char *fmt, ...)
{
	FORMAT(path, fmt);
	remove_tree(root, path);
}

void fake_sysfs_free(int *root)
{
	if (*root < 0)
		return;
	remove_tree(*root, "");
	close(*root);
	*root = -1;
}
