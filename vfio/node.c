// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hostfs.h"
#include "base/process.h"

int vfio_container_open(int root, int *ret_fd, struct err *err)
{
	int fd = hostfs_open(root, O_RDWR, "dev/vfio/vfio");

	if (fd == -ENOENT || fd == -ENODEV) {
		err_set(err, fd, "cannot open /dev/vfio/vfio");
		return err_hint(err, "load VFIO: modprobe vfio-pci");
	}
	if (fd < 0) {
		err_set(err, fd, "cannot open /dev/vfio/vfio");
		return err_hint(err, "run as root, or let the user open it (it is harmless by itself: "
				     "chmod 0666 /dev/vfio/vfio)");
	}
	*ret_fd = fd;
	return 0;
}

struct holder_search {
	int root;
	char node[64];
	pid_t pid;
	const char *process;
};

static int match_fd(const char *name, void *opaque)
{
	struct holder_search *s = opaque;
	char target[128];

	if (hostfs_readlink(s->root, target, sizeof(target), "proc/%s/fd/%s", s->process, name) < 0)
		return 0;
	return strcmp(target, s->node) == 0;
}

static int match_process(const char *name, void *opaque)
{
	struct holder_search *s = opaque;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	s->process = name;
	if (hostfs_list(s->root, match_fd, s, "proc/%s/fd", name) != 1)
		return 0; /* not it, gone meanwhile, or not ours to look at */
	s->pid = (pid_t)strtol(name, NULL, 10);
	return 1;
}

int vfio_group_holder(int root, unsigned group, pid_t *ret_pid, char *comm, size_t comm_size)
{
	struct holder_search s = { .root = root };

	snprintf(s.node, sizeof(s.node), "/dev/vfio/%u", group);
	if (hostfs_list(root, match_process, &s, "proc") != 1)
		return -ENOENT;
	process_name(root, s.pid, comm, comm_size);
	*ret_pid = s.pid;
	return 0;
}

static int busy(int root, unsigned group, const char *bdf, struct err *err)
{
	char comm[64];
	pid_t pid;

	if (vfio_group_holder(root, group, &pid, comm, sizeof(comm)) < 0) {
		err_set(err, -EBUSY, "cannot attach %s: another process has its group %u open", bdf,
			group);
		return err_hint(err, "see who: fuser -v /dev/vfio/%u", group);
	}
	err_set(err, -EBUSY, "cannot attach %s: its group %u is held by pid %d (%s)", bdf, group,
		(int)pid, comm);
	return err_hint(err, "one VM at a time may have it: stop that one first, or give this VM "
			     "another VF");
}

int vfio_group_open(int root, unsigned group, const char *bdf, int *ret_fd, struct err *err)
{
	int fd = hostfs_open(root, O_RDWR, "dev/vfio/%u", group);

	switch (fd) {
	case -EBUSY: return busy(root, group, bdf, err);
	case -ENOENT:
		err_set(err, fd, "cannot attach %s: no /dev/vfio/%u", bdf, group);
		return err_hint(err, "bind it to vfio-pci first: thruway bind %s", bdf);
	case -EACCES:
	case -EPERM:
		err_set(err, fd, "cannot attach %s: /dev/vfio/%u", bdf, group);
		return err_hint(err, "run as root, or bind it for this user: "
				     "thruway bind --owner USER %s", bdf);
	default: break;
	}
	if (fd < 0)
		return err_set(err, fd, "cannot attach %s: /dev/vfio/%u", bdf, group);
	*ret_fd = fd;
	return 0;
}
