// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_link.h"

#include <stdio.h>

#include "base/hostfs.h"

#define DEVICES "sys/bus/pci/devices"

/* "8.0 GT/s PCIe", of older kernels "8 GT/s"; "Unknown" where there is no link. */
static unsigned read_speed(int root, struct bdf bdf, const char *name)
{
	unsigned whole, tenth = 0;
	char text[32];

	if (hostfs_read(root, text, sizeof(text), DEVICES "/%s/%s", BDF_STR(bdf), name) < 0 ||
	    (sscanf(text, "%4u.%1u GT/s", &whole, &tenth) != 2 &&
	     sscanf(text, "%4u GT/s", &whole) != 1))
		return 0;
	return whole * 1000 + tenth * 100;
}

/* 1 to 32; the kernel prints 255 for what it does not know. */
static unsigned read_width(int root, struct bdf bdf, const char *name)
{
	uint64_t v;

	if (hostfs_read_u64(root, &v, DEVICES "/%s/%s", BDF_STR(bdf), name) < 0 || v > 32)
		return 0;
	return (unsigned)v;
}

void pci_link_read(int root, struct bdf bdf, struct pci_link *ret)
{
	struct pci_link l = {
		.mts = read_speed(root, bdf, "current_link_speed"),
		.width = read_width(root, bdf, "current_link_width"),
		.max_mts = read_speed(root, bdf, "max_link_speed"),
		.max_width = read_width(root, bdf, "max_link_width"),
	};

	/* A port with nothing behind it still tells a speed. */
	if (!l.mts || !l.width)
		l.mts = l.width = 0;
	*ret = l;
}

bool pci_link_reduced(const struct pci_link *link)
{
	return link->width && (link->width < link->max_width || link->mts < link->max_mts);
}

char *pci_link_str(unsigned mts, unsigned width, char *buf, size_t size)
{
	if (!mts || !width)
		snprintf(buf, size, "%s", "");
	else if (mts % 1000)
		snprintf(buf, size, "%u.%u GT/s x%u", mts / 1000, mts % 1000 / 100, width);
	else
		snprintf(buf, size, "%u GT/s x%u", mts / 1000, width);
	return buf;
}
