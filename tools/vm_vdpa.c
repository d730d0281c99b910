// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_vdpa.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <linux/vhost.h>
#include <linux/virtio_ids.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"

#define NODE	"vhost-vdpa-"
#define DEVICES "sys/bus/vdpa/devices"

int vm_vdpa_parse(const char *name, char ret[VM_NIC_VDPA_MAX], struct err *err)
{
	if (strncmp(name, "/dev/", 5) == 0)
		name += 5;
	if (!*name || strlen(name) >= VM_NIC_VDPA_MAX || strchr(name, '/') || name[0] == '.') {
		err_usage(err, "--nic: '%s' is no name of a vDPA device", name);
		return err_hint(err, "write vdpa:NAME, as vdpa dev show has it, or vdpa:/dev/vhost-vdpa-N");
	}
	strcpy(ret, name);
	return 0;
}

static int take_node(const char *entry, void *opaque)
{
	char *node = opaque;

	if (strncmp(entry, NODE, strlen(NODE)) != 0 || strlen(entry) >= VM_NIC_VDPA_MAX)
		return 0;
	strcpy(node, entry);
	return 1;
}

static int say_missing(const char *name, struct err *err)
{
	err_plain(err, -ENODEV, "--nic: this host has no vDPA device %s", name);
	return err_hint(err, "vdpa dev show tells what there is; vdpa mgmtdev show, what can make one");
}

static int find_node(int root, const char *name, char ret[VM_NIC_VDPA_MAX], struct err *err)
{
	if (strncmp(name, NODE, strlen(NODE)) == 0) {
		strcpy(ret, name);
		return 0;
	}
	if (!hostfs_exists(root, DEVICES "/%s", name))
		return say_missing(name, err);
	if (hostfs_list(root, take_node, ret, DEVICES "/%s", name) > 0)
		return 0;
	err_plain(err, -ENODEV, "--nic: the vDPA device %s is not for guests: vhost_vdpa does not have it", name);
	return err_hint(err, "modprobe vhost_vdpa; where another driver has it: echo %s >/%s/%s/driver/unbind, "
			     "then >/sys/bus/vdpa/drivers/vhost_vdpa/bind", name, DEVICES, name);
}

static int open_node(int root, const char *name, const char *node, int *ret_fd, struct err *err)
{
	int fd = hostfs_open(root, O_RDWR, "dev/%s", node);

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return say_missing(name, err);
	if (fd == -EBUSY) {
		err_plain(err, fd, "--nic: something else has the vDPA device %s", name);
		return err_hint(err, "thruway vm ps shows the VMs that run, fuser -v /dev/%s who has it", node);
	}
	if (fd < 0)
		err_set(err, fd, "--nic: cannot open /dev/%s", node);
	if (fd == -EACCES || fd == -EPERM)
		return err_hint(err, "run it as root");
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int check_kind(int fd, const char *name, struct err *err)
{
	__u32 id = 0;
	int r = SIZED_IOCTL(fd, VHOST_VDPA_GET_DEVICE_ID, &id);

	if (r < 0)
		return err_set(err, r, "--nic: the vDPA device %s does not say what it is", name);
	if (id == VIRTIO_ID_NET)
		return 0;
	return err_plain(err, -EINVAL, "--nic: the vDPA device %s is no network device, but one of virtio's "
				       "number %u", name, id);
}

int vm_vdpa_open(int root, const char *name, struct vmm_nic *ret, struct err *err)
{
	char node[VM_NIC_VDPA_MAX];
	_cleanup_close_ int fd = -1;
	int r = find_node(root, name, node, err);

	if (r == 0)
		r = open_node(root, name, node, &fd, err);
	if (r == 0)
		r = check_kind(fd, name, err);
	if (r < 0)
		return r;
	ret->vdpa = true;
	snprintf(ret->host, sizeof(ret->host), "%.*s", (int)sizeof(ret->host) - 1, name);
	ret->backend_fd = TAKE_FD(fd);
	return 0;
}
