// SPDX-License-Identifier: GPL-2.0-or-later
/* The VFIO drivers of this kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"

/* 1: a line of the file has it; 0: none has; -errno. */
static int file_mentions(struct check *c, const char *path, const char *what)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *in = NULL;
	size_t size = 0;
	int r = check_fopen(c, &in, "%s", path);

	if (r < 0)
		return r;
	while (getline(&line, &size, in) > 0) {
		if (strstr(line, what))
			return 1;
	}
	return 0;
}

/* The kernel's modules: 1: vfio-pci is one of them; 0: it is not; -errno: there is no list. */
static int can_be_loaded(struct check *c)
{
	char release[128], path[256];
	int r;

	if (hostfs_read(c->d->root, release, sizeof(release), "proc/sys/kernel/osrelease") < 0)
		return -ENOENT;
	snprintf(path, sizeof(path), "lib/modules/%s/modules.dep", release);
	r = file_mentions(c, path, "/vfio-pci.ko");
	if (r > 0)
		check_evidence(c, "vfio-pci.ko", "%s", path);
	else if (r == 0)
		check_evidence(c, "no vfio-pci.ko", "%s", path);
	return r;
}

/* Somebody set their override and now they have no driver at all. */
static unsigned count_waiting(struct check *c)
{
	const struct topo *topo = c->d->req->topo;
	unsigned n = 0;

	for (size_t i = 0; i < topo->count; i++) {
		const struct pci_function *dev = &topo->devs[i];

		if (dev->driver[0] || strcmp(dev->override, "vfio-pci") != 0)
			continue;
		check_evidence(c, dev->override, "sys/bus/pci/devices/%s/driver_override",
			       BDF_STR(dev->bdf));
		n++;
	}
	return n;
}

void rule_vfio_module(struct check *c)
{
	unsigned waiting;
	int r;

	if (!hostfs_exists(c->d->root, "sys/bus/pci/drivers")) {
		check_unreadable(c, -ENOENT, "sys/bus/pci/drivers");
		return;
	}
	if (hostfs_exists(c->d->root, "sys/bus/pci/drivers/vfio-pci")) {
		check_evidence(c, "there", "sys/bus/pci/drivers/vfio-pci");
		return;
	}
	check_evidence(c, "not there", "sys/bus/pci/drivers/vfio-pci");
	waiting = count_waiting(c);
	r = can_be_loaded(c);
	if (r == 0) {
		check_say(c, DOCTOR_FAIL, "this kernel has no vfio-pci driver");
		check_fix(c, "install the package with the rest of this kernel's modules, or a "
			     "kernel with CONFIG_VFIO_PCI");
	} else if (waiting) {
		check_say(c, DOCTOR_FAIL, "%u device%s for vfio-pci, which is not loaded", waiting,
			  waiting > 1 ? "s wait" : " waits");
		check_fix(c, "modprobe vfio-pci; in future: echo vfio-pci "
			     ">/etc/modules-load.d/vfio-pci.conf");
	} else if (r < 0) {
		check_say(c, DOCTOR_NOTE,
			  "vfio-pci is not loaded, and no list of modules says "
			  "whether it can be");
		check_fix(c, "modprobe vfio-pci");
	}
}
