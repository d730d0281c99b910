// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hostfs.h"
#include "tests/fake/hostfs.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define PCI "sys/bus/pci/"

static void driver_of(struct fake_kernel *k, const char *dev, char *buf, size_t size)
{
	if (hostfs_link_name(k->root, buf, size, PCI "devices/%s/driver", dev) < 0)
		buf[0] = '\0';
}

static void put_resource(int root, const char *dev, unsigned long long start,
			  unsigned long long size)
{
	char line[96];

	snprintf(line, sizeof(line), "0x%016llx 0x%016llx 0x000000000014220c", start,
		 start + size - 1);
	fake_sysfs_text(root, line, PCI "devices/%s/resource", dev);
}

static void put_node(struct fake_kernel *k, const char *dev)
{
	char group[16];

	if (hostfs_link_name(k->root, group, sizeof(group), PCI "devices/%s/iommu_group", dev) > 0)
		fake_sysfs_text(k->root, "", "dev/vfio/%s", group);
}

static int attach(struct fake_kernel *k, const char *dev, const char *driver)
{
	if (k->refuses && strcmp(driver, k->refuses) == 0)
		return -EIO;
	fake_sysfs_link(k->root, driver, PCI "devices/%s/driver", dev);
	if (strcmp(driver, "vfio-pci") == 0 && !k->no_nodes)
		put_node(k, dev);
	return 0;
}

/* The driver the core would offer the device to. */
static const char *match(struct fake_kernel *k, const char *dev, char *buf, size_t size)
{
	if (hostfs_read(k->root, buf, size, PCI "devices/%s/driver_override", dev) > 0 &&
	    strcmp(buf, "(null)") != 0)
		return buf;
	return k->native;
}

static int probe(struct fake_kernel *k, const char *dev)
{
	char now[64], buf[64];
	const char *driver = match(k, dev, buf, sizeof(buf));

	driver_of(k, dev, now, sizeof(now));
	if (now[0] || !driver)
		return -EINVAL;
	/* drivers_probe does not tell of a probe that failed. */
	(void)attach(k, dev, driver);
	return 0;
}

static int unbind(struct fake_kernel *k, const char *driver, const char *dev)
{
	char now[64];

	driver_of(k, dev, now, sizeof(now));
	if (strcmp(now, driver) != 0)
		return -ENODEV;
	if (k->hangs_in_unbind && strcmp(driver, k->hangs_in_unbind) == 0)
		return -ETIMEDOUT;
	fake_sysfs_remove(k->root, PCI "devices/%s/driver", dev);
	return 0;
}

static int bind(struct fake_kernel *k, const char *driver, const char *dev)
{
	char now[64], buf[64];
	const char *wanted = match(k, dev, buf, sizeof(buf));

	driver_of(k, dev, now, sizeof(now));
	if (now[0] || !wanted || strcmp(wanted, driver) != 0)
		return -ENODEV;
	return attach(k, dev, driver);
}

/* The first BAR alone; from 512 MiB on the bridge has no room. */
static int resize(struct fake_kernel *k, const char *dev, const char *value)
{
	unsigned long long start = 0x400000000ull, size = 1ull << 20 << strtoul(value, NULL, 10);
	char now[64];

	driver_of(k, dev, now, sizeof(now));
	if (now[0])
		return -EBUSY;
	if (size >= 512ull << 20)
		return -ENOSPC;
	put_resource(k->root, dev, start, size);
	return 0;
}

static int act(struct fake_kernel *k, const char *path, const char *value)
{
	char driver[64];
	int end = 0;

	if (sscanf(path, PCI "devices/%63[^/]/resource0_resize%n", driver, &end) == 1 && end)
		return resize(k, driver, value);

	if (strcmp(path, PCI "drivers_probe") == 0)
		return probe(k, value);
	if (sscanf(path, PCI "drivers/%63[^/]/unbind%n", driver, &end) == 1 && end)
		return unbind(k, driver, value);
	if (sscanf(path, PCI "drivers/%63[^/]/bind%n", driver, &end) == 1 && end)
		return bind(k, driver, value);
	return FAKE_HOSTFS_PASS;
}

static int on_write(void *opaque, int root, const char *path, const char *value)
{
	struct fake_kernel *k = opaque;
	const char *dev = strrchr(path, '/');
	int r;

	if (k->nwrites < FAKE_KERNEL_LOG)
		snprintf(k->writes[k->nwrites], sizeof(k->writes[0]), "%.60s=%.30s",
			 strncmp(path, PCI, 12) == 0 ? path + 12 : path, value);
	k->nwrites++;
	r = act(k, path, value);
	if (r == FAKE_HOSTFS_PASS && dev && strcmp(dev, "/driver_override") == 0) {
		fake_sysfs_text(root, *value ? value : "(null)", "%s", path);
		r = 0;
	}
	if (k->die_at == k->nwrites)
		_exit(77);
	return r;
}

void fake_kernel_start(struct fake_kernel *k)
{
	static const char *const drivers[] = { "igbvf", "vfio-pci" };

	for (unsigned i = 0; i < 2; i++)
		fake_sysfs_text(k->root, "", PCI "drivers/%s/bind", drivers[i]);
	if (k->native)
		fake_sysfs_text(k->root, "", PCI "drivers/%s/bind", k->native);
	fake_hostfs(on_write, k);
}

void fake_kernel_stop(void)
{
	fake_hostfs(NULL, NULL);
}
