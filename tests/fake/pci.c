// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fake/sysfs.h"

/* A helper that fails makes every figure of the test meaningless: it ends the program. */
#define MUST(cond)                                                                     \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "fake pci: %s: %s\n", #cond, strerror(errno)); \
			abort();                                                       \
		}                                                                      \
	} while (0)

void fake_put_bytes(int root, const char *path, const void *data, size_t len)
{
	int fd;

	fake_sysfs_text(root, "", "%s", path); /* makes its directories */
	fd = openat(root, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	MUST(fd >= 0);
	MUST(write(fd, data, len) == (ssize_t)len);
	close(fd);
}

const char *fake_get(int root, const char *path)
{
	static char text[4096];
	int fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return "<none>";
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	MUST(n >= 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return text;
}

struct pci_dir {
	int root;
	char path[256];
};

static void put_attr(struct pci_dir *d, const char *name, const char *fmt, unsigned v)
{
	char path[384], text[64];

	snprintf(path, sizeof(path), "%s/%s", d->path, name);
	snprintf(text, sizeof(text), fmt, v);
	fake_sysfs_text(d->root, text, "%s", path);
}

static void link_attr(struct pci_dir *d, const char *name, const char *fmt, const char *v)
{
	char path[384], target[256];

	snprintf(path, sizeof(path), "%s/%s", d->path, name);
	snprintf(target, sizeof(target), fmt, v);
	fake_sysfs_link(d->root, target, "%s", path);
}

static void put_config(struct pci_dir *d, const struct fake_pci *p, unsigned class)
{
	unsigned char cfg[256] = { 0 };
	char path[384];

	cfg[0x09] = (unsigned char)class;
	cfg[0x0a] = (unsigned char)(class >> 8);
	cfg[0x0b] = (unsigned char)(class >> 16);
	cfg[0x0e] = (unsigned char)p->header_type;
	snprintf(path, sizeof(path), "%s/config", d->path);
	fake_put_bytes(d->root, path, cfg, sizeof(cfg));
}

static void put_sriov(struct pci_dir *d, const struct fake_pci *p)
{
	char path[384], target[64], name[32];

	if (p->total_vfs) {
		put_attr(d, "sriov_totalvfs", "%u", p->total_vfs);
		put_attr(d, "sriov_numvfs", "%u", p->num_vfs);
		put_attr(d, "sriov_drivers_autoprobe", "%u", 1);
	}
	if (!p->pf)
		return;
	link_attr(d, "physfn", "../%s", p->pf);
	snprintf(name, sizeof(name), "virtfn%u", p->vf_index);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", p->pf, name);
	snprintf(target, sizeof(target), "../%s", p->bdf);
	fake_sysfs_link(d->root, target, "%s", path);
}

static void put_group(struct pci_dir *d, const struct fake_pci *p)
{
	char path[384];

	if (!p->group)
		return;
	link_attr(d, "iommu_group", "../../../kernel/iommu_groups/%s", p->group);
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%s/devices/%s", p->group, p->bdf);
	fake_sysfs_link(d->root, p->bdf, "%s", path);
}

void fake_pci_add(int root, const struct fake_pci *p)
{
	const char *place = p->place ? p->place : "pci0000:00";
	unsigned vendor = 0x8086, device = 0x10c9, class = p->class ? p->class : 0x020000;
	struct pci_dir d = { .root = root };
	char path[384], target[384];

	if (p->ids)
		MUST(sscanf(p->ids, "%x:%x", &vendor, &device) == 2);
	snprintf(d.path, sizeof(d.path), "sys/devices/%s/%s", place, p->bdf);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", p->bdf);
	snprintf(target, sizeof(target), "../../../devices/%s/%s", place, p->bdf);
	put_attr(&d, "vendor", "0x%04x", vendor);
	put_attr(&d, "device", "0x%04x", device);
	put_attr(&d, "class", "0x%06x", class);
	put_attr(&d, "driver_override", "(null)", 0);
	if (!p->conventional)
		put_attr(&d, "max_link_speed", "Unknown", 0);
	fake_sysfs_link(root, target, "%s", path);
	put_config(&d, p, class);
	put_sriov(&d, p);
	put_group(&d, p);
	if (p->driver)
		link_attr(&d, "driver", "../../../bus/pci/drivers/%s", p->driver);
	if (p->netdev) {
		char attr[64];

		snprintf(attr, sizeof(attr), "net/%.32s/address", p->netdev);
		put_attr(&d, attr, "52:54:00:00:00:%02x", 1);
	}
	put_attr(&d, "numa_node", p->node ? p->node : "-1", 0);
}
