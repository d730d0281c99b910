// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/range.h"
#include "base/size.h"
#include "tools/vm_backend.h"
#include "tools/vm_rings.h"

#define SECTOR	     512u
#define BLOCK_MAX    4096u
#define QUEUES_MAX   8
/* Where the file system does not say how O_DIRECT wants it. */
#define ALIGN_UNSAID 4096u

static bool is_on_off(const char *value, bool *ret_on)
{
	*ret_on = strcmp(value, "on") == 0;
	return *ret_on || strcmp(value, "off") == 0;
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

/* One word behind the file. False: it is none. */
static bool parse_word(const char *word, struct vm_opt_disk *d)
{
	const char *value = strchr(word, '=');
	size_t name = value ? (size_t)(value++ - word) : strlen(word);
	uint64_t n;
	bool on;

#define IS(text) (name == strlen(text) && strncmp(word, text, name) == 0)
	if (!value)
		return IS("readonly") && (d->readonly = true);
	if (IS("serial")) {
		if (!*value || strlen(value) > VMM_DISK_SERIAL_MAX || !printable(value))
			return false;
		strcpy(d->serial, value);
		return true;
	}
	if (IS("direct") && is_on_off(value, &on)) {
		d->direct = on ? VM_DISK_DIRECT_ON : VM_DISK_DIRECT_OFF;
		return true;
	}
	if (IS("discard") && is_on_off(value, &on)) {
		d->no_discard = !on;
		return true;
	}
	if (vm_rings_word(word, &d->packed))
		return true;
	if (IS("io") && strcmp(value, "thread") == 0)
		return d->thread = true;
	if (IS("iothread") && is_on_off(value, &on)) {
		d->iothread = on;
		return true;
	}
	if (IS("queues") && uint_parse(value, QUEUES_MAX, &n) == 0 && n) {
		d->queues = (unsigned)n;
		return true;
	}
#undef IS
	return false;
}

/* Whose disk it is has the rest to say, where it is started. */
static int parse_backend(const char *text, struct vm_opt_disk *ret, struct err *err)
{
	struct vm_opt_disk d = { .queues = 1, .vhost_user = true };
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "--disk");
	r = vm_backend_parse("--disk", strsep(&rest, ","), d.path, err);
	while (r == 0 && (word = strsep(&rest, ","))) {
		if (strncmp(word, "queues=", 7) == 0 && parse_word(word, &d))
			continue;
		err_usage(err, "--disk: '%s' is not possible with vhost-user", word);
		return err_hint(err, "behind the socket: queues=1 to %d; the rest is said to the program "
				     "that serves the disk", QUEUES_MAX);
	}
	if (r == 0)
		*ret = d;
	return r;
}

int vm_disk_parse(const char *text, struct vm_opt_disk *ret, struct err *err)
{
	struct vm_opt_disk d = { .queues = 1 };
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;

	if (vm_backend_is(text))
		return parse_backend(text, ret, err);
	if (!copy)
		return err_set(err, -ENOMEM, "--disk");
	word = strsep(&rest, ",");
	if (!*word || strlen(word) >= sizeof(d.path))
		return err_usage(err, "--disk: '%s' does not begin with a file", text);
	strcpy(d.path, word);
	while ((word = strsep(&rest, ","))) {
		if (parse_word(word, &d))
			continue;
		err_usage(err, "--disk: '%s' is not possible", word);
		return err_hint(err, "behind the file: readonly, serial=TEXT of 20 characters at most, "
				     "direct=on|off, discard=on|off, io=thread, iothread=on|off, queues=1 to 8, "
				     "packed=on|off");
	}
	*ret = d;
	return 0;
}

/* --- opening ----------------------------------------------------------------------------------- */

static int say_another(const struct vm_opt_disk *opts, struct err *err)
{
	err_plain(err, -EBUSY, "--disk: another program has %s as a disk", opts->path);
	return err_hint(err, "thruway vm ps shows the VMs that run, lslocks who has a lock; several may "
			     "share a disk that all have with readonly");
}

/* Of a block device that cannot be opened alone: whether a lock says who. */
static bool another_has(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static int explain(const struct vm_opt_disk *opts, int r, struct err *err)
{
	if (r == -EBUSY && another_has(opts->path))
		return say_another(opts, err);
	err_set(err, r, "--disk: cannot open %s", opts->path);
	if (r == -EBUSY)
		return err_hint(err, "this host uses it: lsblk, findmnt and /proc/swaps tell how");
	if (r == -ENOENT)
		return err_hint(err, "truncate -s 10G %s makes an empty disk", opts->path);
	if (r == -EROFS || r == -EACCES)
		return err_hint(err, "--disk %s,readonly only reads it", opts->path);
	return r;
}

/*
 * A block device that is mounted, or in a stack of others, is refused by O_EXCL; who only reads may
 * share it.
 */
static int open_once(const struct vm_opt_disk *opts, int flags)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	flags |= (opts->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	if (stat(opts->path, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		flags |= opts->readonly ? 0 : O_EXCL;
	else if (!S_ISREG(st.st_mode))
		return -ENOTBLK;
	fd = open(opts->path, flags);
	/* It was for what is no disk. Set, it would be io_uring's too, and some disks refuse all then. */
	if (fd < 0 || fcntl(fd, F_SETFL, flags & O_DIRECT) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* *ret_direct: whether it goes past the page cache. */
static int open_file(const struct vm_opt_disk *opts, bool *ret_direct, struct err *err)
{
	int fd = open_once(opts, opts->direct == VM_DISK_DIRECT_OFF ? 0 : O_DIRECT);

	*ret_direct = opts->direct != VM_DISK_DIRECT_OFF;
	if (fd == -EINVAL && opts->direct == VM_DISK_DIRECT_AUTO) {
		*ret_direct = false;
		fd = open_once(opts, 0);
	}
	if (fd == -ENOTBLK)
		return err_plain(err, -EINVAL, "--disk: %s is neither a file nor a block device", opts->path);
	if (fd == -EINVAL && opts->direct == VM_DISK_DIRECT_ON) {
		err_plain(err, fd, "--disk: the file system of %s cannot go past the page cache", opts->path);
		return err_hint(err, "leave direct=on out");
	}
	return fd < 0 ? explain(opts, fd, err) : fd;
}

/* How O_DIRECT wants buffers and offsets (statx of Linux 6.1). False: it is not said. */
static bool read_alignment(int fd, struct vmm_disk *ret)
{
	struct statx st;
	int size;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && st.stx_mask & STATX_DIOALIGN &&
	    is_pow2(st.stx_dio_mem_align) && is_pow2(st.stx_dio_offset_align) &&
	    st.stx_dio_offset_align <= BLOCK_MAX) {
		ret->mem_align = st.stx_dio_mem_align;
		ret->block_size = st.stx_dio_offset_align < SECTOR ? SECTOR : st.stx_dio_offset_align;
		return true;
	}
	if (sys_ioctl(fd, BLKSSZGET, &size) >= 0 && is_pow2((uint64_t)size) &&
		   size >= (int)SECTOR && size <= (int)BLOCK_MAX) {
		ret->mem_align = ret->block_size = (unsigned)size;
		return true;
	}
	ret->mem_align = ret->block_size = ALIGN_UNSAID;
	return false;
}

/*
 * An image has 512-byte sectors wherever it lies: where past the page cache it would have others,
 * it is not taken past it, unless that was said.
 */
static int choose_direct(const struct vm_opt_disk *opts, int fd, struct vmm_disk *ret, struct err *err)
{
	struct stat st;

	if ((read_alignment(fd, ret) && ret->block_size == SECTOR) ||
	    opts->direct == VM_DISK_DIRECT_ON || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	ret->mem_align = 1;
	ret->block_size = SECTOR;
	if (fcntl(fd, F_SETFL, 0) < 0)
		return err_set(err, -errno, "--disk: cannot read %s through the page cache", opts->path);
	return 0;
}

static int lock_disk(int fd, const struct vm_opt_disk *opts, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = 100000000 };
	struct stat st;
	/* udev looks at a block device under a lock, for a moment, when one that wrote has closed it. */
	unsigned tries = fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) ? 20 : 1;

	while (flock(fd, (opts->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(err, -errno, "--disk: cannot lock %s", opts->path);
		if (!--tries)
			return say_another(opts, err);
		nanosleep(&pause, NULL);
	}
	return 0;
}

int vm_disk_open(const struct vm_opt_disk *opts, struct vmm_disk *ret, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct vmm_disk disk = { .readonly = opts->readonly, .discard = !opts->no_discard,
				 .thread = opts->thread, .iothread = opts->iothread, .queues = opts->queues,
				 .packed = opts->packed == VM_ON, .block_size = SECTOR, .mem_align = 1 };
	bool direct;
	off_t size;
	int r;

	if (opts->vhost_user) {
		ret->vhost_user = true;
		ret->queues = opts->queues;
		return vm_backend_connect("--disk", opts->path, &ret->fd, err);
	}
	fd = open_file(opts, &direct, err);
	r = fd < 0 ? fd : lock_disk(fd, opts, err);
	if (r < 0)
		return r;
	if (direct)
		r = choose_direct(opts, fd, &disk, err);
	if (r < 0)
		return r;
	size = lseek(fd, 0, SEEK_END);
	if (size < (off_t)disk.block_size) {
		err_plain(err, -EINVAL, "--disk: %s is no disk: it has %lld bytes", opts->path,
			  (long long)size);
		return err_hint(err, "truncate -s 10G %s makes it an empty one", opts->path);
	}
	memcpy(disk.serial, opts->serial, sizeof(disk.serial));
	disk.fd = TAKE_FD(fd);
	*ret = disk;
	return 0;
}
