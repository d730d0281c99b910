// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_users.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "sriov/pf.h"

#define DEV "sys/bus/pci/devices/%s"

struct vf {
	struct bdf bdf;
	int root;
	char group[16];	 /* number of its IOMMU group, "": none */
	char cdev[16];	 /* "vfio3" under /dev/vfio/devices, "": none */
	char driver[64]; /* "": none */
	unsigned netdevs;
	bool used;
	char why[96];
};

struct scan {
	int root;
	struct vf *vfs;
	unsigned count;
	unsigned by_group; /* VFs that a process could hold open */
	const char *pid;
};

static void __attribute__((format(printf, 2, 3))) mark(struct vf *vf, const char *fmt, ...)
{
	va_list ap;

	if (vf->used)
		return;
	vf->used = true;
	va_start(ap, fmt);
	vsnprintf(vf->why, sizeof(vf->why), fmt, ap);
	va_end(ap);
}

static int check_netdev(const char *name, void *opaque)
{
	struct vf *vf = opaque;
	uint64_t flags;

	vf->netdevs++;
	if (hostfs_read_u64(vf->root, &flags, "sys/class/net/%s/flags", name) == 0 &&
	    flags & IFF_UP)
		mark(vf, "its interface %s is up", name);
	return 0;
}

static int only_name(const char *name, void *opaque)
{
	snprintf(opaque, 16, "%.15s", name);
	return 1;
}

static void read_vf(struct scan *s, struct vf *vf)
{
	char dev[BDF_STRLEN];

	bdf_str(vf->bdf, dev);
	vf->root = s->root;
	(void)hostfs_link_name(s->root, vf->driver, sizeof(vf->driver), DEV "/driver", dev);
	(void)hostfs_link_name(s->root, vf->group, sizeof(vf->group), DEV "/iommu_group", dev);
	(void)hostfs_list(s->root, only_name, vf->cdev, DEV "/vfio-dev", dev);
	if (vf->group[0] && hostfs_exists(s->root, "sys/class/vfio/%s", vf->group))
		s->by_group++;
	(void)hostfs_list(s->root, check_netdev, vf, DEV "/net", dev);
}

/* A network driver is bound and no interface is to be seen: it went to another namespace. */
static void check_namespace(struct scan *s, const struct pf *pf, struct vf *vf)
{
	bool is_network = pf->class >> 16 == 0x02;

	if (is_network && vf->driver[0] && !vf->netdevs && !strstr(vf->driver, "vfio") &&
	    hostfs_exists(s->root, DEV "/net", BDF_STR(vf->bdf)))
		mark(vf, "its interface is in another network namespace");
}

static int check_fd(const char *name, void *opaque)
{
	char target[64], command[32] = "";
	struct scan *s = opaque;
	const char *node;

	if (hostfs_readlink(s->root, target, sizeof(target), "proc/%s/fd/%s", s->pid, name) < 0 ||
	    !(node = strstr(target, "dev/vfio/")))
		return 0;
	node += strlen("dev/vfio/");
	if (strncmp(node, "devices/", 8) == 0)
		node += 8;
	for (unsigned i = 0; i < s->count; i++) {
		struct vf *vf = &s->vfs[i];

		if (!(vf->group[0] && strcmp(node, vf->group) == 0) &&
		    !(vf->cdev[0] && strcmp(node, vf->cdev) == 0))
			continue;
		(void)hostfs_read(s->root, command, sizeof(command), "proc/%s/comm", s->pid);
		mark(vf, "open in %s, pid %s", command[0] ? command : "a process", s->pid);
	}
	return 0;
}

static int check_process(const char *name, void *opaque)
{
	struct scan *s = opaque;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	s->pid = name;
	/* Processes come and go, and an ordinary user may not look into most. */
	(void)hostfs_list(s->root, check_fd, s, "proc/%s/fd", name);
	return 0;
}

static int report(const struct scan *s, char *buf, size_t size)
{
	size_t len = 0;
	int used = 0;

	if (size)
		buf[0] = '\0';
	for (unsigned i = 0; i < s->count; i++) {
		const struct vf *vf = &s->vfs[i];
		int w;

		if (!vf->used)
			continue;
		used++;
		if (len + 4 >= size)
			continue;
		w = snprintf(buf + len, size - len, "%svf%u %s: %s", len ? "; " : "", i,
			     BDF_STR(vf->bdf), vf->why);
		if (w > 0 && (size_t)w < size - len) {
			len += (size_t)w;
			continue;
		}
		strcpy(buf + len, "…");
		len = size;
	}
	return used;
}

int vf_users(int root, struct bdf bdf, char *buf, size_t size)
{
	struct scan s = { .root = root };
	_cleanup_free_ struct vf *vfs = NULL;
	struct pf pf;
	int r = pf_read(root, bdf, &pf, NULL);

	if (r < 0)
		return r;
	vfs = calloc(pf.numvfs ? pf.numvfs : 1, sizeof(*vfs));
	if (!vfs)
		return -ENOMEM;
	s.vfs = vfs;
	for (; s.count < pf.numvfs; s.count++) {
		if (pf_vf_bdf(root, bdf, s.count, &vfs[s.count].bdf) < 0)
			continue;
		read_vf(&s, &vfs[s.count]);
		check_namespace(&s, &pf, &vfs[s.count]);
	}
	if (s.by_group)
		(void)hostfs_list(root, check_process, &s, "proc");
	return report(&s, buf, size);
}
