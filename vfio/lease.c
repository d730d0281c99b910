// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/process.h"

#define FORMAT "1"

/* --- the file --------------------------------------------------------------------------------- */

/* Of a word from outside what cannot be mistaken for a line. */
static void put(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s=", key);
	for (; *value; value++)
		fputc((unsigned char)*value < 0x20 || *value == 0x7f ? '?' : *value, f);
	fputc('\n', f);
}

static void put_lease(FILE *f, const struct lease *l)
{
	put(f, "format", FORMAT);
	fprintf(f, "inode=%" PRIu64 "\npid=%d\nstart=%" PRIu64 "\n", l->inode, (int)l->holder.pid,
		l->holder.start);
	put(f, "boot", l->holder.boot);
	fprintf(f, "pidns=%" PRIu64 "\n", l->holder.pidns);
	put(f, "name", l->name);
	fprintf(f, "expires=%" PRIu64 "\n", l->expires);
	put(f, "node", l->node);
	fprintf(f, "owner=%u:%u\nbefore=%u:%u\nend=1\n", l->uid, l->gid, l->uid_before,
		l->gid_before);
}

static int write_out(int fd, const struct lease *l)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return -ENOMEM;
	put_lease(f, l);
	if (fclose(f) != 0)
		return -ENOMEM;
	return fd_write_all(fd, text, len);
}

int lease_save(int root, const struct lease *l)
{
	char tmp[BDF_STRLEN + 1];
	_cleanup_close_ int dir = -1, fd = -1;
	int r;

	(void)hostfs_mkdir(root, "run/thruway", 0755);
	(void)hostfs_mkdir(root, LEASE_DIR, 0755);
	dir = hostfs_open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, LEASE_DIR);
	if (dir < 0)
		return dir;
	snprintf(tmp, sizeof(tmp), ".%s", BDF_STR(l->bdf));
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = write_out(fd, l);
	if (r == 0 && fchmod(fd, 0644) < 0) /* whatever the umask: who may not lease may look */
		r = -errno;
	if (r == 0 && renameat(dir, tmp, dir, tmp + 1) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, tmp, 0);
	return r;
}

/* Copy, or fail when it does not fit. */
static bool take_text(const char *value, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s", value);

	return n >= 0 && (size_t)n < size;
}

static bool take_number(const char *value, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(value, &end, 10);
	return *value >= '0' && *value <= '9' && !*end && !errno && *ret <= max;
}

static bool take_ids(const char *value, unsigned *uid, unsigned *gid)
{
	int end = 0;

	return sscanf(value, "%u:%u%n", uid, gid, &end) == 2 && !value[end];
}

static bool take(struct lease *l, const char *key, const char *value, bool *whole)
{
	uint64_t pid = 0;

	if (strcmp(key, "format") == 0)
		return strcmp(value, FORMAT) == 0;
	if (strcmp(key, "inode") == 0)
		return take_number(value, UINT64_MAX, &l->inode);
	if (strcmp(key, "boot") == 0)
		return take_text(value, l->holder.boot, sizeof(l->holder.boot));
	if (strcmp(key, "name") == 0)
		return take_text(value, l->name, sizeof(l->name));
	if (strcmp(key, "node") == 0)
		return take_text(value, l->node, sizeof(l->node));
	if (strcmp(key, "start") == 0)
		return take_number(value, UINT64_MAX, &l->holder.start);
	if (strcmp(key, "pidns") == 0)
		return take_number(value, UINT64_MAX, &l->holder.pidns);
	if (strcmp(key, "expires") == 0)
		return take_number(value, UINT64_MAX, &l->expires);
	if (strcmp(key, "owner") == 0)
		return take_ids(value, &l->uid, &l->gid);
	if (strcmp(key, "before") == 0)
		return take_ids(value, &l->uid_before, &l->gid_before);
	if (strcmp(key, "pid") == 0 && take_number(value, INT32_MAX, &pid)) {
		l->holder.pid = (pid_t)pid;
		return true;
	}
	*whole |= strcmp(key, "end") == 0;
	return strcmp(key, "end") == 0;
}

int lease_read_file(int root, struct bdf bdf, struct lease *ret)
{
	char text[1024], *line, *rest = text;
	struct lease l = { .bdf = bdf };
	bool whole = false;
	ssize_t n = hostfs_read(root, text, sizeof(text), LEASE_DIR "/%s", BDF_STR(bdf));

	if (n < 0)
		return n == -ENOENT || n == -ENOTDIR ? -ENOENT : (int)n;
	while ((line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');

		if (!value)
			return -EBADMSG;
		*value++ = '\0';
		if (!take(&l, line, value, &whole))
			return -EBADMSG;
	}
	if (!whole || strncmp(l.node, "/", 1) == 0 || strstr(l.node, ".."))
		return -EBADMSG;
	*ret = l;
	return 0;
}

/* --- what it means ---------------------------------------------------------------------------- */

uint64_t lease_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec;
}

/* The kernel gives each directory of sysfs a number that it does not give again. */
uint64_t lease_inode(int root, struct bdf bdf)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", BDF_STR(bdf));
	return fstatat(root, path, &st, 0) < 0 ? 0 : st.st_ino;
}

bool lease_is_over(int root, const struct lease *l)
{
	if (process_of_other_boot(root, &l->holder))
		return true;
	if (l->expires && lease_now() >= l->expires)
		return true;
	if (l->holder.pid ? !process_alive(root, &l->holder) : !l->expires)
		return true;
	/* The one it was about is gone: what stands there now was promised to nobody. */
	return lease_inode(root, l->bdf) != l->inode;
}

/* A command that `vf lease` became has another name by now than the one written down. */
static void name_holder(int root, struct lease *l)
{
	char now[sizeof(l->name)];

	if (!l->holder.pid ||
	    strcmp(process_name(root, l->holder.pid, now, sizeof(now)), "?") == 0)
		return;
	memcpy(l->name, now, sizeof(now));
}

int lease_read(int root, struct bdf bdf, struct lease *ret)
{
	struct lease l;
	int r = lease_read_file(root, bdf, &l);

	if (r < 0)
		return r;
	if (lease_is_over(root, &l))
		return -ENOENT;
	name_holder(root, &l);
	*ret = l;
	return 0;
}

static pid_t parent_of(int root, pid_t pid)
{
	char text[1024], *p;
	int parent;

	if (hostfs_read(root, text, sizeof(text), "proc/%d/stat", (int)pid) < 0)
		return 0;
	p = strrchr(text, ')');
	return p && sscanf(p, ") %*c %d", &parent) == 1 ? parent : 0;
}

bool lease_is_ours(int root, const struct lease *l)
{
	pid_t pid = getpid();

	/* Whom the kernel lets open it. Of root that says nothing. */
	if (l->node[0] && l->uid && l->uid == geteuid())
		return true;
	/* Bounded: parents change while we look. */
	for (int i = 0; l->holder.pid && pid > 0 && i < 256; i++) {
		if (pid == l->holder.pid)
			return true;
		pid = parent_of(root, pid);
	}
	return false;
}

char *lease_holder(const struct lease *l, char *buf, size_t size)
{
	uint64_t now = lease_now();

	if (l->holder.pid)
		snprintf(buf, size, "pid %d (%s)", (int)l->holder.pid, l->name);
	else
		snprintf(buf, size, "%" PRIu64 " s", l->expires > now ? l->expires - now : 0);
	return buf;
}

char *lease_describe(const struct lease *l, char *buf, size_t size)
{
	char holder[64];

	snprintf(buf, size, "leased %s %s", l->holder.pid ? "to" : "for",
		 lease_holder(l, holder, sizeof(holder)));
	return buf;
}

int lease_refuse(int root, struct bdf bdf, const char *verb, struct err *err)
{
	struct lease l;
	char who[96];
	int r = lease_read(root, bdf, &l);

	/* What cannot be read as a lease is nobody's. */
	if (r == -ENOENT || r == -EBADMSG || (r == 0 && lease_is_ours(root, &l)))
		return 0;
	if (r < 0) {
		err_set(err, r, "cannot read the lease on %s", BDF_STR(bdf));
		return r == -EACCES || r == -EPERM ? err_hint(err, "run it as root") : r;
	}
	err_plain(err, -EBUSY, "cannot %s %s: it is %s", verb, BDF_STR(bdf),
		  lease_describe(&l, who, sizeof(who)));
	return err_hint(err, "thruway vf lease gives you another one; thruway vf release %s%s ends "
			     "this lease", BDF_STR(bdf), l.holder.pid ? " --force=vf-in-use" : "");
}
