// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/le.h"
#include "vfio/pci_function.h"

#define DEVICES "sys/bus/pci/devices"

/*
 * Call fn for each path component of the device's place in sysfs that is a BDF,
 * the device itself last. Returns how many there were, or -errno.
 */
static int each_on_path(int root, struct bdf bdf, void (*fn)(struct bdf at, void *opaque),
			void *opaque)
{
	char link[HOSTFS_PATH_MAX], *save = NULL;
	struct bdf at;
	ssize_t len = hostfs_readlink(root, link, sizeof(link), DEVICES "/%s", BDF_STR(bdf));
	int n = 0;

	if (len < 0)
		return len == -ENOENT ? -ENODEV : (int)len;
	for (char *p = strtok_r(link, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		if (bdf_parse(p, &at) < 0)
			continue;
		fn(at, opaque);
		n++;
	}
	return n;
}

struct parents {
	struct bdf *out;
	unsigned max, count;
};

static void keep_parent(struct bdf at, void *opaque)
{
	struct parents *p = opaque;

	if (p->count < p->max)
		p->out[p->count] = at;
	p->count++;
}

int pci_path_parents(int root, struct bdf bdf, struct bdf *ret, unsigned max)
{
	struct parents p = { ret, max, 0 };
	int n = each_on_path(root, bdf, keep_parent, &p);

	if (n < 0)
		return n;
	n = n ? n - 1 : 0; /* without the device itself */
	return n < (int)max ? n : (int)max;
}

struct text {
	char *buf;
	size_t size, len;
};

static void add_place(struct bdf at, void *opaque)
{
	struct text *t = opaque;
	int n = snprintf(t->buf + t->len, t->size - t->len, "/%02x.%x", at.dev, at.fn);

	if (n > 0 && (size_t)n < t->size - t->len)
		t->len += (size_t)n;
}

/*
 * The Device Serial Number capability; 0 where there is none or only root may
 * read it. -EIO when the device does not answer: then it has no identity to compare.
 */
static int serial_number(int root, const char *name, uint64_t *ret)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY, DEVICES "/%s/config", name);
	off_t pos = PCI_CFG_SPACE_SIZE;
	uint8_t b[12];

	*ret = 0;
	if (fd >= 0 && pread(fd, b, 4, 0) == 4 && get_le32(b) == UINT32_MAX)
		return -EIO;
	/* Capability by capability: each byte of this file is a cycle on the bus. */
	for (unsigned i = 0; fd >= 0 && i < 480 && pos >= PCI_CFG_SPACE_SIZE; i++) {
		uint32_t header;

		if (pread(fd, b, sizeof(b), pos) != sizeof(b))
			break;
		header = get_le32(b);
		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DSN) {
			*ret = get_le64(b + 4);
			break;
		}
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

/* "pci0000:80": the host bridge the device is below, which firmware numbers. */
static void host_bridge(int root, struct bdf bdf, char *buf, size_t size)
{
	char link[HOSTFS_PATH_MAX], *at = NULL;

	if (hostfs_readlink(root, link, sizeof(link), DEVICES "/%s", BDF_STR(bdf)) > 0)
		at = strstr(link, "/pci");
	snprintf(buf, size, "%.*s", at ? (int)strcspn(at + 1, "/") : 0, at ? at + 1 : "");
}

static int describe(int root, const struct pci_function *d, char *buf, size_t size)
{
	struct text t = { buf, size, 0 };
	uint64_t serial;
	char bridge[24];
	int n = serial_number(root, BDF_STR(d->bdf), &serial);

	if (n < 0)
		return n;
	host_bridge(root, d->bdf, bridge, sizeof(bridge));
	n = snprintf(buf, size, "%04x:%04x/%04x:%04x serial=%016llx at %s", d->vendor, d->device,
		     d->sub_vendor, d->sub_device, (unsigned long long)serial, bridge);
	if (n < 0 || (size_t)n >= size)
		return -ENOSPC;
	t.len = (size_t)n;
	n = each_on_path(root, d->bdf, add_place, &t);
	return n < 0 ? n : 0;
}

int pci_path_identity(int root, struct bdf bdf, char *buf, size_t size)
{
	struct pci_function d, pf;
	size_t len;
	int r = pci_function_read_unlocked(root, bdf, &d);

	if (r < 0 || !d.is_vf)
		return r < 0 ? r : describe(root, &d, buf, size);
	if (d.vf_index < 0) /* on its way out: no telling which one it was */
		return -ENODEV;
	r = pci_function_read_unlocked(root, d.pf, &pf);
	if (r == 0)
		r = describe(root, &pf, buf, size);
	if (r < 0)
		return r;
	len = strlen(buf);
	snprintf(buf + len, size - len, " vf%d", d.vf_index);
	return 0;
}
