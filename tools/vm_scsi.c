// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel gives a target to whoever asks first, and only while a driver is at work in a guest. So that a
 * VM is refused at its start and not in its guest, the target is asked for here once, for a moment, and
 * its directory is locked as long as the VM lives.
 */
#include "tools/vm_scsi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include <linux/vhost.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"
#include "base/size.h"

#define TARGETS "sys/kernel/config/target/vhost"

/* --- the command line ---------------------------------------------------------------------------- */

/* As the kernel's vhost_scsi_make_tport() takes them; it is a directory's name as well. */
static bool is_wwpn(const char *text)
{
	size_t len = strlen(text);

	if (len > VMM_WWPN_MAX || (strncmp(text, "naa.", 4) != 0 && strncmp(text, "iqn.", 4) != 0 &&
				   strncmp(text, "fc.", 3) != 0))
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '/')
			return false;
	return true;
}

static int parse_word(const char *word, struct vm_opt_scsi *s, struct err *err)
{
	uint64_t n;

	if (strncmp(word, "queues=", 7) == 0 && uint_parse(word + 7, VMM_SCSI_QUEUES_MAX, &n) == 0 && n) {
		s->queues = (unsigned)n;
		return 0;
	}
	err_usage(err, "--scsi: '%s' is not possible", word);
	return err_hint(err, "behind the target: queues=1 to %d", VMM_SCSI_QUEUES_MAX);
}

int vm_scsi_parse(const char *text, struct vm_opt_scsi *ret, struct err *err)
{
	_cleanup_free_ char *copy = strdup(text);
	struct vm_opt_scsi s = { .queues = 1 };
	char *rest = copy, *word;
	int r = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "--scsi");
	word = strsep(&rest, ",");
	if (strncmp(word, "wwpn=", 5) != 0 || !is_wwpn(word + 5)) {
		err_usage(err, "--scsi: '%s' is no target", word);
		return err_hint(err, "write wwpn=NAME, such as wwpn=naa.5001405bd1f5e3a2; targetcli ls /vhost "
				     "shows what there is");
	}
	strcpy(s.wwpn, word + 5);
	while (r == 0 && (word = strsep(&rest, ",")))
		r = parse_word(word, &s, err);
	if (r == 0)
		*ret = s;
	return r;
}

/* --- what the host has ---------------------------------------------------------------------------- */

struct facts {
	int root;
	const char *wwpn;
	const char *group; /* of ports, while it is looked at */
	const char *lun;
	unsigned nexuses, luns;
};

static int look_at_link(const char *name, void *opaque)
{
	struct facts *f = opaque;
	char to[HOSTFS_PATH_MAX];

	return hostfs_readlink(f->root, to, sizeof(to), TARGETS "/%s/%s/lun/%s/%s", f->wwpn, f->group,
			       f->lun, name) > 0;
}

/* A LUN is one when it has something to give: a link to that. */
static int look_at_lun(const char *name, void *opaque)
{
	struct facts *f = opaque;

	f->lun = name;
	if (hostfs_list(f->root, look_at_link, f, TARGETS "/%s/%s/lun/%s", f->wwpn, f->group, name) > 0)
		f->luns++;
	return 0;
}

static int look_at_group(const char *name, void *opaque)
{
	struct facts *f = opaque;
	char nexus[VMM_WWPN_MAX + 1];

	if (strncmp(name, "tpgt_", 5) != 0)
		return 0;
	/* There is none: the kernel says ENODEV. */
	if (hostfs_read(f->root, nexus, sizeof(nexus), TARGETS "/%s/%s/nexus", f->wwpn, name) <= 0)
		return 0;
	f->nexuses++;
	f->group = name;
	(void)hostfs_list(f->root, look_at_lun, f, TARGETS "/%s/%s/lun", f->wwpn, name);
	return 0;
}

static int refuse_used(const char *wwpn, struct err *err)
{
	err_plain(err, -EBUSY, "--scsi: another guest has the target %s", wwpn);
	return err_hint(err, "thruway vm ps shows the VMs that run; other VMMs may have it, too");
}

static int refuse_missing(const char *wwpn, struct err *err)
{
	err_plain(err, -ENODEV, "--scsi: this host has no target %s", wwpn);
	return err_hint(err, "targetcli /vhost create %s makes it, and ls /vhost shows what there is", wwpn);
}

static int refuse_incomplete(const struct facts *f, struct err *err)
{
	if (!f->nexuses) {
		err_plain(err, -ENODEV, "--scsi: the target %s has no nexus, without which it serves nobody",
			  f->wwpn);
		return err_hint(err, "targetcli makes one; by hand: echo %s >/%s/%s/tpgt_1/nexus", f->wwpn,
				TARGETS, f->wwpn);
	}
	err_plain(err, -ENODEV, "--scsi: the target %s has no LUN", f->wwpn);
	return err_hint(err, "targetcli /vhost/%s/tpg1/luns create /backstores/… gives it one", f->wwpn);
}

/* Where configfs is not to be seen, the kernel alone says. */
static int look_and_lock(int root, const char *wwpn, int *ret_fd, struct err *err)
{
	struct facts facts = { .root = root, .wwpn = wwpn };
	int fd, r;

	if (!hostfs_exists(root, TARGETS))
		return 0;
	fd = hostfs_open(root, O_RDONLY | O_DIRECTORY, TARGETS "/%s", wwpn);
	if (fd == -ENOENT)
		return refuse_missing(wwpn, err);
	if (fd < 0)
		return err_set(err, fd, "--scsi: cannot look at the target %s", wwpn);
	*ret_fd = fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? refuse_used(wwpn, err) :
					      err_set(err, -errno, "--scsi: cannot lock the target %s", wwpn);
	r = hostfs_list(root, look_at_group, &facts, TARGETS "/%s", wwpn);
	if (r < 0)
		return err_set(err, r, "--scsi: cannot look at the target %s", wwpn);
	return facts.nexuses && facts.luns ? 0 : refuse_incomplete(&facts, err);
}

/* --- opening -------------------------------------------------------------------------------------- */

static int open_node(int root, int *ret_fd, struct err *err)
{
	int fd = hostfs_open(root, O_RDWR, "dev/vhost-scsi");

	if (fd < 0)
		err_set(err, fd, "--scsi: cannot open /dev/vhost-scsi");
	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return err_hint(err, "modprobe vhost_scsi");
	if (fd == -EACCES || fd == -EPERM)
		return err_hint(err, "run it as root, whose the kernel's targets are");
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int check_version(int fd, struct err *err)
{
	int version = 0, r = SIZED_IOCTL(fd, VHOST_SCSI_GET_ABI_VERSION, &version);

	if (r < 0)
		return err_set(err, r, "--scsi: vhost-scsi does not answer");
	if (version <= VHOST_SCSI_ABI_VERSION)
		return 0;
	err_plain(err, -EPROTO, "--scsi: this kernel's vhost-scsi is of version %d, and %d is the last one "
				"known here", version, VHOST_SCSI_ABI_VERSION);
	return err_hint(err, "get a newer thruway");
}

/*
 * Take the target and let it go. Who does so is the descriptor's owner, by its memory, and the VMM is to be
 * that of its own: so this one is for nothing else.
 */
static int try_target(int root, const char *wwpn, struct err *err)
{
	struct vhost_scsi_target target = { .abi_version = VHOST_SCSI_ABI_VERSION };
	struct vhost_memory nothing = { .nregions = 0 };
	_cleanup_close_ int fd = -1;
	int r = open_node(root, &fd, err);

	if (r == 0)
		r = check_version(fd, err);
	if (r < 0)
		return r;
	strcpy(target.vhost_wwpn, vmm_scsi_port(wwpn)); /* as long as VMM_WWPN_MAX at most */
	r = VALUE_IOCTL(fd, VHOST_SET_OWNER, 0);
	if (r >= 0)
		r = SIZED_IOCTL(fd, VHOST_SET_MEM_TABLE, &nothing);
	if (r < 0)
		return err_set(err, r, "--scsi: vhost-scsi does not answer");
	r = SIZED_IOCTL(fd, VHOST_SCSI_SET_ENDPOINT, &target);
	/* The two are one to the kernel; that it is there was seen, where it can be. */
	if (r == -ENODEV)
		return hostfs_exists(root, TARGETS) ? refuse_used(wwpn, err) : refuse_missing(wwpn, err);
	if (r < 0)
		return err_set(err, r, "--scsi: cannot have the target %s", wwpn);
	(void)SIZED_IOCTL(fd, VHOST_SCSI_CLEAR_ENDPOINT, &target);
	return 0;
}

_Static_assert(sizeof(((struct vhost_scsi_target *)0)->vhost_wwpn) == VMM_WWPN_MAX + 1, "as the kernel's");

static int open_one(int root, const struct vm_opt_scsi *opts, struct vmm_scsi *ret, int *ret_lock,
		    struct err *err)
{
	int r = look_and_lock(root, opts->wwpn, ret_lock, err);

	if (r == 0)
		r = try_target(root, opts->wwpn, err);
	if (r < 0)
		return r;
	memcpy(ret->wwpn, opts->wwpn, sizeof(ret->wwpn));
	ret->queues = opts->queues;
	return open_node(root, &ret->fd, err);
}

int vm_scsi_open(int root, const struct vm_opt_scsi *opts, unsigned count, struct vmm_config *config,
		 struct vm_scsi_locks *ret, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		int *lock = &ret->fd[ret->count++];

		*lock = -1;
		r = open_one(root, &opts[i], &config->scsi[i], lock, err);
		if (r == 0)
			config->scsi_count++;
	}
	return r;
}

void vm_scsi_unlock(struct vm_scsi_locks *locks)
{
	for (unsigned i = 0; i < locks->count; i++)
		close_fdp(&locks->fd[i]);
	locks->count = 0;
}
